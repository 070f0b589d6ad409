"""How a placeholder is written: `{{ source.name }}`, such as `{{ env.base_url }}` or `{{ login.token }}`."""

from __future__ import annotations

import re
from collections.abc import Collection

PLACEHOLDER = re.compile(r"\{\{([^{}]{0,200})\}\}")

SOURCES = frozenset({"env", "vars", "item", "params"})
"""Sources that are no steps: the environment, the workflow's variables, the round of a `foreach`, and the
parameters of a fragment, which are filled in when the file is read."""

_NAME = re.compile(
    r"(env)\.([A-Za-z0-9_][A-Za-z0-9_.-]*)|([A-Za-z0-9_][A-Za-z0-9_.-]*)\.([A-Za-z0-9_][A-Za-z0-9_-]*)"
)


def split(content: str) -> tuple[str, str]:
    """Source and name of what stands between the braces; `(content, "")` when it is no name."""
    match = _NAME.fullmatch(content.strip())
    if match is None:
        return content.strip(), ""
    return (match[1], match[2]) if match[1] else (match[3], match[4])


def leading(content: str, steps: Collection[str]) -> str:
    """The longest of `steps` that `content`, such as `shops.json.items`, begins with; empty if none does."""
    fitting = (step for step in steps if content.startswith((f"{step}.", f"{step}[")))
    return max(fitting, key=len, default="")


def names(text: str) -> set[tuple[str, str]]:
    """The `(source, name)` pairs a text asks for, such as `("env", "base_url")` and `("login", "token")`.

    A placeholder that is no name gives `(what stands in it, "")`, which no source has.
    """
    return {split(found) for found in PLACEHOLDER.findall(text)}
