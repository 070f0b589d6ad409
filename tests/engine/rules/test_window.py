"""What a window remembers, forgets and counts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from engine.model import Attempt, Outcome
from engine.rules.tallies import MAX_AGE, MAX_ITEMS
from engine.rules.window import WorkflowWindow
from tests.engine.rules.build import START, execution, outcomes, window


def test_an_empty_window_knows_nothing() -> None:
    empty = window()
    assert (empty.latest, empty.current, empty.consecutive_failures, empty.known) == (None, None, None, False)
    assert empty.failure_rate(START, 60, 1) is None
    assert empty.count(START, 60) == 0


def test_what_rules_do_not_ask_older_ones_for_is_not_remembered() -> None:
    history = window(replace(execution(), attempts=(Attempt(1, START, 0.1, Outcome.OK),), trace_id="f" * 32))
    (kept,) = history.within(START, 60)
    assert kept == replace(execution(), attempts=(), trace_id="")


def test_failures_in_a_row_count_failed_and_error_and_end_with_degraded() -> None:
    assert outcomes("off").consecutive_failures == 2
    assert outcomes("ofe").consecutive_failures == 2
    assert outcomes("ffd").consecutive_failures == 0


def test_skipped_and_interrupted_are_no_news() -> None:
    for letter in "si":
        history = outcomes("ff" + letter)
        assert history.current is None
        assert history.latest is not None
        assert history.consecutive_failures == 2
        assert history.count(START + 10, 60) == 2


def test_news_after_a_skip_is_current_again() -> None:
    history = outcomes("fso")
    assert history.current is history.latest
    assert history.current is not None
    assert history.current.outcome is Outcome.OK


def test_hold_hides_the_present_until_a_real_execution() -> None:
    history = outcomes("fff")
    history.hold()
    assert (history.current, history.consecutive_failures) == (None, None)
    history.add(execution(Outcome.SKIPPED, at=4))
    assert history.consecutive_failures is None
    history.add(execution(Outcome.FAILED, at=5))
    assert history.consecutive_failures == 4


def test_the_failure_rate_needs_its_minimum_count() -> None:
    history = outcomes("foo")
    assert history.failure_rate(START + 2, 60, 4) is None
    assert history.failure_rate(START + 2, 60, 3) == 100 / 3


def test_the_window_slides_and_includes_its_old_end() -> None:
    history = outcomes("foof")
    assert history.share("failed", lambda one: one.outcome.is_failure, START + 3, 3) == (2, 4)
    assert history.share("failed", lambda one: one.outcome.is_failure, START + 4, 3) == (1, 3)


def test_it_keeps_at_most_two_thousand_executions() -> None:
    history = outcomes("f" + "o" * MAX_ITEMS, step=0.01)
    history.count(START + 60, 3600)
    history.add(execution(at=61))
    assert history.count(START + 61, 3600) == MAX_ITEMS
    assert history.failure_rate(START + 61, 3600, 1) == 0
    assert len(list(history.within(START + 61, 3600))) == MAX_ITEMS


def test_it_keeps_at_most_a_day() -> None:
    history = window(execution(Outcome.FAILED))
    assert history.count(START, 10 * MAX_AGE) == 1
    history.add(execution(at=MAX_AGE + 1))
    assert history.count(START + MAX_AGE + 1, 10 * MAX_AGE) == 1
    assert len(list(history.within(START + MAX_AGE + 1, 10 * MAX_AGE))) == 1


@given(st.lists(st.tuples(st.sampled_from("ofds"), st.floats(0, 50)), max_size=60), st.floats(1, 200))
def test_running_counts_equal_counting_afresh(steps: list[tuple[str, float]], span: float) -> None:
    kinds = {"o": Outcome.OK, "f": Outcome.FAILED, "d": Outcome.DEGRADED, "s": Outcome.SKIPPED}
    history, at = window(), 0.0
    for letter, gap in steps:
        at += gap
        history.add(execution(kinds[letter], at=at))
        seen = list(history.within(START + at, span))
        failed = sum(one.outcome.is_failure for one in seen)
        assert history.share("f", lambda one: one.outcome.is_failure, START + at, span) == (failed, len(seen))


def test_it_keeps_no_more_than_anybody_asks_for() -> None:
    history = WorkflowWindow(60.0)
    for at in range(0, 600, 10):
        history.add(execution(at=at))
    assert len(list(history.within(START + 590, MAX_AGE))) == 7
    assert history.latest is not None


def test_the_newest_execution_stays_whole() -> None:
    history = WorkflowWindow(0.0)
    newest = execution()
    history.add(newest)
    assert history.latest is newest
