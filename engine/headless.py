"""The engine without a console: lines on standard output until a signal, or one round and an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from engine.clock import SystemClock
from engine.collector import settle_collector
from engine.errors import TocsinError
from engine.lines import wants_colour
from engine.reports import (
    RowReporter,
    execution_record,
    exit_code,
    line,
    notice_record,
    once_table,
    write_junit,
)
from engine.text import counted

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig
    from engine.model import Execution, ReloadReport
    from engine.store.writer import Row

GRACE = 10.0
HARD_EXIT = GRACE + 1.0
QUEUED_LINES = 10_000
FLUSH_DEADLINE = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STREAMS = (0, 1, 2)


def run_headless(loaded: LoadedConfig, db: Path, *, as_json: bool | None = None) -> int:
    """Run until SIGTERM or SIGINT; a second signal ends at once. Returns the exit code, 0.

    SIGHUP reads the configuration again, unless it says that the terminal is gone: then it ends the run.

    Args:
        as_json: one JSON object a line; None: when standard output is not a terminal.

    Raises:
        TocsinError: the engine cannot start.
    """
    machine = not sys.stdout.isatty() if as_json is None else as_json
    printer, notices = Printer(sys.stdout, machine), Printer(sys.stderr, machine)
    try:
        asyncio.run(_serve(loaded, db, printer, notices))
    finally:
        printer.close()
        notices.close()
    return 0


def run_once(loaded: LoadedConfig, db: Path, *, as_json: bool = False, junit: Path | None = None) -> int:
    """Run every workflow that has a schedule once and say how it went.

    Args:
        junit: also write the results there as JUnit XML.

    Returns:
        0: all ok; 1: a target failed; 2: a check broke.

    Raises:
        TocsinError: the engine cannot start, or the report cannot be written.
    """
    executions = asyncio.run(_once(loaded, db))
    if as_json:
        for execution in executions:
            print(encode(execution_record(execution)))
    else:
        print("\n".join(once_table(executions, colour=wants_colour(sys.stdout))))
    if junit is not None:
        try:
            write_junit(junit, executions)
        except OSError as error:
            raise TocsinError(f"cannot write {junit}: {error.strerror}") from error
    return exit_code(executions, sum(not workflow.on_call for workflow in loaded.config.workflows))


def encode(record: dict[str, Any]) -> str:
    """One line of JSON in ASCII: safe on any terminal and in any encoding."""
    try:
        return json.dumps(record, allow_nan=False, default=str)
    except ValueError:
        return json.dumps({key: _finite(value) for key, value in record.items()}, default=str)


def _finite(value: Any) -> Any:
    """JSON has no word for infinite and undefined numbers; they become null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Printer:
    """Writes lines from a thread of its own: a reader that stalls cannot stall the engine.

    At most 10,000 lines wait; what does not fit is dropped, counted and told when there is room.
    """

    def __init__(self, stream: TextIO, machine: bool) -> None:
        self._stream = stream
        self._machine = machine
        self._colour = wants_colour(stream)
        self._reporter = RowReporter()
        self._lines: queue.Queue[str | None] = queue.Queue(QUEUED_LINES)
        self._dropped = 0
        self._told_at = 0.0
        self.on_broken: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._write, name="tocsin-output", daemon=True)
        self._thread.start()

    def rows(self, rows: Sequence[Row]) -> None:
        """Print what these committed rows say."""
        for record in self._reporter.records(rows):
            self.record(record)

    def record(self, record: dict[str, Any]) -> None:
        """Print one record."""
        text = encode(record) if self._machine else line(record, colour=self._colour)
        if not text:
            return
        self._told_at = record["at"]
        if self._dropped and self._lines.qsize() < QUEUED_LINES - 1:
            self._lines.put_nowait(self._confession())
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, for at most three seconds."""
        with contextlib.suppress(queue.Full):
            if self._dropped:
                self._lines.put(self._confession(), timeout=FLUSH_DEADLINE)
            self._lines.put(None, timeout=FLUSH_DEADLINE)
        self._thread.join(FLUSH_DEADLINE)

    def _confession(self) -> str:
        """The line that tells how many were dropped since the last such line."""
        count, self._dropped = self._dropped, 0
        message = f"{count} lines were dropped: nobody read them"
        note = {"type": "dropped", "at": self._told_at, "count": count, "message": message}
        return encode(note) if self._machine else line(note)

    def _write(self) -> None:
        try:
            while (text := self._lines.get()) is not None:
                self._stream.write(text + "\n")
                if self._lines.empty():
                    self._stream.flush()
        except (OSError, ValueError):  # the reader has gone
            self.on_broken()
            while self._lines.get() is not None:
                pass


class _StopSignals:
    """The first signal asks to stop, the second ends the process; so does a stop that takes too long.

    `reload`, when set, is what SIGHUP does instead while the terminal is there, or never was.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.reload: Callable[[], object] | None = None
        self._terminals = sum(map(os.isatty, _STREAMS))
        self._loop = asyncio.get_running_loop()
        self._watchdog: threading.Timer | None = None
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._received, number)

    def ask(self) -> None:
        """Stop, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed already
            self._loop.call_soon_threadsafe(self.stop.set)

    def close(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        for number in _SIGNALS:
            self._loop.remove_signal_handler(number)

    def _received(self, number: int) -> None:
        # A terminal that hangs up is none any more when its signal comes.
        is_there = sum(map(os.isatty, _STREAMS)) == self._terminals
        if number == signal.SIGHUP and self.reload is not None and is_there and not self.stop.is_set():
            self.reload()
            return
        if self.stop.is_set():
            _end(128 + number, "stopped at once")
        self.stop.set()
        self._watchdog = threading.Timer(HARD_EXIT, _end, (1, f"still busy after {HARD_EXIT:.0f} s, stopped"))
        self._watchdog.daemon = True
        self._watchdog.start()


def _end(code: int, why: str) -> None:
    """Leave now; the database takes no harm, since every commit is whole."""
    with contextlib.suppress(OSError):
        os.write(2, f"tocsin: {why}; what was committed is safe\n".encode())
    os._exit(code)


async def _serve(loaded: LoadedConfig, db: Path, printer: Printer, notices: Printer) -> None:
    from engine.engine import Engine

    signals = _StopSignals()
    clock = SystemClock()
    printer.on_broken = signals.ask
    engine = Engine(loaded, db, clock)
    engine.on_rows(printer.rows)
    engine.on_reload(lambda report: _print_reload(printer, report))
    try:
        await engine.start()
        engine.board.listen(lambda notice: notices.record(notice_record(notice, clock.now())))
        signals.reload = engine.request_reload
        settle_collector()
        config = loaded.config
        what = f"{counted(len(config.workflows), 'workflow')}, {counted(len(config.rules), 'rule')}"
        printer.record({"type": "started", "at": clock.now(), "message": f"{what}, database {db}"})
        try:
            await signals.stop.wait()
            message = f"waiting at most {GRACE:.0f} s for what runs; a second signal ends at once"
            printer.record({"type": "stopping", "at": clock.now(), "message": message})
        finally:
            await engine.stop(GRACE)
        printer.record({"type": "stopped", "at": clock.now(), "message": "database closed"})
    finally:
        signals.close()


def _print_reload(printer: Printer, report: ReloadReport) -> None:
    """What is in force now; what could not be is said by a line of the log."""
    if report.succeeded:
        printer.record({"type": "reloaded", "at": report.at, "message": report.summary})
        for change in report.changes:
            printer.record({"type": "changed", "at": report.at, "message": change})


async def _once(loaded: LoadedConfig, db: Path) -> tuple[Execution, ...]:
    from engine.engine import Engine

    signals = _StopSignals()
    engine = Engine(loaded, db, SystemClock())
    try:
        await engine.start(scheduled=False)
        work = asyncio.create_task(engine.run_once())
        stop = asyncio.create_task(signals.stop.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else ()
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
            await engine.stop(GRACE)
    finally:
        signals.close()
