"""`{{ env.base_url }}`, `{{ vars.user }}`, `{{ login.token }}`: values of the file and of earlier steps.

A value that was filled in is never looked into again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from engine.config.types import Strict
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.text import plain
from engine.workflows.placeholders import PLACEHOLDER, names, split
from engine.workflows.steps.base import CheckError

__all__ = ["RENDERED_LIMIT", "Scope", "has_placeholders", "names", "render", "render_spec", "sources"]

RENDERED_LIMIT = 1_048_576

Scope = Mapping[str, Mapping[str, Scalar]]
S = TypeVar("S", bound=Strict)


def render(value: Any, scope: Scope, *, typed: bool = True) -> Any:
    """`value` with every placeholder in its strings filled in, lists and mappings included.

    Args:
        scope: values by source (`env` or a step's id) and name.
        typed: a string that is one placeholder and nothing else takes the value's type; otherwise text.

    Raises:
        CheckError: a placeholder names nothing that is known, or the text grows beyond 1 MiB.
    """
    if isinstance(value, str):
        return _render_text(value, scope, typed) if "{{" in value else value
    if isinstance(value, dict):
        return {
            render(key, scope, typed=False): render(item, scope, typed=typed) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(render(item, scope, typed=typed) for item in value)
    return value


def render_spec(spec: S, scope: Scope) -> S:
    """A step's specification with its placeholders filled in; types survive only where anything is allowed.

    Raises:
        CheckError: as `render`.
    """
    changes: dict[str, Any] = {}
    for name, field in type(spec).model_fields.items():
        value = getattr(spec, name)
        if has_placeholders(value):
            changes[name] = render(value, scope, typed=field.annotation is Any)
    return spec.model_copy(update=changes)


def has_placeholders(value: Any) -> bool:
    """Whether rendering could change anything; true for what `render` would refuse, too."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, Strict):
        return any(has_placeholders(getattr(value, name)) for name in type(value).model_fields)
    if isinstance(value, dict):
        return any(has_placeholders(key) or has_placeholders(item) for key, item in value.items())
    return isinstance(value, (list, tuple)) and any(map(has_placeholders, value))


def sources(value: Any) -> set[str]:
    """The sources that the placeholders anywhere in `value` name."""
    if isinstance(value, str):
        return {source for source, _ in names(value)}
    if isinstance(value, Strict):
        return sources([getattr(value, name) for name in type(value).model_fields])
    if isinstance(value, dict):
        return sources([*value, *value.values()])
    return set().union(*map(sources, value)) if isinstance(value, (list, tuple)) else set()


def _lookup(content: str, scope: Scope) -> Scalar:
    source, name = split(content)
    values = scope.get(source)
    if values is None or name not in values:
        known = ", ".join(sorted(f"{place}.{key}" for place, keys in scope.items() for key in keys)[:10])
        raise _wrong(f"{{{{ {plain(content.strip(), 80)} }}}} is not known", f"known: {known or 'nothing'}")
    return values[name]


def _render_text(text: str, scope: Scope, typed: bool) -> Any:
    if typed and (whole := PLACEHOLDER.fullmatch(text)):
        return _lookup(whole[1], scope)
    rendered = PLACEHOLDER.sub(lambda match: _as_text(_lookup(match[1], scope)), text)
    if len(rendered) > RENDERED_LIMIT:
        raise _wrong(f"a filled-in text has {len(rendered)} characters, the limit is {RENDERED_LIMIT}")
    return rendered


def _as_text(value: Scalar) -> str:
    """As JSON writes it: `true` and `null`, not Python's words."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrong(message: str, detail: str = "") -> CheckError:
    sentence = f"{message} ({detail})" if detail else message
    return CheckError(Failure(sentence, ErrorType.PERMANENT, ErrorCategory.VALIDATION))
