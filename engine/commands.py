"""What may be asked of an engine through its control socket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.control import pack
from engine.errors import NotFoundError, TocsinError
from engine.model import ExplanationLine, MaintenanceWish
from engine.text import own_words, plain
from engine.version import __version__

if TYPE_CHECKING:
    from engine.engine import Engine


BREAKERS_TOLD = 1_000
"""Those that let least through come first: what is left out is closed, unless there are that many open."""
SILENCES_TOLD = 500
WINDOWS_TOLD = 200


async def obey(engine: Engine, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Carry out one command and return its answer. Raises TocsinError for what cannot be done."""
    try:
        match command:
            case "ping":
                return {"version": __version__}
            case "info":
                return pack(await engine.info())
            case "acknowledge":
                return pack(await engine.alerts.acknowledge(**arguments))
            case "resolve":
                return pack(await engine.alerts.resolve(**arguments))
            case "note":
                return pack(await engine.alerts.note(**arguments))
            case "rules":
                return {"rules": [pack(status) for status in await engine.rules.statuses(**arguments)]}
            case "rule":
                return pack(await engine.rules.detail(**arguments))
            case "try_channel":
                return pack(await engine.rules.try_channel(**arguments))
            case "silences":
                return {"silences": [pack(silence) for silence in engine.alerts.silences()[:SILENCES_TOLD]]}
            case "silence":
                return pack(await engine.alerts.silence(**arguments))
            case "expire_silence":
                return pack(await engine.alerts.expire_silence(**arguments))
            case "maintenance":
                return {"maintenance": [pack(each) for each in engine.alerts.maintenance()[:WINDOWS_TOLD]]}
            case "maintain":
                return pack(await engine.alerts.maintain(_wish(**arguments)))
            case "end_maintenance":
                return pack(await engine.alerts.end_maintenance(**arguments))
            case "muted":
                return {"muted": {str(number): words for number, words in engine.alerts.muted().items()}}
            case "explain":
                return _told(await engine.explainer.alert(**arguments))
            case "explain_rule":
                return _told(await engine.explainer.rule(**arguments))
            case "retry_notification":
                return pack(await engine.retry_notification(**arguments))
            case "run_now":
                await engine.run_now(**arguments)
            case "set_paused":
                await engine.set_paused(**arguments)
            case "workflows":
                return {"workflows": [pack(status) for status in engine.workflow_page(**arguments)]}
            case "pledges":
                return {"pledges": [pack(pledge) for pledge in engine.pledges(**arguments)]}
            case "reload":
                return pack(await engine.reload())
            case "breakers":
                return {"breakers": [pack(status) for status in (await engine.breakers())[:BREAKERS_TOLD]]}
            case "reset_breaker":
                await engine.reset_breaker(**arguments)
            case _:
                raise NotFoundError(f"there is no command {plain(command)}")
    except TypeError as error:
        raise TocsinError(f"{command}: {own_words(error)}") from error
    return {}


def _wish(wish: dict[str, Any]) -> MaintenanceWish:
    patterns = {name: tuple(map(str, wish.get(name, ()))) for name in ("workflows", "tags")}
    return MaintenanceWish(**{**wish, **patterns})


def _told(lines: Iterable[ExplanationLine]) -> dict[str, Any]:
    return {"lines": [(line.kind, line.text) for line in lines]}
