"""The engine in this process, in a thread and loop of its own: a terminal that stalls cannot stall it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.client import AlertDetail, Bucket, EngineInfo, Listener, RetryReport, WorkflowStatus
from engine.clock import Clock, SystemClock
from engine.collector import LightCancellation
from engine.errors import EngineUnavailableError
from engine.local_muting import LocalMuting, at_once, past_of
from engine.model import (
    Alert,
    AlertState,
    BreakerStatus,
    Execution,
    ExplanationLine,
    Health,
    InForce,
    KeptReply,
    Landmark,
    LogCount,
    LogFacets,
    LogPage,
    MetricsSummary,
    Notice,
    Notification,
    PointBucket,
    ReloadReport,
    Series,
    Span,
)
from engine.rules_client import Progress, unheeded

if TYPE_CHECKING:
    from engine.config.loader import LoadedConfig
    from engine.engine import Engine
    from engine.model.rules import RuleDetail, RuleStatus, TestReceipt
    from engine.rehearsal.results import Comparison
    from engine.reporting.model import Pledge

T = TypeVar("T")
START_DEADLINE = 30.0
ANSWER_DEADLINE = 15.0


class LocalClient(LocalMuting):
    """An `EngineClient` whose engine lives in this process."""

    def __init__(
        self, loaded: LoadedConfig, db: Path, clock: Clock | None = None, after: float = 0.0
    ) -> None:
        self._loaded = loaded
        self._db = db
        self._clock = clock or SystemClock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        self._ready: Future[None] = Future()
        self._stop: asyncio.Event | None = None
        self._after = after
        self._grace = 10.0
        self._thread = threading.Thread(target=self._main, name="tocsin-engine", daemon=True)

    @classmethod
    def start(cls, loaded: LoadedConfig, db: Path, clock: Clock | None = None) -> LocalClient:
        """Start the engine and return when it runs.

        Raises:
            TocsinError: when the database is locked or unusable, or the engine does not start in 30 s.
        """
        client = cls.launch(loaded, db, clock)
        client.wait_ready()
        return client

    @classmethod
    def launch(
        cls, loaded: LoadedConfig, db: Path, clock: Clock | None = None, after: float = 0.0
    ) -> LocalClient:
        """Begin to start the engine; `wait_ready()` tells how it went.

        Args:
            after: seconds for which its first executions wait once it runs.
        """
        client = cls(loaded, db, clock, after)
        client._thread.start()
        return client

    def wait_ready(self) -> None:
        """Block until the engine runs. Raises TocsinError when it cannot."""
        try:
            self._ready.result(START_DEADLINE)
        except TimeoutError:
            raise EngineUnavailableError(f"the engine did not start within {START_DEADLINE:.0f} s") from None

    def close(self, grace: float = 10.0) -> None:
        """Drain and stop the engine; blocks at most a little over `grace` seconds."""
        self._grace = grace
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop closed in between
                loop.call_soon_threadsafe(stop.set)
        self._thread.join(grace + 2.0)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._running().publisher.subscribe(listener)

    async def info(self, at: float | None = None) -> EngineInfo:
        if at is not None:
            return await self._ask(lambda engine: past_of(engine).info(at))
        return await self._ask(lambda engine: engine.info())

    async def health(self, at: float | None = None) -> Health:
        if at is not None:
            return await self._ask(lambda engine: past_of(engine).health(at))
        return await self._ask(lambda engine: engine.current_health())

    async def configuration(self, at: float | None = None) -> InForce:
        moment = self._clock.now() if at is None else at
        return await self._ask(lambda engine: past_of(engine).configuration(moment))

    async def configurations(self, since: float, until: float) -> tuple[InForce, ...]:
        return await self._ask(lambda engine: past_of(engine).configurations(since, until))

    async def landmark(self, at: float, *, later: bool) -> Landmark | None:
        return await self._ask(lambda engine: past_of(engine).landmark(at, later=later))

    async def workflows(
        self, since: float, until: float, at: float | None = None
    ) -> tuple[WorkflowStatus, ...]:
        if at is not None:
            return await self._ask(lambda engine: past_of(engine).workflows(since, until, at))
        return await self._ask(lambda engine: engine.workflow_statuses(since, until))

    async def executions(
        self,
        *,
        workflow_id: str | None = None,
        since: float | None = None,
        until: float | None = None,
        before_id: int | None = None,
        failures_only: bool = False,
        limit: int = 200,
    ) -> tuple[Execution, ...]:
        return await self._ask(
            lambda engine: engine.reader.executions(
                workflow_id=workflow_id,
                since=since,
                until=until,
                before_id=before_id,
                failures_only=failures_only,
                limit=limit,
            )
        )

    async def execution(self, execution_id: int) -> Execution:
        return await self._ask(lambda engine: engine.reader.execution(execution_id))

    async def trace(self, trace_id: str) -> tuple[Span, ...]:
        return await self._ask(lambda engine: engine.reader.trace(trace_id))

    async def buckets(
        self, since: float, until: float, count: int, workflow_id: str | None = None
    ) -> tuple[Bucket, ...]:
        return await self._ask(lambda engine: engine.reader.buckets(since, until, count, workflow_id))

    async def alerts(
        self,
        *,
        states: frozenset[AlertState] | None = None,
        since: float | None = None,
        at: float | None = None,
        limit: int = 200,
    ) -> tuple[Alert, ...]:
        if at is not None:
            return await self._ask(
                lambda engine: past_of(engine).alerts(at, states=states, since=since, limit=limit)
            )
        return await self._ask(lambda engine: engine.reader.alerts(states=states, since=since, limit=limit))

    async def alert(self, alert_id: int, at: float | None = None) -> AlertDetail:
        if at is not None:
            return await self._ask(lambda engine: past_of(engine).alert(alert_id, at))
        return await self._ask(lambda engine: engine.reader.alert(alert_id))

    async def logs(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        before_id: int | None = None,
        after_id: int | None = None,
        limit: int = 200,
    ) -> LogPage:
        return await self._ask(
            lambda engine: engine.reader.logs(
                query, since=since, until=until, before_id=before_id, after_id=after_id, limit=limit
            )
        )

    async def log_count(
        self, query: str = "", *, since: float | None = None, until: float | None = None
    ) -> LogCount:
        return await self._ask(lambda engine: engine.reader.log_count(query, since=since, until=until))

    async def log_facets(
        self,
        query: str = "",
        *,
        since: float | None = None,
        until: float | None = None,
        buckets: int = 24,
    ) -> LogFacets:
        return await self._ask(
            lambda engine: engine.reader.log_facets(query, since=since, until=until, buckets=buckets)
        )

    async def notifications(
        self, *, until: float | None = None, limit: int = 200
    ) -> tuple[Notification, ...]:
        if until is not None:
            return await self._ask(lambda engine: past_of(engine).notifications(until, limit))
        return await self._ask(lambda engine: engine.reader.notifications(limit=limit))

    async def retry_notification(self, key: str) -> Notification:
        return await self._ask(lambda engine: engine.retry_notification(key))

    async def notices(self, after: int = 0) -> tuple[Notice, ...]:
        return await self._ask(lambda engine: at_once(lambda: engine.board.after(after)))

    async def summary(self, since: float, until: float) -> MetricsSummary:
        return await self._ask(lambda engine: engine.reader.summary(since, until))

    async def series(
        self, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> tuple[Series, ...]:
        return await self._ask(lambda engine: engine.reader.series(name, labels))

    async def points(
        self, name: str, since: float, until: float, count: int, labels: Mapping[str, str] | None = None
    ) -> tuple[PointBucket, ...]:
        return await self._ask(lambda engine: engine.reader.points(name, since, until, count, labels))

    async def retries(self, since: float, until: float, workflow_id: str | None = None) -> RetryReport:
        return await self._ask(lambda engine: engine.reader.retries(since, until, workflow_id))

    async def pledges(self) -> tuple[Pledge, ...]:
        return await self._ask(lambda engine: at_once(engine.pledges))

    async def replies(
        self, workflow_id: str, *, until: float | None = None, limit: int = 20
    ) -> tuple[KeptReply, ...]:
        from engine.workflows.responses import replies

        return await self._ask(lambda engine: replies(engine.reader, workflow_id, limit, until))

    async def acknowledge(
        self, alert_id: int, author: str, note: str = "", lasting: float | None = None
    ) -> Alert:
        return await self._ask(lambda engine: engine.alerts.acknowledge(alert_id, author, note, lasting))

    async def resolve(self, alert_id: int, author: str, note: str = "") -> Alert:
        return await self._ask(lambda engine: engine.alerts.resolve(alert_id, author, note))

    async def note(self, alert_id: int, author: str, note: str) -> Alert:
        return await self._ask(lambda engine: engine.alerts.note(alert_id, author, note))

    async def rules(self, at: float | None = None) -> tuple[RuleStatus, ...]:
        found = await self._ask(lambda engine: engine.rules.statuses())
        if at is None:
            return found
        from engine.past_rules import statuses_at

        return await self._ask(lambda engine: statuses_at(engine.reader, found, at))

    async def rule(self, rule_id: str, at: float | None = None) -> RuleDetail:
        found = await self._ask(lambda engine: engine.rules.detail(rule_id))
        if at is None:
            return found
        from engine.past_rules import detail_at

        return await self._ask(lambda engine: detail_at(engine.reader, found, at))

    async def backtest(
        self,
        rule_id: str,
        since: float,
        until: float,
        changes: Sequence[str] = (),
        progress: Progress = unheeded,
    ) -> tuple[Comparison, ...]:
        from engine.rulebook import rehearsed

        config = await self._ask(lambda engine: at_once(lambda: engine.rules.config))
        return await rehearsed(config, self._db, rule_id, since, until, changes, progress)

    async def try_channel(self, name: str) -> TestReceipt:
        return await self._ask(lambda engine: engine.rules.try_channel(name))

    async def explain(self, alert_id: int, at: float | None = None) -> tuple[ExplanationLine, ...]:
        return await self._ask(lambda engine: engine.explainer.alert(alert_id, at))

    async def explain_rule(self, rule_id: str, subject: str = "") -> tuple[ExplanationLine, ...]:
        return await self._ask(lambda engine: engine.explainer.rule(rule_id, subject))

    async def run_now(self, workflow_id: str) -> None:
        await self._ask(lambda engine: engine.run_now(workflow_id))

    async def set_paused(self, paused: bool, workflow_id: str | None = None) -> None:
        await self._ask(lambda engine: engine.set_paused(paused, workflow_id))

    async def reload(self) -> ReloadReport:
        return await self._ask(lambda engine: engine.reload())

    def request_reload(self) -> None:
        """Reload soon and tell the log how it went; safe to call from a signal handler."""
        loop, engine = self._loop, self._engine
        if loop is not None and engine is not None:
            with contextlib.suppress(RuntimeError):  # the loop closed in between
                loop.call_soon_threadsafe(engine.request_reload)

    async def breakers(self) -> tuple[BreakerStatus, ...]:
        return await self._ask(lambda engine: engine.breakers())

    async def reset_breaker(self, target: str) -> None:
        await self._ask(lambda engine: engine.reset_breaker(target))

    def _running(self) -> Engine:
        if self._engine is None or not self._thread.is_alive():
            raise EngineUnavailableError("the engine has stopped", "start tocsin again")
        return self._engine

    async def _ask(self, question: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        engine = self._running()
        loop = self._loop
        assert loop is not None

        async def answer() -> T:
            with LightCancellation():
                return await question(engine)

        coroutine = answer()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:
            coroutine.close()
            raise EngineUnavailableError("the engine has stopped", "start tocsin again") from None
        try:
            async with asyncio.timeout(ANSWER_DEADLINE):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise EngineUnavailableError(
                f"the engine did not answer within {ANSWER_DEADLINE:.0f} s"
            ) from None

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - border: the thread's end is told to whoever waits
            if not self._ready.done():
                self._ready.set_exception(error)
        finally:
            if not self._ready.done():
                self._ready.set_exception(EngineUnavailableError("the engine stopped while starting"))

    async def _serve(self) -> None:
        from engine.engine import Engine

        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        engine = Engine(self._loaded, self._db, self._clock)
        await engine.start(after=self._after)
        self._engine = engine
        self._ready.set_result(None)
        try:
            await self._stop.wait()
        finally:
            await engine.stop(self._grace)
