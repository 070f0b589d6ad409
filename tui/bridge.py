"""The border between the engine's thread and the console's: news in, paced fetches out."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from textual.dom import DOMNode
from textual.message import Message
from textual.worker import Worker

from engine.client import EngineClient
from engine.collector import LightCancellation
from engine.errors import TocsinError
from engine.model import Topic

T = TypeVar("T")


class EngineChanged(Message):
    """The engine has news; `Bridge.take()` tells of what."""


class Bridge:
    """Turns the engine's calls, made in its own thread, into at most one message waiting in the app's queue.

    Args:
        client: where the news comes from.
        post: the app's thread-safe `post_message`.
    """

    def __init__(self, client: EngineClient, post: Callable[[Message], bool]) -> None:
        self._client = client
        self._post = post
        self._lock = threading.Lock()
        self._waiting: frozenset[Topic] = frozenset()
        self._unsubscribe: Callable[[], None] | None = None

    def open(self) -> None:
        """Begin to listen. Raises EngineUnavailableError."""
        self._unsubscribe = self._client.subscribe(self._heard)

    def close(self) -> None:
        """Stop listening; safe to call twice."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def take(self) -> frozenset[Topic]:
        """All topics heard of since the last call."""
        with self._lock:
            topics, self._waiting = self._waiting, frozenset()
        return topics

    def _heard(self, topics: frozenset[Topic]) -> None:
        with self._lock:
            first = not self._waiting
            self._waiting |= topics
        if first and topics:
            self._post(EngineChanged())


class Loader(Generic[T]):
    """Fetches one thing, one fetch at a time, never more often than every `PACE` seconds.

    What takes long is fetched less often, so that looking at a big store takes a small part of the machine.

    Args:
        host: runs the worker; its end is the worker's end.
        name: the worker's group, unique within the host.
        fetch: asks the engine.
        show: given the answer, in the UI's thread.
        fail: given the error when the engine refuses or is gone; `None` after the next success.
        rest: seconds for which what can wait is to leave the processor to the keys.
        slower: how many times `PACE` lie between two fetches at least.
        apart: how many seconds it took, besides, to draw what was shown last.
    """

    PACE = 0.25
    SHARE = 0.02
    """The part of the time (0–1) that fetching and showing may take, but for what is urgent."""
    SLOWEST = 5.0
    """Seconds between two fetches at most, whatever they take."""
    STILL = 0.12
    """Seconds for which a cursor is still before what it is on is fetched."""
    LONGEST_REST = 2.0
    """Seconds for which a fetch that can wait does so at most, while keys are pressed."""

    def __init__(
        self,
        host: DOMNode,
        name: str,
        fetch: Callable[[], Awaitable[T]],
        show: Callable[[T], None],
        fail: Callable[[TocsinError | None], None],
        *,
        rest: Callable[[], float] = float,
        slower: float = 1.0,
        apart: Callable[[], float] = float,
    ) -> None:
        self._host = host
        self._name = name
        self._fetch = fetch
        self._show = show
        self._fail = fail
        self._rest = rest
        self._slower = slower
        self._apart = apart
        self._wanted = False
        self._took = 0.0
        self._worker: Worker[None] | None = None
        self._asked_at: float | None = None

    @property
    def waited(self) -> float:
        """Seconds for which the fetch under way has not been answered; 0 when there is none."""
        return 0.0 if self._asked_at is None else time.monotonic() - self._asked_at

    def request(self, *, urgent: bool = False) -> None:
        """Fetch soon; `urgent` fetches now and drops a fetch under way, whose answer is stale."""
        self._wanted = True
        if urgent or self._worker is None or self._worker.is_finished:
            self._begin(0.0 if urgent else None)

    def follow(self) -> None:
        """Fetch once this was not called for `STILL` seconds: what a cursor passes over is not fetched."""
        self._wanted = True
        self._begin(self.STILL)

    def _begin(self, after: float | None) -> None:
        self._asked_at = None
        run = partial(self._work, after)
        self._worker = self._host.run_worker(run, group=self._name, exclusive=True)

    def stop(self) -> None:
        """Forget what was asked for and drop the fetch under way."""
        self._wanted = False
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None
        self._asked_at = None

    async def _work(self, after: float | None) -> None:
        with LightCancellation():
            await self._run(after)

    async def _run(self, after: float | None) -> None:
        """Fetch after so many seconds, or when the keys rest, and again as long as that is asked for."""
        while self._wanted:
            await (self._give_way() if after is None else asyncio.sleep(after))
            after = None
            self._wanted = False
            began = self._asked_at = time.monotonic()
            try:
                answer = await self._fetch()
            except TocsinError as error:
                self._asked_at = None
                self._fail(error)
            else:
                self._asked_at = None
                self._fail(None)
                self._show(answer)
                del answer
            await asyncio.sleep(self._pause(time.monotonic() - began + self._apart()))

    async def _give_way(self) -> None:
        end = time.monotonic() + self.LONGEST_REST
        while (rest := min(self._rest(), end - time.monotonic())) > 0:  # noqa: ASYNC110 - keys set no event
            await asyncio.sleep(rest)

    def _pause(self, took: float) -> float:
        """Seconds to wait after a fetch that took this long; a dear one is remembered for some."""
        self._took = max(took, self._took / 2)
        return max(self.PACE * self._slower, min(self._took / self.SHARE, self.SLOWEST))
