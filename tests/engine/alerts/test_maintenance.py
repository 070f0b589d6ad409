"""Maintenance made at run time: it means what a window of the configuration means, and outlives a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from engine.alerts.maintenance import MAX_OPEN, MAX_PATTERNS
from engine.errors import ConflictError, NotFoundError, StoreError, TocsinError
from engine.model import MaintenanceWish, Topic
from tests.engine.alerts.stand import Stand, config

BASE = {"channels": ["ops"]}
WISH = MaintenanceWish(("*",), (), "mute", "ada", "new racks", lasting=600)


def stand(**parts: Any) -> Stand:
    """One workflow, `login`, which is called Login and has the tag `web`."""
    made = config(dict(BASE), **parts)
    (login,) = made.workflows
    return Stand(made.model_copy(update={"workflows": (login.model_copy(update={"tags": ("web",)}),)}))


async def test_nobody_is_told_while_it_is_on_and_what_still_fires_is_announced_after_it() -> None:
    place = stand()
    made = await place.manager.maintain(WISH)
    assert (made.id, made.state, made.when) == ("1", "on", "until 2023-11-14 22:23 UTC")
    await place.run("failed", after=10)
    assert place.tables.keys == []
    gate = place.tables.decisions[-1].gates[-1]
    assert (gate.name, gate.passed) == ("maintenance", False)
    assert gate.detail == "maintenance 1 by ada (until 2023-11-14 22:23 UTC, new racks)"
    assert place.manager.muted() == {1: gate.detail}
    assert place.changes[0] is Topic.ALERTS
    await place.wait(600)
    assert place.tables.keys == ["1:fired:ops"]


async def test_it_can_be_ended_early_but_once_and_never_by_a_number_that_there_is_not() -> None:
    place = stand()
    await place.manager.maintain(WISH)
    await place.run("failed", after=10)
    over = await place.manager.end_maintenance(1, "eva\x1b[31m")
    assert (over.state, over.ends_at, place.tables.maintenance[1].ended_by) == (
        "ended",
        place.clock.now(),
        "eva",
    )
    await place.tick(15)
    assert place.tables.keys == ["1:fired:ops"]
    with pytest.raises(ConflictError, match="has ended"):
        await place.manager.end_maintenance(1, "eva")
    with pytest.raises(NotFoundError, match="no open maintenance 7"):
        await place.manager.end_maintenance(7, "eva")


@pytest.mark.parametrize(
    ("workflows", "tags", "is_meant"),
    [
        (("log*",), (), True),
        (("Log?n",), (), True),
        (("*",), ("web",), True),
        (("login",), ("db", "w*"), True),
        (("*",), ("db",), False),
    ],
)
async def test_it_is_about_workflows_by_id_name_and_tag_as_the_file_has_it(
    workflows: tuple[str, ...], tags: tuple[str, ...], is_meant: bool
) -> None:
    by_hand = stand()
    await by_hand.manager.maintain(replace(WISH, workflows=workflows, tags=tags, mode="stop"))
    window = {"id": "w", "do": "stop", "workflows": workflows, "tags": tags, "from": 0, "to": "2030-01-01"}
    by_file = stand(maintenance=[window])
    for place in (by_hand, by_file):
        assert place.manager.is_stopped("login") is is_meant


async def test_only_stop_keeps_workflows_from_running_and_only_from_its_beginning() -> None:
    place = stand()
    await place.manager.maintain(WISH)
    assert not place.manager.is_stopped("login")
    later = await place.manager.maintain(replace(WISH, mode="stop", starts_at=place.clock.now() + 300))
    assert (later.state, later.when) == ("waiting", "from 2023-11-14 22:18 UTC until 2023-11-14 22:28 UTC")
    assert not place.manager.is_stopped("login")
    await place.clock.advance(300)
    assert place.manager.is_stopped("login")
    await place.clock.advance(600)
    assert not place.manager.is_stopped("login")


async def test_it_outlives_restarts_and_reloads_and_its_numbers_are_not_used_twice() -> None:
    place = stand()
    await place.manager.maintain(WISH)
    nightly = {"id": "nightly", "cron": "0 2 * * *", "duration": "1h", "reason": "backup"}
    place.restart(config(dict(BASE), maintenance=[nightly]))
    place.manager.adopt(config(dict(BASE), maintenance=[nightly]), {})
    found = place.manager.maintenance()
    assert [(one.id, one.is_standing, one.state) for one in found] == [
        ("1", False, "on"),
        ("nightly", True, "waiting"),
    ]
    await place.run("failed")
    assert place.tables.keys == []
    assert (await place.manager.maintain(WISH)).id == "2"
    await place.clock.advance(601)
    assert [one.id for one in place.manager.maintenance()] == ["nightly"]


async def test_what_cannot_be_stored_or_was_given_up_half_way_does_not_count() -> None:
    place = stand()
    place.tables.failing = True
    with pytest.raises(StoreError):
        await place.manager.maintain(WISH)
    assert place.manager.maintenance() == ()
    place.tables.failing = False
    task = asyncio.create_task(place.manager.maintain(WISH))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    known = {str(number) for number in place.tables.maintenance}
    assert {one.id for one in place.manager.maintenance()} == known, "memory and file agree"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workflows": ()}, "1 to 20 patterns"),
        ({"workflows": ("login",) * MAX_PATTERNS, "tags": ("x",)}, "1 to 20 patterns"),
        ({"tags": ("",)}, "1 to 20 patterns"),
        ({"workflows": ("logn",)}, "there is no workflow logn"),
        ({"mode": "halt"}, "no maintenance of the mode halt"),
        ({"author": " "}, "who asked for it"),
        ({"reason": ""}, "and why"),
        ({"ends_at": 5e9}, "either its end"),
        ({"lasting": None}, "either its end"),
        ({"lasting": 0}, "ends after it begins"),
        ({"lasting": float("nan")}, "ends after it begins"),
        ({"lasting": 31 * 86_400}, "30 d at most"),
        ({"lasting": None, "ends_at": 1_000.0}, "not in the past"),
    ],
)
async def test_what_cannot_be_meant_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(TocsinError, match=said):
        await stand().manager.maintain(replace(WISH, **changes))


async def test_a_workflow_that_is_nearly_named_is_suggested_and_too_many_windows_are_refused() -> None:
    place = stand()
    with pytest.raises(TocsinError) as caught:
        await place.manager.maintain(replace(WISH, workflows=("logni",)))
    assert caught.value.hint == "did you mean login?"
    for _ in range(MAX_OPEN):
        await place.manager.maintain(WISH)
    with pytest.raises(ConflictError, match="200 maintenance windows"):
        await place.manager.maintain(WISH)
