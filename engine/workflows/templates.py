"""`{{ env.base_url }}`, `{{ login.token }}`: values of the environment and of earlier steps.

A value that was filled in is never looked into again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from engine.config.types import Strict
from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.text import plain
from engine.workflows.steps.base import CheckError

RENDERED_LIMIT = 1_048_576

Scope = Mapping[str, Mapping[str, Scalar]]
S = TypeVar("S", bound=Strict)

_PLACEHOLDER = re.compile(r"\{\{([^{}]{0,200})\}\}")
_NAME = re.compile(
    r"(env)\.([A-Za-z0-9_][A-Za-z0-9_.-]*)|([A-Za-z0-9_][A-Za-z0-9_.-]*)\.([A-Za-z0-9_][A-Za-z0-9_-]*)"
)


def names(text: str) -> set[tuple[str, str]]:
    """The `(source, name)` pairs a text asks for, such as `("env", "base_url")` and `("login", "token")`.

    A placeholder that is no name gives `(what stands in it, "")`, which no source has.
    """
    return {_split(found) for found in _PLACEHOLDER.findall(text)}


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


def _split(content: str) -> tuple[str, str]:
    match = _NAME.fullmatch(content.strip())
    if match is None:
        return content.strip(), ""
    return (match[1], match[2]) if match[1] else (match[3], match[4])


def _lookup(content: str, scope: Scope) -> Scalar:
    source, name = _split(content)
    values = scope.get(source)
    if values is None or name not in values:
        known = ", ".join(sorted(f"{place}.{key}" for place, keys in scope.items() for key in keys)[:10])
        raise _wrong(f"{{{{ {plain(content.strip(), 80)} }}}} is not known", f"known: {known or 'nothing'}")
    return values[name]


def _render_text(text: str, scope: Scope, typed: bool) -> Any:
    if typed and (whole := _PLACEHOLDER.fullmatch(text)):
        return _lookup(whole[1], scope)
    rendered = _PLACEHOLDER.sub(lambda match: _as_text(_lookup(match[1], scope)), text)
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
