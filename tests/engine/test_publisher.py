import asyncio
import threading

from engine.model import Topic
from engine.publisher import Publisher


async def next_delivery(publisher: Publisher) -> frozenset[Topic]:
    told: asyncio.Future[frozenset[Topic]] = asyncio.get_running_loop().create_future()
    unsubscribe = publisher.subscribe(told.set_result)
    try:
        async with asyncio.timeout(5):
            return await told
    finally:
        unsubscribe()


async def test_changes_within_an_interval_are_told_in_one_call() -> None:
    publisher = Publisher()
    calls: list[frozenset[Topic]] = []
    publisher.subscribe(calls.append)
    for _ in range(1000):
        publisher.changed(Topic.LOGS)
        publisher.changed(Topic.ALERTS, Topic.EXECUTIONS)
    assert await next_delivery(publisher) == {Topic.LOGS, Topic.ALERTS, Topic.EXECUTIONS}
    assert len(calls) == 1
    publisher.close()


async def test_a_failing_listener_does_not_keep_the_news_from_the_others() -> None:
    publisher = Publisher()

    def broken(_: frozenset[Topic]) -> None:
        raise RuntimeError("a client's fault")

    publisher.subscribe(broken)
    publisher.changed(Topic.HEALTH)
    assert await next_delivery(publisher) == {Topic.HEALTH}
    publisher.close()


async def test_an_unsubscribed_or_closed_listener_hears_nothing() -> None:
    publisher = Publisher()
    calls: list[frozenset[Topic]] = []
    unsubscribe = publisher.subscribe(calls.append)
    thread = threading.Thread(target=unsubscribe)
    thread.start()
    thread.join()
    publisher.changed(Topic.LOGS)
    await next_delivery(publisher)
    assert calls == []
    publisher.subscribe(calls.append)
    publisher.changed(Topic.LOGS)
    publisher.close()
    await asyncio.sleep(0)
    assert calls == []
