import asyncio

import pytest

from engine.clock import VirtualClock, settle
from engine.workflows.limits import HostLimits, host_of
from engine.workflows.steps.base import StepSkipped


class Visits:
    """Steps at hosts, in virtual time."""

    def __init__(self, places: int) -> None:
        self.clock = VirtualClock()
        self.limits = HostLimits(self.clock, places)
        self.there = self.peak = 0
        self.order: list[str] = []

    async def visit(self, name: str, target: str = "http://h:80", seconds: float = 1.0) -> None:
        async with self.limits.place(target, 10.0):
            self.order.append(name)
            self.there += 1
            self.peak = max(self.peak, self.there)
            try:
                await self.clock.sleep(seconds)
            finally:
                self.there -= 1


async def test_no_more_than_the_places_and_first_come_first_served() -> None:
    visits = Visits(2)
    tasks = [asyncio.create_task(visits.visit(str(number))) for number in range(6)]
    await visits.clock.advance(3)
    await asyncio.gather(*tasks)
    assert visits.peak == 2
    assert visits.order == ["0", "1", "2", "3", "4", "5"]
    assert visits.limits._hosts == {}


async def test_ports_and_schemes_share_a_host_and_hosts_share_nothing() -> None:
    visits = Visits(1)
    targets = ("http://h:80", "https://h:443", "h:53", "http://other:80")
    tasks = [asyncio.create_task(visits.visit(target, target)) for target in targets]
    await settle()
    assert visits.order == ["http://h:80", "http://other:80"]
    await visits.clock.advance(3)
    await asyncio.gather(*tasks)


async def test_who_waits_too_long_is_skipped_and_takes_no_place() -> None:
    visits = Visits(1)
    first = asyncio.create_task(visits.visit("first", seconds=11))
    late = asyncio.create_task(visits.visit("late"))
    await visits.clock.advance(10)
    with pytest.raises(StepSkipped, match="host busy"):
        await late
    await visits.clock.advance(1)
    await first
    await asyncio.wait_for(asyncio.gather(visits.visit("next", seconds=0)), 1)
    assert visits.order == ["first", "next"]


@pytest.mark.parametrize("handed_over", [False, True])
async def test_a_cancelled_visitor_gives_its_place_on(handed_over: bool) -> None:
    visits = Visits(1)
    first = asyncio.create_task(visits.visit("first"))
    second = asyncio.create_task(visits.visit("second"))
    third = asyncio.create_task(visits.visit("third"))
    await settle()
    if handed_over:
        # The first leaves and hands its place over before the second has run again.
        first.cancel()
        await asyncio.sleep(0)
    second.cancel()
    await visits.clock.advance(3)
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert third.exception() is None
    assert visits.order[-1] == "third"
    assert visits.limits._hosts == {}


@pytest.mark.parametrize(
    ("target", "host"),
    [("https://H:443", "h"), ("tcp://[::1]:5", "::1"), ("h:5", "h"), ("db.sqlite", "db.sqlite"), ("[", "[")],
)
def test_the_host_of_a_target(target: str, host: str) -> None:
    assert host_of(target) == host
