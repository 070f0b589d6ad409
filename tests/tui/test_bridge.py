"""The thread border: floods collapse, nothing is lost, fetches are paced and stale answers dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from textual.app import App
from textual.message import Message

from engine.errors import EngineUnavailableError, TocsinError
from engine.model import Topic
from tests.tui.fakes import FakeClient
from tui.bridge import Bridge, Loader


def _into(posted: list[Message]) -> Callable[[Message], bool]:
    def post(message: Message) -> bool:
        posted.append(message)
        return True

    return post


def test_a_flood_of_news_from_another_thread_is_one_message_and_loses_no_topic() -> None:
    client, posted = FakeClient(), list[Message]()
    bridge = Bridge(client, _into(posted))
    bridge.open()

    def flood() -> None:
        for _ in range(1_000):
            client.announce(Topic.LOGS)
            client.announce(Topic.ALERTS, Topic.HEALTH)

    thread = threading.Thread(target=flood)
    thread.start()
    thread.join()
    assert len(posted) == 1
    assert bridge.take() == {Topic.LOGS, Topic.ALERTS, Topic.HEALTH}
    client.announce(Topic.LOGS)
    assert len(posted) == 2
    assert bridge.take() == {Topic.LOGS}
    assert bridge.take() == frozenset()


def test_a_closed_bridge_hears_nothing() -> None:
    client, posted = FakeClient(), list[Message]()
    bridge = Bridge(client, _into(posted))
    bridge.open()
    bridge.close()
    bridge.close()
    client.announce(Topic.LOGS)
    assert posted == []
    assert client.listeners == []


class Asked:
    """A question whose answers are given by hand."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[str]] = []
        self.shown: list[str] = []
        self.errors: list[TocsinError | None] = []

    async def fetch(self) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return await future

    def loader(self, app: App[None], rest: Callable[[], float] = float) -> Loader[str]:
        return Loader(app, "test", self.fetch, self.shown.append, self.errors.append, rest=rest)


async def test_requests_while_fetching_become_one_more_fetch() -> None:
    app, asked = App[None](), Asked()
    async with app.run_test() as pilot:
        loader = asked.loader(app)
        for _ in range(10):
            loader.request()
        await pilot.pause()
        assert len(asked.waiting) == 1
        for _ in range(10):
            loader.request()
        asked.waiting[0].set_result("first")
        await pilot.pause()
        assert len(asked.waiting) == 2
        asked.waiting[1].set_result("second")
        await app.workers.wait_for_complete()
        assert asked.shown == ["first", "second"]


async def test_an_urgent_request_drops_the_stale_answer() -> None:
    app, asked = App[None](), Asked()
    async with app.run_test() as pilot:
        loader = asked.loader(app)
        loader.request()
        await pilot.pause()
        loader.request(urgent=True)
        await pilot.pause()
        assert asked.waiting[0].cancelled()
        asked.waiting[1].set_result("fresh")
        await app.workers.wait_for_complete()
        assert asked.shown == ["fresh"]


async def test_an_error_is_reported_and_forgotten_after_the_next_success() -> None:
    app, asked = App[None](), Asked()
    async with app.run_test() as pilot:
        loader = asked.loader(app)
        loader.request()
        await pilot.pause()
        asked.waiting[0].set_exception(EngineUnavailableError("the engine has stopped"))
        await app.workers.wait_for_complete()
        loader.request()
        await pilot.pause()
        asked.waiting[1].set_result("back")
        await app.workers.wait_for_complete()
        assert [str(error) if error else None for error in asked.errors] == ["the engine has stopped", None]
        assert asked.shown == ["back"]


async def test_drawing_apart_counts_as_what_a_fetch_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    app, asked, slept = App[None](), Asked(), list[float]()
    monkeypatch.setattr(Loader, "SLOWEST", 5.0)
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    async with app.run_test() as pilot:
        drawing = iter((0.06, 3_600.0))
        loader = Loader(
            app, "test", asked.fetch, asked.shown.append, asked.errors.append, apart=lambda: next(drawing)
        )
        for place, answer in enumerate(("short", "long")):
            loader.request()
            await pilot.pause()
            with monkeypatch.context() as patch:
                patch.setattr("tui.bridge.asyncio.sleep", noted)
                asked.waiting[place].set_result(answer)
                await app.workers.wait_for_complete()
        pauses = [seconds for seconds in slept if seconds]
        assert 0.06 / Loader.SHARE <= pauses[0] < Loader.SLOWEST == pauses[-1]


async def test_a_stopped_loader_shows_nothing() -> None:
    app, asked = App[None](), Asked()
    async with app.run_test() as pilot:
        loader = asked.loader(app)
        loader.request()
        await pilot.pause()
        loader.stop()
        await pilot.pause()
        assert asked.waiting[0].cancelled()
        assert asked.shown == []


async def test_what_a_cursor_passes_over_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    app, asked = App[None](), Asked()
    async with app.run_test() as pilot:
        loader = asked.loader(app)
        monkeypatch.setattr(Loader, "STILL", 3600.0)
        for _ in range(3):
            loader.follow()
            await pilot.pause()
        assert asked.waiting == []
        monkeypatch.setattr(Loader, "STILL", 0.0)
        loader.follow()
        await pilot.pause()
        assert len(asked.waiting) == 1


async def test_what_can_wait_waits_while_keys_are_pressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loader, "LONGEST_REST", 3600.0)
    app, asked = App[None](), Asked()
    async with app.run_test() as pilot:
        loader = asked.loader(app, rest=lambda: 3600.0)
        loader.request()
        await pilot.pause()
        assert asked.waiting == []
        loader.request(urgent=True)
        await pilot.pause()
        assert len(asked.waiting) == 1


async def test_after_a_dear_fetch_a_cheap_one_follows_no_sooner_than_half_its_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Loader, "SLOWEST", 3600.0)
    loader = Asked().loader(App[None]())
    dear = loader._pause(1.0)
    assert dear == 1.0 / Loader.SHARE
    assert loader._pause(0.0) == dear / 2
    assert loader._pause(0.0) == dear / 4


async def test_keys_that_never_rest_hold_a_fetch_up_for_a_bounded_time() -> None:
    app, asked = App[None](), Asked()
    async with app.run_test() as pilot:
        asked.loader(app, rest=lambda: 3600.0).request()
        await pilot.pause()
        assert len(asked.waiting) == 1
