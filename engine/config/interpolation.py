"""`${env:NAME}`, `${env:NAME:-default}` and `${file:/path}` in the texts of a configuration file.

Expanded once, after parsing, in values only: what comes in is never parsed as YAML and never expanded again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from engine.errors import TocsinError
from engine.text import nearest, plain

MAX_SECRET_FILE = 65_536
_TOKEN = re.compile(r"\$(\$\{)|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SYNTAX = "write ${env:NAME}, ${env:NAME:-default} or ${file:/path}; $${ is a plain ${"


class InterpolationError(TocsinError):
    """A `${…}` that cannot be expanded."""


class Interpolator:
    """Expands texts and remembers what came from outside.

    Args:
        env: the environment variables that may be read.
        base: the directory that relative `${file:…}` paths start from.
    """

    def __init__(self, env: Mapping[str, str], base: Path) -> None:
        self.secrets: set[str] = set()
        self.files: set[Path] = set()
        """Those that were read, or would have been."""
        self._env = env
        self._base = base

    def expand(self, text: str) -> str:
        """`text` with every `${…}` replaced, once.

        Raises:
            InterpolationError: a variable or file is missing, or the syntax is wrong.
        """
        return _TOKEN.sub(self._replace, text) if "${" in text else text

    def _replace(self, match: re.Match[str]) -> str:
        escaped, body, closed = match.groups()
        if escaped:
            return "${"
        if "${" in body:
            raise InterpolationError("a `${…}` inside another", "defaults are plain text")
        if not closed:
            raise InterpolationError("a `${` without its `}`", _SYNTAX)
        source, _, rest = body.partition(":")
        if source == "env":
            return self._variable(rest)
        if source == "file" and rest:
            return self._file(rest)
        raise InterpolationError(f"unknown `${{{plain(body, 60)}}}`", _SYNTAX)

    def _variable(self, rest: str) -> str:
        name, separator, default = rest.partition(":-")
        if not _NAME.fullmatch(name):
            raise InterpolationError(
                f"`{plain(name, 60)}` is not the name of an environment variable", _SYNTAX
            )
        value = self._env.get(name)
        if value or (value is not None and not separator):
            self._remember(value)
            return value
        if separator:
            return default
        near = nearest(name, self._env)
        hint = f"did you mean `{near}`? " if near else ""
        raise InterpolationError(
            f"the environment variable `{name}` is not set",
            f"{hint}set it, or write ${{env:{name}:-default}}",
        )

    def _file(self, rest: str) -> str:
        path = self._base / rest
        self.files.add(path)
        shown = plain(str(path), 200)
        try:
            if not path.is_file():
                raise InterpolationError(f"there is no file {shown}")
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_FILE + 1)
            if len(data) > MAX_SECRET_FILE:
                raise InterpolationError(f"{shown} is larger than {MAX_SECRET_FILE // 1024} KB")
            text = data.decode("utf-8")
        except (OSError, ValueError) as error:
            reason = "it is not UTF-8 text" if isinstance(error, UnicodeError) else _reason(error)
            raise InterpolationError(f"cannot read {shown}: {reason}") from None
        value = text.removesuffix("\n").removesuffix("\r")
        self._remember(value)
        return value

    def _remember(self, value: str) -> None:
        if value:
            self.secrets.add(value)


def _reason(error: Exception) -> str:
    return plain(error.strerror if isinstance(error, OSError) and error.strerror else error, 120)
