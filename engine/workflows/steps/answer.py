"""What a server said over HTTP, whatever the version."""

from __future__ import annotations

from dataclasses import dataclass

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True)
class Answer:
    """What a server said; `body` is unpacked, and empty until it has been read."""

    status: int
    reason: str
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def values(self, name: bytes) -> list[str]:
        """Of a header in lower case, all its lines in order."""
        return [text(value) for key, value in self.headers if key.lower() == name]

    def value(self, name: bytes) -> str:
        """Of a header in lower case, its lines joined by commas; empty without one."""
        return ", ".join(self.values(name))

    @property
    def is_redirect(self) -> bool:
        return self.status in _REDIRECTS and bool(self.values(b"location"))


def text(value: bytes) -> str:
    """Of a header or a reason: UTF-8, or Latin-1 as it once was."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
