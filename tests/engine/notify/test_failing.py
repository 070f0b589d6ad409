from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import AlertEventKind, Notification, NotificationState
from engine.notify.failing import (
    GIVE_UP_AFTER,
    LEAST_TRIES,
    MAX_DELAY,
    Fallback,
    Refusal,
    after,
    stand_in,
    stand_ins,
)
from engine.notify.storm import StormGuard
from tests.engine.notify.bench import make_row

NOW = 1_000_000.0
QUEUED, DEAD, MOVED = NotificationState.QUEUED, NotificationState.DEAD, NotificationState.MOVED


def failed(tries: int = 1, age: float = 0.0) -> Notification:
    return replace(make_row(), tries=tries, created_at=NOW - age)


def left(row: Notification, refusal: Refusal, fallback: Fallback | None = None) -> Notification:
    return after(row, refusal, NOW, random.Random(3), fallback)


@given(
    st.integers(1, 10_000),
    st.floats(0, 10 * GIVE_UP_AFTER),
    st.booleans(),
    st.one_of(st.none(), st.floats(0, 1e9)),
    st.booleans(),
    st.one_of(st.none(), st.floats(-1e6, 1e6)),
)
def test_every_failure_has_an_end(
    tries: int, age: float, permanent: bool, wait: float | None, stands: bool, due: float | None
) -> None:
    row = replace(failed(tries, age), stands_for="x" if stands else "")
    fallback = None if due is None else Fallback("mail", NOW + due)
    result = left(row, Refusal("down", permanent, wait), fallback)
    if result.state is QUEUED:
        assert NOW + 9 <= result.next_at <= NOW + MAX_DELAY * 1.1
        assert not (age >= GIVE_UP_AFTER and tries >= LEAST_TRIES)
    elif result.state is MOVED:
        assert not stands
        assert fallback is not None
    else:
        assert tries >= LEAST_TRIES
    assert "down" in result.error


@pytest.mark.parametrize(("asked", "waits"), [(5, 10), (120, 120), (1e9, MAX_DELAY)])
def test_retry_after_is_honoured_up_to_an_hour(asked: float, waits: float) -> None:
    delay = left(failed(), Refusal("429", retry_after=asked)).next_at - NOW
    assert delay == pytest.approx(waits, rel=0.1)


def test_the_next_try_is_no_later_than_the_end_of_patience() -> None:
    row = left(failed(tries=9), Refusal("down"), Fallback("mail", NOW + 60))
    assert row.next_at == NOW + 60
    assert left(failed(tries=9), Refusal("down"), Fallback("mail", NOW)).state is MOVED


@pytest.mark.parametrize("permanent", [False, True])
def test_an_end_stays_with_whom_heard_of_the_fire(permanent: bool) -> None:
    end = replace(failed(), transition=AlertEventKind.RESOLVED)
    assert left(end, Refusal("down", permanent), Fallback("mail", NOW)).state is QUEUED


def test_a_stand_in_begins_anew_and_says_for_whom() -> None:
    row = replace(failed(tries=9, age=50), group="1/1/- g", message="m", error="down")
    copy = stand_in(row, "mail", NOW)
    assert (copy.key, copy.channel, copy.stands_for) == ("1:fired:ops>mail", "mail", "ops")
    assert (copy.tries, copy.created_at, copy.group, copy.message, copy.error) == (0, NOW, "", "", "")
    assert copy.body.endswith("(ops could not be told)")


def test_nobody_is_told_twice_by_being_a_fallback() -> None:
    moved = [failed(), replace(failed(), transition=AlertEventKind.ESCALATED)]
    known = [make_row("mail"), *moved]
    assert [row.transition for row in stand_ins(moved, "mail", known, NOW)] == [AlertEventKind.ESCALATED]


def test_so_many_messages_a_minute_leave_and_the_others_together() -> None:
    guard = StormGuard({"ops": 3, "good": 3})
    for second in (0.0, 10.0, 20.0):
        assert guard.closed_until("ops", second) is None
        guard.sent("ops", second)
    assert guard.closed_until("ops", 30.0) == 60.0
    assert guard.is_news("ops")
    assert guard.closed_until("ops", 31.0) == 60.0
    assert not guard.is_news("ops")
    assert guard.closed_until("good", 31.0) is None
    assert guard.gathers("ops")
    assert guard.closed_until("ops", 60.0) is None
    assert guard.gathers("ops"), "until what was gathered has been taken"
    guard.sent("ops", 60.5)
    assert not guard.gathers("ops")
    assert guard.closed_until("ops", 60.6) is None


def test_slowly_is_no_storm() -> None:
    guard = StormGuard({"ops": 3})
    for number in range(100):
        assert guard.closed_until("ops", 21.0 * number) is None
        guard.sent("ops", 21.0 * number)
