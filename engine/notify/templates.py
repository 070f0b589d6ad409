"""The user's own words: Jinja2 templates, in a sandbox that can neither load nor call anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine.errors import TocsinError
from engine.model import Alert, AlertEventKind, AlertState, Severity
from engine.notify.facts import Occasion, as_text, facts, span
from engine.notify.messages import MESSAGE_LIMIT, TITLE_LIMIT, Words, utc, wording
from engine.text import clean, nearest, own_words, plain

if TYPE_CHECKING:
    from jinja2 import Template

    from engine.config.routing import Channel, TemplateSpec

OUTPUT_LIMIT = 16_384
"""Characters that rendering may come to; what is beyond ends it."""
BODY_LIMIT = 4 * MESSAGE_LIMIT
MAX_DEPTH = 60
_FILTERS = frozenset(
    {
        "capitalize",
        "count",
        "d",
        "default",
        "first",
        "float",
        "int",
        "join",
        "last",
        "length",
        "lower",
        "replace",
    }
    | {"round", "sort", "string", "title", "trim", "truncate", "unique", "upper", "urlencode"}
)
_NODES = frozenset(
    {
        "Template",
        "Output",
        "TemplateData",
        "Name",
        "Const",
        "If",
        "For",
        "CondExpr",
        "List",
        "Tuple",
        "Getitem",
    }
    | {"Filter", "Keyword", "Test", "Compare", "Operand", "And", "Or", "Not", "Neg", "Pos", "Concat"}
    | {"Add", "Sub", "Div", "FloorDiv"}
)
"""What Jinja2 calls the parts that a template may have: each takes time and room in line with its length."""
_SAMPLE = Alert(
    id=12,
    fingerprint="sample|shop",
    rule_id="sample",
    rule_name="Sample rule",
    subject="shop",
    severity=Severity.ERROR,
    state=AlertState.FIRING,
    message="workflow.failure_rate (62.5 %) > 50 %",
    started_at=1_700_000_000.0,
    last_true_at=1_700_000_300.0,
    value=62.5,
    fired_at=1_700_000_300.0,
)


class TemplateError(TocsinError):
    """A template that cannot be used, or not for this alert."""


class Wordsmith:
    """Words occasions for channels, by their templates or plainly.

    A template that fails costs nobody a message: the plain words are sent, with the failure as last line.
    """

    def __init__(self, channels: Mapping[str, Channel], templates: Mapping[str, TemplateSpec]) -> None:
        self._specs: dict[str, TemplateSpec] = {}
        self.adopt(channels, templates)

    def adopt(self, channels: Mapping[str, Channel], templates: Mapping[str, TemplateSpec]) -> None:
        """Use these from now on."""
        found = ((name, spec_of(channel, templates)) for name, channel in channels.items())
        self._specs = {name: spec for name, spec in found if spec is not None}

    def compose(self, occasion: Occasion, channel: str = "") -> Words:
        """Title, body and facts for one channel. Never raises for what a template does."""
        title, body = wording(occasion)
        spec = self._specs.get(channel)
        if spec is not None:
            try:
                title, body = render(spec, occasion)
            except TemplateError as error:
                body = f"{body}\n(the template of {channel} failed: {error.message})"
        return Words(title, body, as_text(facts(occasion)))


def spec_of(channel: Channel, templates: Mapping[str, TemplateSpec]) -> TemplateSpec | None:
    """The template of a channel, None when it has none."""
    return templates.get(channel.template) if isinstance(channel.template, str) else channel.template


def render(spec: TemplateSpec, occasion: Occasion) -> tuple[str, str]:
    """Title and body by a template; what it does not give is worded plainly.

    Raises:
        TemplateError: it does not parse, names what is not there, or comes to too much.
    """
    title, body = wording(occasion)
    values = context(occasion, title, body)
    if spec.title is not None:
        title = _rendered(spec.title, values)
    if spec.body is not None:
        body = _rendered(spec.body, values)
    return plain(title.strip(), TITLE_LIMIT), clean(body.strip(), BODY_LIMIT, multiline=True)


def check(text: str) -> None:
    """Try a template on sample alerts of every kind. Raises TemplateError."""
    for occasion in samples():
        _rendered(text, context(occasion, "title", "body"))


def samples() -> Iterator[Occasion]:
    """An occasion of each kind that somebody may be told of."""
    from dataclasses import replace

    later = _SAMPLE.started_at + 3_900
    ended = replace(_SAMPLE, state=AlertState.RESOLVED, resolved_at=later, resolved_by="recovery")
    for kind in AlertEventKind:
        alert = ended if kind is AlertEventKind.RESOLVED else _SAMPLE
        yield Occasion(alert, kind, later, threshold="> 50 %")


def context(occasion: Occasion, title: str, body: str) -> dict[str, Any]:
    """What a template may use: plain texts, numbers and lists; `title` and `body` are the plain words."""
    alert = occasion.alert
    known = facts(occasion)
    return {
        **known,
        "id": alert.id,
        "kind": str(occasion.kind),
        "severity": str(alert.severity),
        "why": known["message"],
        "todo": known["description"],
        "title": title,
        "body": body,
        "since": utc(alert.started_at),
        "age": span(alert.started_at, occasion.now),
        "lasted": span(alert.started_at, alert.resolved_at) if alert.resolved_at is not None else "",
    }


def _rendered(text: str, values: Mapping[str, Any]) -> str:
    from jinja2 import TemplateError as JinjaError
    from jinja2 import UndefinedError

    pieces: list[str] = []
    size = 0
    try:
        for piece in _compiled(text).generate(values):
            size += len(piece)
            if size > OUTPUT_LIMIT:
                raise TemplateError(f"the template comes to more than {OUTPUT_LIMIT} characters")
            pieces.append(piece)
    except UndefinedError as error:
        raise TemplateError(own_words(error, 200), _hint(error, values)) from None
    except JinjaError as error:
        raise TemplateError(own_words(error, 200)) from None
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as error:
        raise TemplateError(f"the template cannot be filled in: {own_words(error, 200)}") from None
    return "".join(pieces)


def _hint(error: Exception, values: Mapping[str, Any]) -> str:
    """The name that was meant, when it is near; all of them else."""
    word = str(error).partition("'")[2].partition("'")[0]
    near = nearest(word, values) if word else None
    return f"did you mean {near}?" if near else f"there are {', '.join(sorted(values))}"


@lru_cache(64)
def _compiled(text: str) -> Template:
    from jinja2 import TemplateError as JinjaError

    environment = _environment()
    try:
        _bound(environment.parse(text))
        compiled: Template = environment.from_string(text)
    except RecursionError:
        raise _too_deep() from None
    except JinjaError as error:
        raise TemplateError(f"the template cannot be read: {own_words(error, 200)}") from None
    return compiled


def _too_deep() -> TemplateError:
    return TemplateError(
        f"the template is nested more than {MAX_DEPTH} levels deep",
        "use fewer brackets, conditions and operators inside one another",
    )


def _bound(node: Any, in_loop: bool = False, depth: int = 0) -> None:
    """Refuse what could take long or grow: loops in loops, and all that is not in the list of nodes."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    name = type(node).__name__
    if name not in _NODES or (name == "Name" and node.name == "self"):
        raise TemplateError(f"{plain(name.lower(), 40)} is not available in templates")
    if name == "For" and in_loop:
        raise TemplateError("a loop within a loop is not available in templates")
    for inner in node.iter_child_nodes():
        _bound(inner, in_loop or name == "For", depth + 1)


@lru_cache(1)
def _environment() -> Any:
    """No loaders, globals, attributes, methods or calls; a few filters."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            return False

        def is_safe_callable(self, obj: Any) -> bool:
            return False

    environment = Sandbox(autoescape=False, undefined=StrictUndefined, loader=None, cache_size=0)
    environment.globals = {}
    known = {name: it for name, it in environment.filters.items() if name in _FILTERS}
    environment.filters = known | {"replace": _replace}
    return environment


def _replace(text: object, old: str, new: str) -> str:
    """The filter, unless what comes of it is too long."""
    whole = str(text)
    if len(whole) + whole.count(str(old)) * len(str(new)) > OUTPUT_LIMIT:
        raise ValueError(f"replace comes to more than {OUTPUT_LIMIT} characters")
    return whole.replace(str(old), str(new))
