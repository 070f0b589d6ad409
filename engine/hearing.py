"""Joins what is heard with who wants to know: the listener, the book of heartbeats, the store, the traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.clock import Clock
from engine.config.schema import Config
from engine.config.types import parse_loopback
from engine.joining import Joining
from engine.listener import MAX_CONNECTIONS, Listener
from engine.model import Heartbeat, LogLevel, LogRecord, Signal
from engine.store.store import Store
from engine.telemetry.tracing import parse_traceparent
from engine.text import clean
from engine.workflows.heartbeats import NOTE_LIMIT, Heartbeats
from engine.workflows.steps import STEP_KINDS
from engine.workflows.steps.base import StepType
from engine.workflows.steps.heartbeat import HeartbeatSpec, HeartbeatStep

TELL_INTERVAL = 60.0
_LEVELS = {Signal.FAIL: LogLevel.ERROR, Signal.LOG: LogLevel.INFO}


class Hearing:
    """Hears for one engine; made by `open()`.

    Args:
        log: where each signal leaves a line.
    """

    def __init__(
        self,
        config: Config,
        book: Heartbeats,
        store: Store,
        clock: Clock,
        log: Callable[[LogRecord], None],
    ) -> None:
        self.book = book
        self._store = store
        self._clock = clock
        self._log = log
        self._wake: Callable[[str], None] = _nobody
        self.joining = Joining(config.settings.tracing.accept, store)
        address = parse_loopback(config.settings.heartbeats)
        self._listener = Listener(*address, self._heard, self.joining.heard, self._crowded)
        self._hung_up = 0
        self._told_at: float | None = None

    @classmethod
    async def open(
        cls, config: Config, store: Store, clock: Clock, log: Callable[[LogRecord], None]
    ) -> Hearing:
        """Recall what was heard of the configuration's jobs; new ones are waited for from now on."""
        known = await store.reader.heartbeats()
        book = Heartbeats(_jobs(config), known, clock.now())
        if book.fresh:
            store.writer.offer(*book.fresh)
        return cls(config, book, store, clock, log)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    def types(self) -> dict[str, Callable[[Clock], StepType]]:
        """What makes each step type; heartbeats look into this book."""
        makers = {name: kind.make for name, kind in STEP_KINDS.items()}
        return makers | {HeartbeatStep.name: lambda clock: HeartbeatStep(clock, self.book)}

    async def start(self, wake: Callable[[str], None], running: Callable[[str], int | None]) -> None:
        """Listen, when there is a job to be heard, or somebody who may add spans.

        `wake` is told the workflow whose job has said how it ended, so that nobody waits for its next slot.
        `running` tells the execution that goes on under a trace.

        Raises:
            EngineUnavailableError: the address cannot be had.
        """
        self._wake = wake
        self.joining.running = running
        if len(self.book) or self.joining.is_open:
            await self._listener.start()

    async def prepare(self, config: Config) -> None:
        """Listen when a configuration that is to be adopted has the first job to be heard.

        Raises:
            EngineUnavailableError: the address cannot be had.
        """
        if _jobs(config) and not self._listener.is_open:
            await self._listener.start()

    def adopt(self, config: Config, known: Sequence[Heartbeat]) -> None:
        """Wait for the jobs of this configuration; `known` is what the store remembers of any."""
        self.book.adopt(_jobs(config), known, self._clock.now())
        if self.book.fresh:
            self._store.writer.offer(*self.book.fresh)

    async def close(self) -> None:
        await self._listener.close()

    async def _heard(
        self, token: str, signal: Signal, note: bytes, exit_code: int | None, traceparent: str
    ) -> bool:
        workflow = self.book.workflow_of(token)
        if workflow is None:
            return False
        now = self._clock.now()
        trace_id, span_id = parse_traceparent(traceparent) or (None, None)
        if signal is not Signal.LOG:
            beat = self.book.heard(token, signal, now, note, exit_code, traceparent if trace_id else "")
            # Known at once, so that the next signal builds on it; answered when it is stored.
            self.book.keep(beat)
            await self._store.writer.must(beat)
        said = clean(note, NOTE_LIMIT, multiline=True)
        code = {} if exit_code is None else {"exit_code": exit_code}
        self._log(
            LogRecord(
                at=now,
                level=_LEVELS.get(signal, LogLevel.DEBUG),
                message=f"heartbeat {signal.value}{': ' + said if said else ''}",
                workflow_id=workflow,
                trace_id=trace_id,
                span_id=span_id,
                fields={"signal": signal.value, **code},
            )
        )
        if signal in (Signal.SUCCESS, Signal.FAIL):
            self._wake(workflow)
        return True

    def _crowded(self) -> None:
        """Count who was hung up on since too many were connected; told at most once a minute."""
        self._hung_up += 1
        now = self._clock.monotonic()
        if self._told_at is not None and now - self._told_at < TELL_INTERVAL:
            return
        self._told_at = now
        message = (
            f"more than {MAX_CONNECTIONS} connections at once where heartbeats are heard: "
            f"hung up on {self._hung_up} of them"
        )
        self._hung_up = 0
        self._log(LogRecord(at=self._clock.now(), level=LogLevel.WARNING, message=message))


def _nobody(_: str) -> None:
    """Nobody is woken before the engine listens."""


def _jobs(config: Config) -> dict[str, str]:
    """The workflow of each token."""
    return {
        step.spec.token: workflow.id
        for workflow in config.workflows
        for step in (*workflow.steps, *workflow.finally_)
        if isinstance(step.spec, HeartbeatSpec)
    }
