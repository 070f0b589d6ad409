"""Whatever a channel does, each fire it heard of is closed exactly once, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model import Alert, AlertEventKind, AlertState, Notification, NotificationState
from engine.notify.letters import message_key
from engine.notify.pairing import NEWER, OVER, TAKEN_CARE, UNHEARD, Sorting, again, sort
from tests.effort import tried
from tests.engine.notify.bench import make_alert, make_row

FIRED, RESOLVED = AlertEventKind.FIRED, AlertEventKind.RESOLVED
ESCALATED, REMINDED = AlertEventKind.ESCALATED, AlertEventKind.REMINDED
REOPENED = AlertEventKind.REOPENED
QUEUED, SENT = NotificationState.QUEUED, NotificationState.SENT
DEAD, COLLAPSED, MOVED = NotificationState.DEAD, NotificationState.COLLAPSED, NotificationState.MOVED
NOW = 1_000.0


def row(
    kind: AlertEventKind, state: NotificationState = QUEUED, message: str = "", at: float = 0
) -> Notification:
    return replace(make_row(transition=kind), state=state, message=message, next_at=at)


def result(
    *known: Notification, together: Sequence[Notification] = (), alert: Alert | None = None
) -> Sorting:
    rows = together or [each for each in known if each.state is QUEUED and not each.message]
    return sort(rows, known, {1: alert or make_alert()}, NOW)


def kinds(rows: Sequence[Notification]) -> list[AlertEventKind]:
    return [each.transition for each in rows]


def test_a_fire_alone_is_told() -> None:
    assert kinds(result(row(FIRED)).send) == [FIRED]


def test_an_end_without_history_is_told() -> None:
    assert kinds(result(row(RESOLVED)).send) == [RESOLVED]


def test_an_end_takes_what_is_unsent_with_it() -> None:
    sorting = result(row(FIRED, SENT, "m"), row(ESCALATED), row(RESOLVED))
    assert (kinds(sorting.send), kinds(sorting.settled)) == ([RESOLVED], [ESCALATED])
    assert sorting.settled[0].error == OVER


def test_a_fire_that_waits_is_called_off_by_an_end_that_is_not_due_itself() -> None:
    fire, end = row(FIRED), row(RESOLVED, at=NOW + 60)
    sorting = result(fire, end, together=[fire])
    assert (sorting.send, kinds(sorting.collapsed)) == ([], [FIRED, RESOLVED])


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (row(FIRED, DEAD), []),
        (row(FIRED, DEAD, "m"), [RESOLVED]),
        (row(FIRED, SENT, "m"), [RESOLVED]),
        (row(FIRED, COLLAPSED), []),
    ],
)
def test_an_end_is_told_to_whom_may_have_heard_of_the_fire(
    before: Notification, told: list[AlertEventKind]
) -> None:
    sorting = result(before, row(RESOLVED))
    assert kinds(sorting.send) == told
    assert [each.error for each in sorting.collapsed] == ([] if told else [UNHEARD])


def test_an_end_waits_for_a_fire_that_may_have_been_heard_and_is_told_again() -> None:
    sorting = result(row(FIRED, message="m", at=NOW + 40), row(RESOLVED))
    assert (sorting.send, sorting.settled) == ([], [])
    assert [each.next_at for each in sorting.later] == [NOW + 40]


def test_the_end_of_one_episode_is_not_that_of_the_next() -> None:
    rows = (row(FIRED, SENT, "m"), row(RESOLVED, SENT, "n"), row(REOPENED), row(RESOLVED))
    known = [replace(each, key=str(place)) for place, each in enumerate(rows)]
    assert kinds(result(*known).collapsed) == [REOPENED, RESOLVED]
    again = result(*known[:3])
    assert kinds(again.send) == [REOPENED]


def test_an_acknowledged_alert_is_not_escalated_but_its_fire_is_told() -> None:
    alert = replace(make_alert(), state=AlertState.ACKNOWLEDGED)
    sorting = result(row(FIRED), row(ESCALATED), alert=alert)
    assert (kinds(sorting.send), [each.error for each in sorting.settled]) == ([FIRED], [TAKEN_CARE])


def test_of_several_reminders_the_newest_is_told() -> None:
    reminders = [replace(row(REMINDED), key=f"r{number}") for number in range(3)]
    sorting = result(row(FIRED, SENT, "m"), *reminders)
    assert [each.key for each in sorting.send] == ["r2"]
    assert {each.error for each in sorting.settled} == {NEWER}
    assert kinds(result(row(FIRED), row(REMINDED)).send) == [FIRED]


def test_the_end_follows_the_fire_to_the_fallback() -> None:
    fire = row(FIRED, MOVED)
    stand_in = replace(
        fire, key="1:fired:ops>mail", channel="mail", stands_for="ops", state=SENT, message="m"
    )
    sorting = result(fire, stand_in, row(RESOLVED))
    assert (sorting.send, [each.state for each in sorting.settled]) == ([], [MOVED])
    (follows,) = sorting.added
    assert (follows.key, follows.channel, follows.stands_for) == ("1:resolved:ops>mail", "mail", "ops")
    again = result(fire, stand_in, row(RESOLVED), follows, together=[row(RESOLVED)])
    assert again.added == []


@dataclass
class World:
    """One channel and one alert: `heard` are the messages that arrived, each once."""

    rows: list[Notification] = field(default_factory=list)
    heard: dict[str, list[tuple[str, AlertEventKind]]] = field(default_factory=dict)
    firing: bool = False
    episode: int = 0

    def live(self) -> None:
        """The alert goes on with its life: fires, is escalated, ends, fires again."""
        if not self.firing:
            self.firing, self.episode = True, self.episode + 1
            self._add(FIRED if self.episode == 1 else REOPENED)
        else:
            self.firing = False
            self._add(RESOLVED)

    def escalate(self) -> None:
        if self.firing:
            self._add(ESCALATED)

    def send(self, arrives: bool, told: bool) -> None:
        """One attempt: whether it arrives, and whether the outbox learns what became of it."""
        frozen = next((each.message for each in self.rows if each.state is QUEUED and each.message), "")
        due = [each for each in self.rows if each.state is QUEUED and each.message == frozen]
        if due and not frozen:
            alert = replace(make_alert(), state=AlertState.FIRING if self.firing else AlertState.RESOLVED)
            sorting = sort(due, self.rows, {1: alert}, NOW)
            self._write(sorting.settled)
            due = sorting.send
        if not due:
            return
        key = message_key(due)
        if arrives:
            self.heard.setdefault(key, [(each.key, each.transition) for each in due])
        if told:
            self._write(replace(each, state=SENT, message=key) if arrives else each for each in due)
        else:
            self._write(replace(each, message=key) for each in due)

    def check(self) -> None:
        told = [item for message in self.heard.values() for item in message]
        for episode in range(1, self.episode + 1):
            mine = [kind for key, kind in told if key.startswith(f"{episode}:")]
            assert mine.count(RESOLVED) <= 1
            if RESOLVED in mine:
                assert mine[-1] is RESOLVED, "nothing is told of an episode after its end"
                assert len(mine) > 1, "an end without a beginning"
            elif mine:
                assert self.firing, "a beginning without an end"
                assert episode == self.episode

    def _add(self, kind: AlertEventKind) -> None:
        self.rows.append(replace(row(kind), key=f"{self.episode}:{kind}:{len(self.rows)}"))

    def _write(self, rows: Iterable[Notification]) -> None:
        changed = {each.key: each for each in rows}
        self.rows = [changed.get(each.key, each) for each in self.rows]


@settings(max_examples=tried(100, 600), deadline=None)
@given(st.lists(st.sampled_from(["live", "escalate", "yes", "no", "lost yes", "lost no"]), max_size=40))
def test_every_fire_that_was_heard_is_closed_once_and_nothing_else(steps: list[str]) -> None:
    world = World()
    for step in steps:
        if step in ("live", "escalate"):
            getattr(world, step)()
        else:
            world.send(arrives="yes" in step, told="lost" not in step)
    for _ in world.rows:
        world.send(arrives=True, told=True)
    world.check()
    assert all(each.state in (SENT, COLLAPSED) for each in world.rows)


def named(key: str, kind: AlertEventKind, state: NotificationState = QUEUED, **more: Any) -> Notification:
    return replace(row(kind, state), key=key, **more)


def test_that_an_alert_changes_too_often_is_no_fire_and_is_told() -> None:
    """The channel heard of it, and not of the fire."""
    flaps = row(AlertEventKind.FLAPPING, SENT, "m")
    sorting = result(flaps, row(FIRED), row(RESOLVED))
    assert (sorting.send, kinds(sorting.collapsed)) == ([], [FIRED, RESOLVED])
    sorting = result(row(FIRED), row(AlertEventKind.STEADY), row(RESOLVED))
    assert (kinds(sorting.send), kinds(sorting.collapsed)) == ([AlertEventKind.STEADY], [FIRED, RESOLVED])


def test_a_second_fire_waits_for_what_is_unsent_of_the_first() -> None:
    first = named("1", FIRED, message="1", next_at=NOW + 30)
    sorting = result(first, named("2", RESOLVED), named("3", FIRED))
    assert sorting.send == []
    assert [(each.key, each.next_at) for each in sorting.later] == [("2", NOW + 30), ("3", NOW + 30)]


def test_a_message_that_is_tried_again_does_not_overtake() -> None:
    first, end = named("1", FIRED, message="1", next_at=NOW + 30), named("2", RESOLVED, message="2")
    assert [each.next_at for each in again([end], [first, end], NOW).later] == [NOW + 30]
    assert again([first], [first, end], NOW).send == [first]
    assert again([first, end], [first, end], NOW).send == [first, end]
    heard = replace(first, state=SENT)
    assert again([end], [heard, end], NOW).send == [end]
