from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from engine.clock import VirtualClock
from engine.config.types import parse_loopback
from engine.model import ErrorType, Heartbeat, Signal
from engine.workflows.heartbeats import Every, Heartbeats, key_of, state_of
from engine.workflows.steps import heartbeat
from engine.workflows.steps.base import CheckError, StepContext
from engine.workflows.steps.heartbeat import HEARTBEAT_FIELDS, HeartbeatSpec, HeartbeatStep, due_of
from tests.engine.workflows.examples import example_of

TOKEN = "0123456789abcdef"
HOUR, GRACE = 3600.0, 300.0
CONTEXT = StepContext("", 1.0)


def state(now: float, **known: Any) -> tuple[str, str]:
    found = state_of(Heartbeat("k", 0.0, **known), Every(HOUR), GRACE, now)
    return found.status, found.wrong


def test_the_example_is_a_step() -> None:
    assert example_of(heartbeat).kind == "heartbeat"


@pytest.mark.parametrize(
    ("now", "known", "status", "wrong"),
    [
        (3900, {}, "new", ""),
        (3901, {}, "late", "was never heard, waited for since 1 h 05 m"),
        (100 + 3900, {"succeeded_at": 100.0}, "up", ""),
        (100 + 3901, {"succeeded_at": 100.0}, "late", "last succeeded 1 h 05 m ago and is 5 m 01 s overdue"),
        (90_000, {"succeeded_at": 100.0}, "late", "last succeeded 1 d ago and is 23 h 58 m overdue"),
        (160, {"succeeded_at": 50.0, "failed_at": 100.0}, "failed", "said 1 m ago that it failed"),
        (
            160,
            {"failed_at": 100.0, "exit_code": 3, "note": "disk\n\x1b[31mfull"},
            "failed",
            "said 1 m ago that it failed with exit code 3: disk⏎full",
        ),
        (160, {"failed_at": 100.0, "succeeded_at": 150.0}, "up", ""),
        (400, {"started_at": 100.0}, "running", ""),
        (401, {"started_at": 100.0}, "late", "started 5 m 01 s ago and has not ended within 5 m"),
        (400, {"started_at": 100.0, "succeeded_at": 200.0}, "up", ""),
        (150, {"started_at": 140.0, "failed_at": 100.0}, "failed", "said 50 s ago that it failed"),
        (4200, {"started_at": 4100.0, "succeeded_at": 100.0}, "running", ""),
    ],
)
def test_what_signals_mean(now: float, known: dict[str, Any], status: str, wrong: str) -> None:
    assert state(now, **known) == (status, wrong)


def test_a_clock_that_went_back_is_no_trouble() -> None:
    assert state(50, succeeded_at=100.0) == ("up", "")
    assert state(50, failed_at=100.0) == ("failed", "said 0 s ago that it failed")


def test_cron_says_when_a_success_is_due_also_when_clocks_change() -> None:
    spec = HeartbeatSpec(token=TOKEN, cron="30 2 * * *", timezone="Europe/Berlin", grace=600.0)
    due = due_of(spec)
    # The night to 29 March 2026 has no 02:30.
    last = datetime(2026, 3, 28, 1, 31, tzinfo=UTC).timestamp()
    beat = Heartbeat("k", 0.0, succeeded_at=last)
    next_at = state_of(beat, due, spec.grace, last).next_at
    assert next_at is not None
    night = datetime(2026, 3, 29, tzinfo=UTC).timestamp()
    assert night < next_at < night + 2 * HOUR
    assert state_of(beat, due, spec.grace, next_at + 600).status == "up"
    assert state_of(beat, due, spec.grace, next_at + 601).status == "late"


def test_the_book_keeps_the_newest_of_each_signal() -> None:
    book = Heartbeats({TOKEN: "backup"}, now=10.0)
    assert [beat.key for beat in book.fresh] == [key_of(TOKEN)]
    assert TOKEN not in key_of(TOKEN)
    assert book.workflow_of(TOKEN) == "backup"
    assert book.workflow_of("another-token-000") is None
    book.keep(book.heard(TOKEN, Signal.START, 100.0))
    done = book.heard(TOKEN, Signal.SUCCESS, 160.0, b"all \xff\x1b[2Jwell", 0)
    assert (done.succeeded_at, done.run, done.exit_code, done.note) == (160.0, 60.0, 0, "all \ufffdwell")
    book.keep(done)
    assert book.heard(TOKEN, Signal.LOG, 170.0, b"more") == done
    again = book.heard(TOKEN, Signal.FAIL, 200.0)
    assert (again.failed_at, again.run, again.exit_code, again.note) == (200.0, None, None, "")


def test_what_the_store_remembers_is_not_fresh() -> None:
    known = Heartbeat(key_of(TOKEN), 5.0, succeeded_at=7.0)
    book = Heartbeats({TOKEN: "backup"}, [known, replace(known, key="gone")], now=10.0)
    assert book.fresh == ()
    assert book.find(TOKEN) == known


def test_a_note_has_a_limit() -> None:
    book = Heartbeats({TOKEN: "backup"})
    assert len(book.heard(TOKEN, Signal.FAIL, 1.0, b"x" * 50_000).note) < 10_100


async def test_the_step_says_what_it_found() -> None:
    clock = VirtualClock()
    book = Heartbeats({TOKEN: "backup"}, now=clock.now())
    step = HeartbeatStep(clock, book)
    spec = HeartbeatSpec(token=TOKEN, period=HOUR, grace=GRACE)
    new = await step.run(spec, CONTEXT)
    assert new.fields.keys() == HEARTBEAT_FIELDS
    assert (new.fields["status"], new.fields["age"], new.failure) == ("new", None, None)
    book.keep(book.heard(TOKEN, Signal.SUCCESS, clock.now(), b"42 files", 0))
    await clock.advance(60)
    well = await step.run(spec, CONTEXT)
    assert (well.fields["status"], well.fields["age"], well.fields["note"]) == ("up", 60.0, "42 files")
    await clock.advance(HOUR + GRACE)
    late = await step.run(spec, CONTEXT)
    assert late.fields["status"] == "late"
    assert late.fields["overdue"] == 360.0
    assert late.failure is not None
    assert late.failure.message == "the job last succeeded 1 h 06 m ago and is 6 m overdue"
    assert late.failure.type is ErrorType.PERMANENT
    assert step.target(spec) == ""


async def test_a_token_nobody_listens_for_is_the_checks_own_fault() -> None:
    with pytest.raises(CheckError, match="nobody listens"):
        await HeartbeatStep(VirtualClock()).run(HeartbeatSpec(token=TOKEN, period=HOUR), CONTEXT)


@pytest.mark.parametrize(
    "spec",
    [
        {"token": "short", "period": "1h"},
        {"token": "with/slash-0123456789", "period": "1h"},
        {"token": TOKEN},
        {"token": TOKEN, "period": "1h", "cron": "* * * * *"},
        {"token": TOKEN, "period": "1h", "timezone": "UTC"},
        {"token": TOKEN, "cron": "61 * * * *"},
        {"token": TOKEN, "cron": "0 3 * * *", "timezone": "Mars/Olympus"},
    ],
)
def test_what_makes_no_sense_is_refused_when_read(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HeartbeatSpec.model_validate(spec)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "0.0.0.0:80", "10.0.0.1:80", "localhost:80", "127.0.0.1:99999", ":1"]
)
def test_jobs_are_heard_on_this_machine_alone(text: str) -> None:
    with pytest.raises(ValueError, match="this machine alone"):
        parse_loopback(text)


def test_loopback_addresses_of_both_kinds() -> None:
    assert parse_loopback("127.0.0.1:0") == ("127.0.0.1", 0)
    assert parse_loopback("[::1]:8779") == ("::1", 8779)
