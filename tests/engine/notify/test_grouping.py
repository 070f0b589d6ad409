from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import AlertEventKind, Notification
from engine.notify.grouping import SWEEP_INTERVAL, Groups, Pace, group_text, pace_of
from tests.engine.notify.bench import make_row

PACE = Pace(30, 300, 3600)
GROUP = group_text("g", PACE)
KEY = ("ops", GROUP)
START = 1_000.0


def fire(alert_id: int = 1, at: float = START) -> Notification:
    return replace(make_row("ops", alert_id), group=GROUP, created_at=at)


def end(alert_id: int = 1, at: float = START) -> Notification:
    return replace(fire(alert_id, at), transition=AlertEventKind.RESOLVED)


def tell(groups: Groups, at: float, *rows: Notification) -> None:
    groups.looked(*KEY, at)
    groups.told(rows, at)


@given(
    st.floats(0.001, 1e6),
    st.floats(0.001, 1e6),
    st.one_of(st.none(), st.floats(0.001, 1e6)),
    st.text(max_size=400),
)
def test_a_group_carries_its_pace(wait: float, interval: float, repeat: float | None, key: str) -> None:
    found = pace_of(group_text(key, Pace(wait, interval, repeat)))
    assert found.wait == pytest.approx(wait, rel=1e-5)
    assert found.interval == pytest.approx(interval, rel=1e-5)
    assert found.repeat == (None if repeat is None else pytest.approx(repeat, rel=1e-5))


def test_long_keys_differ_where_they_were_cut() -> None:
    assert group_text("x" * 300 + "a", PACE) != group_text("x" * 300 + "b", PACE)
    assert len(group_text("x" * 9_000, PACE)) < 260


def test_the_first_waits_and_the_next_join_it() -> None:
    groups = Groups(START)
    assert groups.arrives(fire(), START) == START + 30
    assert groups.arrives(fire(2, START + 29), START + 29) == START + 30


def test_what_fired_before_the_wait_began_to_count_does_not_wait() -> None:
    assert Groups(START).arrives(fire(at=START - 60), START) == START


def test_after_a_look_the_next_one_is_an_interval_later_however_many_were_not_made() -> None:
    groups = Groups(START)
    groups.arrives(fire(), START)
    tell(groups, START + 30, fire())
    assert groups.arrives(fire(2), START + 31) == START + 330
    tell(groups, START + 330, fire(2))
    assert groups.arrives(fire(3), START + 1_000) == START + 1_230
    assert groups.arrives(fire(4), START + 1_230) == START + 1_230


def test_an_empty_group_is_forgotten_at_the_next_sweep_and_not_before() -> None:
    groups = Groups(START)
    groups.arrives(fire(), START)
    tell(groups, START + 30, fire())
    tell(groups, START + 330, end())
    assert groups.arrives(fire(2, START + 359), START + 359) == START + 630, "before the sweep"
    tell(groups, START + 630, fire(2))
    tell(groups, START + 930, end(2))
    assert groups.arrives(fire(3, START + 961), START + 961) == START + 991, "after it"


def test_groups_come_and_go_without_leaving_anything_behind() -> None:
    groups = Groups(START)
    for number in range(100):
        group = group_text(str(number), PACE)
        groups.arrives(replace(fire(), group=group), START)
        groups.looked("ops", group, START + 1)
    assert len(groups) == 100
    groups.arrives(fire(), START + 2 * SWEEP_INTERVAL)
    assert len(groups) == 1


def test_reminders_come_at_the_first_look_later_than_repeat() -> None:
    groups = Groups(START)
    groups.arrives(fire(), START)
    assert groups.next_reminder() == math.inf
    tell(groups, START + 30, fire(), fire(2))
    assert groups.next_reminder() == START + 30 + 3_900, "at 3,600 it is not later"
    assert list(groups.reminders(START + 3_929)) == []
    assert list(groups.reminders(START + 3_930)) == [("ops", GROUP, (1, 2))]
    assert list(groups.reminders(START + 3_930)) == []
    assert groups.next_reminder() == START + 3_930 + 3_900


def test_a_change_counts_as_a_reminder_and_what_waits_goes_first() -> None:
    groups = Groups(START)
    groups.arrives(fire(), START)
    tell(groups, START + 30, fire())
    groups.arrives(fire(2), START + 3_700)
    assert groups.next_reminder() == math.inf
    tell(groups, START + 3_930, fire(2))
    assert groups.next_reminder() == START + 3_930 + 3_900


def test_a_look_that_found_nothing_to_tell_may_be_a_reminders() -> None:
    groups = Groups(START)
    groups.arrives(fire(), START)
    tell(groups, START + 30, fire())
    groups.arrives(fire(2), START + 3_700)
    groups.looked(*KEY, START + 3_930)
    assert list(groups.reminders(START + 3_930)) == []
    groups.had_nothing(*KEY, START + 3_930)
    assert list(groups.reminders(START + 3_930)) == [("ops", GROUP, (1,))]


def test_who_has_ended_is_not_reminded_of_and_without_repeat_nobody_is() -> None:
    groups = Groups(START)
    groups.arrives(fire(), START)
    tell(groups, START + 30, fire(), fire(2))
    tell(groups, START + 330, end(2))
    groups.gone(*KEY, [1], START + 400)
    assert groups.next_reminder() == math.inf
    never = group_text("g", Pace(30, 300, None))
    groups.restore("ops", never, 1, START, START)
    assert groups.next_reminder() == math.inf


def test_a_restart_goes_on_from_what_was_told() -> None:
    groups = Groups(START)
    groups.restore("ops", GROUP, 7, START - 3_700, START)
    assert groups.next_reminder() == START + 30


def test_a_clock_that_is_set_moves_everything_with_it() -> None:
    groups = Groups(START)
    groups.arrives(fire(), START)
    tell(groups, START + 30, fire())
    before = groups.next_reminder()
    groups.shift(-500)
    assert groups.next_reminder() == before - 500
    assert groups.arrives(fire(2), START - 400) == START - 170
