"""Series are found by their labels; points add up over time."""

from __future__ import annotations

import random

import pytest

from engine.model import Point, SeriesKind
from engine.store.points import kind_of
from engine.store.store import Store
from engine.store.tally import percentile
from tests.engine.store.samples import START

SHOP = (("step", "get"), ("workflow", "shop"))
QUOTED = (("workflow", 'the "old" one'),)


async def test_series_are_found_by_name_and_labels(store: Store) -> None:
    names = [("http.dns", SHOP), ("workflow.success", SHOP[1:]), ("http.dns", QUOTED), ("jobs_total", ())]
    await store.writer.must(*(Point(name, labels, START, 1.0) for name, labels in names))
    reader = store.reader
    assert [(one.name, one.labels) for one in await reader.series()] == sorted(names)
    assert [one.labels for one in await reader.series("http.dns")] == [SHOP, QUOTED]
    assert [one.labels for one in await reader.series(labels=dict(QUOTED))] == [QUOTED]
    assert [one.name for one in await reader.series(labels={"workflow": "shop"})] == [
        "http.dns",
        "workflow.success",
    ]
    assert [one.name for one in await reader.series(labels=dict(SHOP))] == ["http.dns"]
    assert await reader.series("http.dns", {"workflow": "sho"}) == ()
    assert [one.kind for one in await reader.series("jobs_total")] == [SeriesKind.COUNTER]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("workflow.duration", SeriesKind.DURATION),
        ("http.first_byte", SeriesKind.DURATION),
        ("workflow.success", SeriesKind.GAUGE),
        ("requests_total", SeriesKind.COUNTER),
    ],
)
def test_the_kind_is_in_the_name(name: str, kind: SeriesKind) -> None:
    assert kind_of(name) is kind


async def test_buckets_of_points_are_exact(store: Store) -> None:
    chance = random.Random(1)
    values = [(START + number, chance.expovariate(3)) for number in range(600)]
    await store.writer.must(
        *(Point("step.duration", SHOP, at, value) for at, value in values),
        *(Point("step.duration", QUOTED, at, 99.0) for at, _ in values),
        *(Point("http.dns", SHOP, at, 77.0) for at, _ in values),
    )
    found = await store.reader.points("step.duration", START + 100, START + 400, 3, {"workflow": "shop"})
    assert [(one.at, one.width, one.count) for one in found] == [
        (START + 100 + 100 * place, 100.0, 100) for place in range(3)
    ]
    for one in found:
        inside = sorted(value for at, value in values if one.at <= at < one.at + one.width)
        assert one.mean == pytest.approx(sum(inside) / 100)
        assert (one.minimum, one.maximum) == (inside[0], inside[-1])
        assert (one.p50, one.p99) == (percentile(inside, 0.5), percentile(inside, 0.99))
        assert one.rate is None
    both = await store.reader.points("step.duration", START, START + 600, 1)
    assert (both[0].count, both[0].maximum) == (1_200, 99.0)
    (nothing,) = await store.reader.points("step.duration", START - 100, START, 1)
    assert (nothing.count, nothing.mean, nothing.p50) == (0, None, None)
    assert await store.reader.points("unheard.of", START, START + 60, 0) != ()


async def test_a_counter_has_a_rate_also_when_it_begins_anew(store: Store) -> None:
    def counted(host: str, *values: float) -> list[Point]:
        return [
            Point("requests_total", (("host", host),), START + 10 * place, value)
            for place, value in enumerate(values)
        ]

    await store.writer.must(*counted("a", 100, 120, 140, 5, 25, 45), *counted("b", 7, 7, 8, 8, 8, 8))
    found = await store.reader.points("requests_total", START, START + 60, 2)
    assert [one.rate for one in found] == [pytest.approx(41 / 30), pytest.approx(45 / 30)]
    (alone,) = await store.reader.points("requests_total", START, START + 60, 1, {"host": "b"})
    assert alone.rate == pytest.approx(1 / 60)
