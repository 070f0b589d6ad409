"""What tcp and udp steps say and wait to hear."""

from __future__ import annotations

import codecs
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from engine.model import ErrorCategory, ErrorType
from engine.text import plain
from engine.workflows.steps.dial import wrong
from engine.workflows.steps.probe import Probe

Line = Mapping[Literal["send", "hex", "expect"], str]
Read = Callable[[], Awaitable[bytes | None]]
Write = Callable[[bytes], Awaitable[None]]

_SHOWN = 80


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _sensible(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    from engine.patterns import compile_pattern

    for line in lines:
        if len(line) != 1:
            raise ValueError("each line of talk is {send: text}, {hex: bytes} or {expect: pattern}")
        if "{{" in "".join(line.values()):
            continue
        if "expect" in line:
            compile_pattern(line["expect"])
        elif "hex" in line:
            _bytes_of(line["hex"])
    return lines


Talk = Annotated[
    tuple[dict[Literal["send", "hex", "expect"], str], ...],
    BeforeValidator(_tuple),
    AfterValidator(_sensible),
    Field(max_length=50),
]
"""Lines in order: `{send: text}`, `{hex: bytes}` (`00ff 10`), or `{expect: pattern}`, which waits until what
has come since the last one matches an RE2 pattern; `^` and `$` are the ends of any line."""


class Conversation:
    """Goes through the lines of a talk; `heard` is all that came.

    Args:
        read: waits for more bytes; None when there will be none.
        write: sends bytes.
        limit: bytes that may come altogether.
    """

    def __init__(self, read: Read, write: Write, probe: Probe, limit: int) -> None:
        self._read = read
        self._write = write
        self._probe = probe
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unread = ""
        self.heard = b""

    @property
    def text(self) -> str:
        """What was heard, as UTF-8 with replacements."""
        return self.heard.decode("utf-8", "replace")

    async def hold(self, lines: Sequence[Line]) -> None:
        """Say and hear everything.

        Raises:
            StepError: what was expected did not come.
            CheckError: a line that was filled in cannot be used.
        """
        if not lines:
            return
        self._probe.begin("first_byte")
        for line in lines:
            if "expect" in line:
                await self._expect(line["expect"])
            else:
                await self._write(_payload(line))
        self._probe.end()

    async def _expect(self, text: str) -> None:
        from engine.patterns import compile_pattern

        try:
            pattern: Any = compile_pattern(f"(?m){text}")
        except ValueError as error:
            raise wrong(plain(error, 300)) from None
        shown = plain(text, _SHOWN)
        within = f" with '{shown}' in it" if text else ""
        has_more = bool(self._unread)
        while not has_more or (match := pattern.search(self._unread)) is None:
            self._probe.awaited = f"no answer{within}{self._said(', only ', ',')}"
            data = await self._read()
            if data is None:
                message = f"closed the connection before '{shown}' came{self._said(', after ')}"
                raise self._probe.fault(f"{self._probe.peer} {message}")
            self._take(data)
            has_more = True
        self._unread = self._unread[match.end() :]

    def _take(self, data: bytes) -> None:
        if not self.heard and self._probe.phase == "first_byte":
            self._probe.end()
            self._probe.begin("transfer")
        self.heard += data
        if len(self.heard) > self._limit:
            message = f"{self._probe.peer} sent over {self._limit} bytes"
            raise self._probe.fault(message, ErrorType.PERMANENT, ErrorCategory.VALIDATION)
        self._unread += self._decoder.decode(data)

    def _said(self, before: str, after: str = "") -> str:
        return f"{before}'{plain(self._unread.strip(), _SHOWN)}'{after}" if self._unread.strip() else ""


def _payload(line: Line) -> bytes:
    if "hex" not in line:
        return line["send"].encode("utf-8", "replace")
    try:
        return _bytes_of(line["hex"])
    except ValueError as error:
        raise wrong(str(error)) from None


def _bytes_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{plain(text, 40)!r} is not bytes in hexadecimal, such as 00ff 10") from None
