"""Commands and functions that do not end, do not stop writing, leave others behind, or die."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from engine.model import ErrorCategory, ErrorType, Outcome
from tests.faults.steps.carrying import AMPLE, Case, Given, Peer

SHORT = 0.4
"""Seconds given to a child that never ends: time to begin, even on a busy machine."""

PERMANENT, TIMEOUT, UNKNOWN = ErrorType.PERMANENT, ErrorType.TIMEOUT, ErrorType.UNKNOWN
VALIDATION, NOT_FOUND = ErrorCategory.VALIDATION, ErrorCategory.NOT_FOUND
LATE = "sh did not end within 400 ms and was ended"


def child_cases() -> Iterator[Case]:
    """All of them."""
    yield from _shell()
    yield from _python()


def _shell() -> Iterator[Case]:
    def run(
        fault: str,
        text: str,
        words: str | None = LATE,
        type: ErrorType = TIMEOUT,
        category: ErrorCategory = ErrorCategory.UNKNOWN,
        **spec: Any,
    ) -> Case:
        timeout = SHORT if type is TIMEOUT else AMPLE
        outcome = Outcome.OK if words is None else Outcome.FAILED
        return Case(
            "shell", fault, (61,), _script(text, spec), words, type, category, outcome, timeout=timeout
        )

    touch = 'touch "$1/$$"; '
    yield run("ignores SIGTERM", f"trap '' TERM; {touch} while :; do sleep 60; done")
    yield run("a grandchild holds the output", f"sleep 60 & touch $1/$!; {touch} wait")
    yield run(
        "a child in a session of its own", f"setsid sh -c 'trap \"\" TERM; {touch} sleep 60' sh $1 & wait"
    )
    yield run(
        "an orphan in a session of its own", f"(setsid sh -c '{touch} sleep 60' sh $1 &); exec sleep 60"
    )
    many = f"for i in $(seq 200); do sh -c '{touch} sleep 60' sh $1 & done; wait"
    yield run("forks 200 times", many)
    yield run("closes its descriptors", f"exec >/dev/null 2>&1 <&-; {touch} sleep 60")
    yield run("stops itself", f"{touch} kill -STOP $$")
    yield run("an orphan outlives it", "sleep 60 & touch $1/$!; echo done", None, UNKNOWN)
    over = r"sh wrote over 100000 bytes and was ended"
    yield run("fills its output", f"{touch} cat /dev/zero", over, PERMANENT, VALIDATION, max_output=100_000)
    both = f"{touch} cat /dev/zero >&2"
    yield run("fills its errors", both, over, PERMANENT, VALIDATION, max_output=100_000)
    hostile = r"printf '\377\000\033]52;c;aGk\007[/x]' >&2; exit 3"
    yield run("writes what is no text", hostile, r"sh exited with 3: .+\[/x\]", UNKNOWN)
    yield run("reads its input", "cat; read x || exit 4", "sh exited with 4", UNKNOWN)
    yield run("is killed for memory", "kill -9 $$", "sh was killed by SIGKILL", UNKNOWN)
    yield run("exits with 137", "exit 137", "sh exited with 137", UNKNOWN)
    missing = Given({"command": ["/nowhere/check"]})
    words = "there is no command /nowhere/check"
    yield Case("shell", "is not there", (61,), _fixed(missing), words, PERMANENT, NOT_FOUND, Outcome.ERROR)


def _script(text: str, spec: dict[str, Any]) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        yield Given({"command": ["sh", "-c", text, "sh", str(place)], **spec})

    return peer


def _fixed(given: Given) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        yield given

    return peer


def _python() -> Iterator[Case]:
    def call(
        fault: str,
        body: str,
        words: str,
        type: ErrorType = UNKNOWN,
        category: ErrorCategory = ErrorCategory.UNKNOWN,
        outcome: Outcome = Outcome.FAILED,
        **spec: Any,
    ) -> Case:
        timeout = 0.8 if type is TIMEOUT and "cpu" not in spec else AMPLE * 2
        peer = _function(body, spec)
        return Case("python", fault, (62,), peer, words, type, category, outcome, timeout=timeout)

    late = "checks:run did not end within 800 ms and was ended"
    yield call("never ends", "while True: pass", late, TIMEOUT)
    ignoring = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    yield call("ignores SIGTERM", ignoring, late, TIMEOUT)
    yield call(
        "a thread of it never ends", "threading.Thread(target=time.sleep, args=(60,)).start()", late, TIMEOUT
    )
    forks = "os.fork() or (os.setsid(), open(f'{place}/{os.getpid()}', 'w'), time.sleep(60)); time.sleep(60)"
    yield call("forks into a session of its own", forks, late, TIMEOUT)
    words = "checks:run used up the 1 s of CPU time it may have"
    yield call("uses up its CPU time", "while True: pass", words, TIMEOUT, cpu=1.0)
    segfault = "import ctypes; ctypes.string_at(0)"
    yield call("dies of a bad pointer", segfault, r"checks:run was killed by SIGSEGV \(__init__.py:\d+\)")
    yield call("ends its process", "sys.exit(5)", "checks:run exited with 5.*")
    silent = "checks:run ended its process without a result"
    yield call("ends its process and says all is well", "os._exit(0)", silent, PERMANENT)
    words = "checks:run wrote over 100000 bytes and was ended"
    flood = "while True: print('x' * 1000)"
    yield call("floods its output", flood, words, PERMANENT, VALIDATION, max_output=100_000)
    words = "checks:run needs more than the 268435456 bytes of memory it may have"
    yield call("wants too much memory", "bytearray(10 ** 10)", words, PERMANENT, memory="256mib")
    words = "the result of checks:run has .+ bytes, the limit is 1048576"
    yield call("gives too much", "return 'x' * 2_000_000", words, PERMANENT, VALIDATION)
    words = "the result of checks:run is no JSON: .+"
    yield call("gives what is no JSON", "return object()", words, PERMANENT, VALIDATION, Outcome.ERROR)
    deep = "x = []\n    for _ in range(100_000): x = [x]\n    return x"
    yield call("gives what is nested too deeply", deep, words, PERMANENT, VALIDATION, Outcome.ERROR)
    words = r"checks:run raised ConnectionRefusedError: no \(checks.py:2\)"
    network = ErrorCategory.NETWORK
    yield call("raises", "raise ConnectionRefusedError('no')", words, ErrorType.NETWORK, network)
    overwriting = "os.pwrite(0, b'x', 0); os.closerange(0, 64); return 1"
    words = r"checks:run raised OSError: .+ \(checks.py:2\)"
    yield call("closes its descriptors", overwriting, words)


def _function(body: str, spec: dict[str, Any]) -> Peer:
    @contextlib.asynccontextmanager
    async def peer(place: Path) -> AsyncIterator[Given]:
        text = body.replace("{place}", str(place))
        (place / "checks.py").write_text(
            f"def run():\n    {text}\n\n\nimport os, signal, sys, threading, time\n"
        )
        yield Given({"call": "checks:run", "path": [str(place)], **spec})

    return peer
