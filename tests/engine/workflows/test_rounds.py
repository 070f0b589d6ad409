"""`foreach` over what an earlier step got back: how many rounds, how many at once, what they are called."""

import asyncio
from typing import Any

import pytest

from engine.model import Outcome
from tests.engine.workflows.test_flow import Bench, flow, get, outcomes

LIST = get("list", needs=[])


def each(path: str = "/{{ item.value }}", **keys: Any) -> dict[str, Any]:
    return get("page", path, foreach="{{ list.json.items }}", **keys)


def listing(items: object, **variables: Any) -> Bench:
    bench = Bench(**variables)
    bench.site.json = {"items": items}
    return bench


async def test_a_step_runs_once_for_each_item_that_was_found() -> None:
    bench = listing([{"sku": "x9", "name": "Book", "tags": ["a"]}, {"sku": "y7", "name": "Pen"}])
    recording = await bench.run(flow(LIST, each("/{{ item.sku }}/{{ item.index }}"), get("last")))
    assert recording.execution.outcome is Outcome.OK
    assert bench.site.called == ["list", "/x9/1", "/y7/2", "last"]
    assert outcomes(recording) == {"list": "ok", "page[1]": "ok", "page[2]": "ok", "last": "ok"}
    spans = [span for span in recording.spans if span.name.startswith("page")]
    assert [(span.name, span.attributes["item"]) for span in spans] == [
        ("page[Book]", "Book"),
        ("page[Pen]", "Pen"),
    ]


async def test_failures_say_which_items_they_are_about() -> None:
    bench = listing(["up", "down-1", "down-2", "down-3", "down-4", "down-5", "down-6", "down-7"])
    recording = await bench.run(flow(LIST, each(), get("last"), breaker=False))
    assert recording.execution.error == (
        "page[down-1]: connection refused by h (and 6 more rounds: down-2, down-3, down-4, down-5, down-6, …)"
    )
    assert "last" not in outcomes(recording)
    items = {step.step_id: step.attributes.get("item") for step in recording.execution.attempts[0].steps}
    assert items["page[2]"] == "down-1"


async def test_a_degraded_round_names_its_item() -> None:
    bench = listing(["a", "b"])
    recording = await bench.run(flow(LIST, each(degraded=["duration < 1ms"])))
    assert recording.execution.outcome is Outcome.DEGRADED
    assert recording.execution.reason.startswith("page[a]: duration (10 ms) < 1 ms; page[b]: ")


@pytest.mark.parametrize(("parallel", "most", "took"), [(1, 1, 5.0), (2, 2, 3.0), (100, 5, 1.0)])
async def test_rounds_run_side_by_side_as_many_as_may(parallel: int, most: int, took: float) -> None:
    bench = listing([f"slow-{number}" for number in range(5)])
    recording = await bench.run(flow(LIST, each(parallel=parallel)))
    assert recording.execution.outcome is Outcome.OK
    assert bench.site.most_at_once == most
    assert recording.execution.duration == took
    # However they end, they are recorded in the order of the list.
    assert [step.step_id for step in recording.execution.attempts[0].steps[1:]] == [
        f"page[{number}]" for number in range(1, 6)
    ]


async def test_cancelling_reaches_all_rounds() -> None:
    bench = listing(["forever-1", "forever-2", "forever-3"])
    before = len(asyncio.all_tasks())
    task = asyncio.ensure_future(bench.runner.run(flow(LIST, each(parallel=2)), 1, 0.0))
    await bench.clock.advance(1)
    assert bench.site.at_once == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.site.at_once == 0
    assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize(
    ("items", "keys", "outcome", "error"),
    [
        (list(range(100)), {}, Outcome.OK, ""),
        (
            list(range(101)),
            {},
            Outcome.ERROR,
            "page: foreach: list.json.items has 101 items, max_rounds is 100",
        ),
        (list(range(101)), {"max_rounds": 101}, Outcome.OK, ""),
        ("many", {}, Outcome.FAILED, "page: foreach: list.json.items is no list: many"),
        ([1, [2]], {}, Outcome.FAILED, "page: foreach: list.json.items: item 2 is a list, not a value"),
    ],
)
async def test_what_was_found_has_to_be_a_list_that_is_not_too_long(
    items: object, keys: dict[str, Any], outcome: Outcome, error: str
) -> None:
    bench = listing(items)
    recording = await bench.run(flow(LIST, each(**keys)))
    assert (recording.execution.outcome, recording.execution.error) == (outcome, error)


async def test_a_list_that_is_missing_fails_and_an_empty_one_is_passed_over() -> None:
    bench = Bench()
    recording = await bench.run(flow(LIST, each()))
    assert recording.execution.error == "page: foreach: list.json.items is missing"
    bench.site.json = {"items": []}
    recording = await bench.run(flow(LIST, each(), get("last")))
    assert recording.execution.outcome is Outcome.OK
    assert outcomes(recording) == {"list": "ok", "page": "skipped", "last": "ok"}
    assert recording.execution.attempts[0].steps[1].reason == "foreach: an empty list"


async def test_an_item_without_a_value_that_is_used_breaks_its_round_alone() -> None:
    bench = listing([{"url": "a"}, {"uri": "b"}])
    recording = await bench.run(flow(LIST, each("{{ item.url }}")))
    assert outcomes(recording) == {"list": "ok", "page[1]": "ok", "page[2]": "error"}
    assert recording.execution.error.startswith("page[b]: {{ item.url }} is not known")


async def test_hostile_items_make_tame_names() -> None:
    bench = listing(["\x1b]52;c;x\x07[/red]\n" + "a" * 100, None, {"password": "p4ssw0rd"}])
    recording = await bench.run(flow(LIST, each("/x")))
    names = [span.name for span in recording.spans if span.name.startswith("page")]
    assert all(name.isprintable() and len(name) < 70 for name in names)
    assert names[1:] == ["page[2]", "page[3]"]


async def test_items_of_the_file_are_filled_in() -> None:
    bench = Bench(region="eu")
    listed = get("a", "/{{ item.value }}", foreach=["{{ env.region }}", "{{ list.t }}"])
    recording = await bench.run(flow(get("list", extract={"t": "json.token"}), listed))
    assert recording.execution.outcome is Outcome.OK
    assert bench.site.called == ["list", "/eu", "/t-list"]


async def test_the_list_of_a_step_that_was_skipped_skips_the_rounds() -> None:
    bench = Bench(region="eu")
    steps = (get("list", when="{{ env.region }} == 'us'"), each(), get("last"))
    assert outcomes(await bench.run(flow(*steps))) == {"list": "skipped", "page": "skipped", "last": "ok"}
