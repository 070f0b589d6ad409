"""A program in a real pseudo-terminal, and what it wrote there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

READ_SIZE = 65_536
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")


class Terminal:
    """Runs `argv` with a terminal of its own as standard input, output and error, and controlling terminal.

    Nothing is read but by `read_until()` and `finish()`: between them the terminal is stalled.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], size: tuple[int, int] = (40, 120), cwd: str = "."
    ) -> None:
        self.output = bytearray()
        self._plain, self._stripped = bytearray(), 0
        self._master, slave = pty.openpty()
        self._slave = slave
        self.resize(*size)
        self.modes = termios.tcgetattr(slave)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=dict(env), cwd=cwd,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self._open = True

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._open:
            self.hang_up()

    @property
    def text(self) -> str:
        """The output since `clear()` without escape sequences."""
        fresh = bytes(self.output[self._stripped :])
        whole = _beginning_of_last_sequence(fresh)
        self._plain += _SEQUENCE.sub(b"", fresh[:whole])
        self._stripped += whole
        return (self._plain + _SEQUENCE.sub(b"", fresh[whole:])).decode("utf-8", "replace")

    @property
    def current_modes(self) -> list[object]:
        """The terminal's settings as they are now, to compare with `modes`."""
        return termios.tcgetattr(self._slave)

    @property
    def name(self) -> str:
        """The device."""
        return os.ttyname(self._slave)

    def clear(self) -> None:
        """Forget what was written until now."""
        self.output.clear()
        self._plain.clear()
        self._stripped = 0

    def resize(self, height: int, width: int) -> None:
        """Change the size, of which the program is told."""
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def send(self, keys: str) -> None:
        """Type `keys`."""
        os.write(self._master, keys.encode())

    def read_until(self, *words: str, since: int = 0, deadline: float = 30.0) -> float:
        """Read until all `words` have been written, not counting the first `since` letters of `text`.

        Returns:
            Seconds since the start of the program.

        Raises:
            AssertionError: not within `deadline` seconds, or the program has ended.
        """
        end = time.monotonic() + deadline
        while not self._has(words, since):
            assert time.monotonic() < end, f"no {words} within {deadline} s in {self.text[-2000:]!r}"
            assert self.read_some(0.2) or self.process.poll() is None, f"ended: {self.text[-2000:]!r}"
            while self.read_some(0):
                pass
        return time.monotonic() - self.started

    def _has(self, words: Sequence[str], since: int) -> bool:
        text = self.text[since:]
        return all(word in text for word in words)

    def finish(self, deadline: float = 20.0) -> int:
        """Read until the program has ended; returns its exit code."""
        end = time.monotonic() + deadline
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running after {deadline} s: {self.text[-2000:]!r}"
            self.read_some(0.1)
        while self.read_some(0):
            pass
        return self.process.returncode

    def read_for(self, seconds: float) -> None:
        """Read whatever comes within `seconds`, and what is there already."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read_some(left)
        while self.read_some(0):
            pass

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection does."""
        os.close(self._slave)
        os.close(self._master)
        self._open = False

    def read_some(self, seconds: float) -> bool:
        """Read once, waiting at most `seconds`; False when nothing came."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self.output += os.read(self._master, READ_SIZE)
        return True


def _beginning_of_last_sequence(output: bytes) -> int:
    """Where what may not be complete yet begins: at the last escape that ends no string."""
    at = output.rfind(b"\x1b")
    if output[at : at + 2] in (b"\x1b", b"\x1b\\"):
        at = output.rfind(b"\x1b", 0, at)
    return at if at >= 0 else len(output)
