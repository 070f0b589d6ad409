"""What is different between two configurations, in words; and what of it has to wait for a restart.

Numbers, durations and words of the configuration's own are told as they were and as they are. Of texts only
that they are others: an address or a header may hold a secret.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, BeforeValidator

from engine.config.types import Duration, PositiveDuration, format_duration
from engine.text import counted

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig
    from engine.config.schema import Config

DETAILS = 6
"""Differences of one part that are named; of the others it is said how many there are."""
RESTART = (("heartbeats",), ("canary",), ("tracing", "export"), ("tracing", "accept"), ("storage", "ballast"))
"""Settings that stay as they are until the engine starts again."""

_NAMES = {"retries": "retry"}
_COMPOSING = frozenset({"version", "environments", "overlays", "fragments", "python"})
_OWN_WORDS = frozenset({"cron", "timezone", "metric", "operator", "logic", "overlap", "type"})
_DURATIONS = {each.func for kind in (Duration, PositiveDuration) for each in kind.__metadata__[:1]}  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference: a line for each part that came (`+`), went (`-`) or is another (`~`)."""

    lines: tuple[str, ...] = ()
    summary: str = ""

    def __bool__(self) -> bool:
        return bool(self.lines)


def compare(before: LoadedConfig, after: LoadedConfig) -> Changes:
    """What is different in `after`; neither holds secrets in what is told, but for names of parts."""
    lines: list[str] = []
    counts: Counter[tuple[str, str]] = Counter()

    def tell(sign: str, kind: str, name: str, details: Iterable[str] = ()) -> None:
        counts[sign, kind] += bool(name)
        named = f"{kind} {name}".rstrip()
        told = _shortened(list(details))
        lines.append(f"{sign} {named}: {told}" if told else f"{sign} {named}")

    if before.environment != after.environment:
        tell("~", "environment", f"{before.environment} → {after.environment}")
    elif names := sorted(_differing(before.variables, after.variables)):
        tell("~", "environment", after.environment, names)
    for key in type(after.config).model_fields:
        if key not in _COMPOSING:
            _section(key, getattr(before.config, key), getattr(after.config, key), tell)
    words = (sign + (counted(count, kind) if count else kind) for (sign, kind), count in counts.items())
    return Changes(tuple(lines), ", ".join(words))


def adopted(before: Config, after: Config) -> Config:
    """`after` as far as it can be in force without a restart, in which parts that are equal are the same."""
    settings = after.settings
    for path in RESTART:
        settings = _put(settings, path, _get(before.settings, path))
    old: dict[str, dict[str, Any]] = {
        key: {each.id: each for each in getattr(before, key)} for key in ("workflows", "rules")
    }
    same = {
        key: tuple(
            old[key][each.id] if old[key].get(each.id) == each else each for each in getattr(after, key)
        )
        for key in old
    }
    return after.model_copy(update={"settings": settings, **same})


_Tell = Callable[[str, str, str, Iterable[str]], None]


def _section(key: str, before: Any, after: Any, tell: _Tell) -> None:
    kind = _NAMES.get(key, key.removesuffix("s"))
    if before == after:
        return
    old, new = _named(before), _named(after)
    if old is None or new is None:
        if isinstance(before, BaseModel) and isinstance(after, BaseModel):
            tell("~", key, "", map(_with_restart, _differences(before, after)))
        else:
            sign = "+" if not before else "-" if not after else "~"
            tell(sign, key, "", ())
        return
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            tell("-", kind, name, ())
        elif name not in old:
            tell("+", kind, name, ())
        elif old[name] != new[name]:
            tell("~", kind, name, _differences(old[name], new[name]))
    if list(new) != list(old) and set(new) == set(old):
        tell("~", f"order of {key}", "", ())


def _named(value: Any) -> Mapping[str, Any] | None:
    """Parts by their names; None for what has none."""
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple) and all(hasattr(each, "id") for each in value):
        return {str(each.id): each for each in value}
    return None


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _differences(before: Any, after: Any, path: str = "", is_duration: bool = False) -> Iterator[str]:
    """What is different below `path`, the nearest name of each."""
    if before == after:
        return
    if isinstance(before, BaseModel) and type(before) is type(after):
        for name, field in type(before).model_fields.items():
            inner = f"{path}.{field.alias or name}" if path else field.alias or name
            yield from _differences(
                getattr(before, name),
                getattr(after, name),
                inner,
                _means_duration(field.annotation) or any(_is_duration(each) for each in field.metadata),
            )
    elif (parts := _parts(before, after)) is not None:
        for name, old, new in parts:
            if old is None or new is None:
                yield f"{'+' if old is None else '-'}{path}.{name}"
            else:
                yield from _differences(old, new, f"{path}.{name}")
    elif _is_told(path, before) and _is_told(path, after):
        yield f"{path} {_word(before, is_duration)} → {_word(after, is_duration)}"
    else:
        yield path


def _parts(before: Any, after: Any) -> list[tuple[str, Any, Any]] | None:
    """Lists of models in pairs: by their ids, else by their places as long as they are as many."""
    if not (isinstance(before, tuple) and isinstance(after, tuple)):
        return None
    if not all(isinstance(each, BaseModel) for each in (*before, *after)):
        return None
    old, new = _named(before), _named(after)
    if old is not None and new is not None:
        return [(name, old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new])]
    if len(before) != len(after):
        return None
    return [(str(place), *pair) for place, pair in enumerate(zip(before, after, strict=True), 1)]


def _is_told(path: str, value: Any) -> bool:
    if value is None or isinstance(value, (bool, int, float, Enum)):
        return True
    return isinstance(value, str) and path.rpartition(".")[2] in _OWN_WORDS


def _word(value: Any, is_duration: bool) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, (int, float)):
        return format_duration(value) if is_duration else f"{value:g}"
    return str(value)


def _means_duration(annotation: Any) -> bool:
    """Whether an annotated type has durations in it, such as `PositiveDuration | None`."""
    metadata = getattr(annotation, "__metadata__", ())
    return any(map(_is_duration, metadata)) or any(map(_means_duration, get_args(annotation)))


def _is_duration(mark: Any) -> bool:
    return isinstance(mark, BeforeValidator) and mark.func in _DURATIONS


def _with_restart(difference: str) -> str:
    keys = tuple(difference.split(" ")[0].split("."))
    waits = any(keys[: len(path)] == path for path in RESTART)
    return f"{difference} takes a restart" if waits else difference


def _shortened(details: list[str]) -> str:
    more = [f"and {len(details) - DETAILS} more"] if len(details) > DETAILS else []
    return ", ".join(details[:DETAILS] + more)


def _get(model: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        model = getattr(model, key)
    return model


def _put(model: Any, path: tuple[str, ...], value: Any) -> Any:
    inner = value if len(path) == 1 else _put(getattr(model, path[0]), path[1:], value)
    return model.model_copy(update={path[0]: inner})
