"""What overload leaves: few records that speak of all slots, no start lost, and a word about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.config.schema import Workflow
from engine.model import ScheduleCursor
from engine.workflows.entry import Entry
from engine.workflows.skips import INTERVAL, OVERLOAD, WINDOW, Skips
from tests.engine.workflows.test_scheduler import Bench, workflow

START = 1_700_000_000.0
Record = tuple[str, float, str, int]


def recording() -> tuple[Skips, list[Record], list[str]]:
    records: list[Record] = []
    settled: list[str] = []
    skips = Skips(
        lambda flow, slot, reason, count: records.append((flow.id, slot, reason, count)),
        lambda entry: settled.append(entry.workflow.id),
    )
    return skips, records, settled


def test_the_first_skip_is_recorded_at_once_and_the_rest_together() -> None:
    skips, records, settled = recording()
    entry = Entry(workflow())
    assert skips.add(entry, 0.0, "overlap", 0.0)
    assert not any(skips.add(entry, float(slot), "overlap", float(slot)) for slot in range(1, 10))
    assert (records, settled) == ([("w", 0.0, "overlap", 1)], [])
    skips.settle(INTERVAL - 0.1)
    assert len(records) == 1
    skips.settle(INTERVAL)
    assert records[1:] == [("w", 9.0, "overlap", 9)]
    assert settled == ["w"]
    skips.settle(INTERVAL * 2)
    assert len(records) == 2
    assert skips.add(entry, 30.0, "overlap", 30.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["overlap", OVERLOAD]), st.floats(0, 5))))
def test_records_speak_of_every_slot(events: list[tuple[str, str, float]]) -> None:
    skips, records, _ = recording()
    entries = {id: Entry(workflow(id)) for id in "abc"}
    now = 0.0
    for id, reason, pause in events:
        now += pause
        skips.settle(now)
        skips.add(entries[id], now, reason, now)
    skips.flush()
    assert sum(count for *_, count in records) == len(events)
    assert len(records) <= 6 * (now // INTERVAL + 2)


def test_overload_is_remembered_for_a_minute() -> None:
    skips, _, _ = recording()
    entry = Entry(workflow())
    for number in range(500):
        skips.add(entry, float(number), OVERLOAD, number / 100)
    skips.add(entry, 600.0, "overlap", 6.0)
    assert skips.overload(6.0) == 500
    assert 0 < skips.overload(WINDOW + 2.5) < 500
    assert skips.overload(WINDOW + 6.0) == 0


async def test_an_overloaded_engine_serves_all_it_can_and_says_what_it_skipped() -> None:
    async def work(_: Workflow) -> None:
        await bench.clock.sleep(0.1)

    flows = [workflow(f"w{number}", every="1s") for number in range(20)]
    cursors = {flow.id: ScheduleCursor(flow.id, START) for flow in flows}
    bench = Bench(flows, concurrency=1, work=work, cursors=cursors)
    async with bench.running():
        await bench.clock.advance(60)
        assert 595 <= len(bench.starts) <= 600
        assert bench.scheduler.overload > 500
    # What still waits for a place when the engine ends is neither.
    assert len(bench.starts) + bench.skipped_slots >= 20 * 58
    assert len(bench.skips) <= 20 * 8
    assert {reason for _, reason in bench.skips} == {OVERLOAD}
    newest = {cursor.workflow_id: cursor.last_slot for cursor in bench.cursors}
    assert min(newest.values()) >= START + 57
