"""What leaves together, what never leaves, and what leaves elsewhere: through the outbox, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import ConflictError, NotFoundError
from engine.model import AlertEventKind, AlertState, Notification, NotificationState, Severity
from engine.notify.delivery import DeliveryError
from engine.notify.grouping import Pace, group_text
from engine.store import outgoing
from tests.engine.notify.bench import HOUR, Bench, make_alert, make_channel, make_row, open_bench

FIRED, RESOLVED = AlertEventKind.FIRED, AlertEventKind.RESOLVED
ESCALATED, REMINDED = AlertEventKind.ESCALATED, AlertEventKind.REMINDED
SENT, DEAD = NotificationState.SENT, NotificationState.DEAD
COLLAPSED, MOVED = NotificationState.COLLAPSED, NotificationState.MOVED
GROUP = group_text("route 1; rule=r", Pace(30, 300, 3600))
REFUSED = DeliveryError("connection refused", refused=True)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Bench]:
    """Two channels, the second of which is told when the first keeps failing for ten minutes."""
    channels = {"ops": make_channel("ops", fallback="mail"), "mail": make_channel("mail")}
    async with open_bench(tmp_path / "t.db", configured=channels) as bench:
        yield bench


def grouped(alert_id: int, transition: AlertEventKind = FIRED) -> Notification:
    return replace(make_row("ops", alert_id, transition), group=GROUP)


async def fire(bench: Bench, *alert_ids: int) -> None:
    await bench.store.writer.must(*map(make_alert, alert_ids))
    await bench.queue(*map(grouped, alert_ids))
    await bench.idle()


async def told(bench: Bench) -> list[list[str]]:
    return [[row.key for row in message.rows] for message in bench.sender.messages]


async def state(bench: Bench, key: str) -> NotificationState:
    return (await bench.row(key)).state


async def test_what_fires_within_the_wait_leaves_as_one_message_with_a_receipt_each(bench: Bench) -> None:
    await fire(bench, 1)
    await bench.until(20)
    await fire(bench, 2)
    await bench.until(9)
    assert bench.sender.messages == []
    await bench.until(2, 1)
    assert await told(bench) == [["1:fired:ops", "2:fired:ops"]]
    message = bench.sender.messages[0]
    assert message.title.startswith("[ERROR] 2 alerts")
    for key in ("1:fired:ops", "2:fired:ops"):
        row = await bench.row(key)
        assert (row.state, row.tries, row.message) == (SENT, 1, message.key)


async def test_a_group_that_changes_waits_for_its_next_look(bench: Bench) -> None:
    await fire(bench, 1)
    await bench.until(31, 1)
    await fire(bench, 2)
    await bench.until(290)
    assert len(bench.sender.messages) == 1
    await bench.until(12, 1)
    assert await told(bench) == [["1:fired:ops"], ["2:fired:ops"]]


async def test_other_groups_and_channels_wait_for_themselves(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "t.db", "ops", "good") as bench:
        other = replace(grouped(3), group=group_text("route 2", Pace(5, 300, None)))
        await bench.queue(grouped(1), replace(make_row("good", 1), group=GROUP), other, make_row("good", 9))
        await bench.idle()
        assert await told(bench) == [["9:fired:good"]]
        await bench.until(6, 1)
        assert (await told(bench))[1:] == [["3:fired:ops"]]
        await bench.until(26, 1)
        assert sorted((await told(bench))[2:]) == [["1:fired:good"], ["1:fired:ops"]]


async def test_who_is_told_again_of_a_group_that_did_not_change(bench: Bench) -> None:
    await fire(bench, 1, 2, 3)
    await bench.until(31, 1)
    acknowledged = replace(make_alert(2), state=AlertState.ACKNOWLEDGED)
    ended = replace(make_alert(3), state=AlertState.RESOLVED)
    await bench.store.writer.must(acknowledged, ended)
    await bench.until(HOUR - 60, 60)
    assert len(bench.sender.messages) == 1
    await bench.until(400, 20)
    (reminder,) = bench.sender.messages[1].rows
    assert (reminder.alert_id, reminder.transition) == (1, REMINDED)
    await bench.until(HOUR - 400, 60)
    assert len(bench.sender.messages) == 2
    await bench.until(700, 20)
    assert len(bench.sender.messages) == 3


async def test_a_restart_reminds_of_what_was_told_before(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "t.db") as first:
        await fire(first, 1)
        await first.until(31, 1)
        assert len(first.sender.messages) == 1
    async with open_bench(tmp_path / "t.db") as second:
        await second.until(HOUR + 400, 60)
        assert [row.transition for row in second.sender.messages[0].rows] == [REMINDED]


async def test_what_is_over_before_it_was_told_is_never_told(bench: Bench) -> None:
    await fire(bench, 1, 2)
    await bench.queue(grouped(1, ESCALATED), grouped(1, RESOLVED))
    await bench.until(31, 1)
    assert await told(bench) == [["2:fired:ops"]]
    for kind in (FIRED, ESCALATED, RESOLVED):
        assert await state(bench, f"1:{kind}:ops") is COLLAPSED
    decisions = (await bench.store.reader.alert(1)).decisions
    assert {(gate.name, gate.passed) for it in decisions for gate in it.gates} == {("collapsed", False)}
    assert decisions[0].gates[0].detail == "fired to ops: it was over before it was told"
    assert await bench.store.reader.pending_notifications() == (0, 0, None)


async def test_an_outage_that_certainly_reached_nobody_collapses(bench: Bench) -> None:
    await bench.store.writer.must(make_alert())
    bench.sender.faults["ops"] = REFUSED
    await bench.queue(make_row())
    await bench.until(100)
    await bench.queue(make_row(transition=RESOLVED))
    await bench.idle()
    bench.sender.faults.clear()
    await bench.until(HOUR, 60)
    assert bench.sender.messages == []
    assert {row.state for row in await bench.store.reader.notifications()} == {COLLAPSED}


async def test_a_fire_that_may_have_arrived_is_told_and_closed(bench: Bench) -> None:
    await bench.store.writer.must(make_alert())
    bench.sender.refused["ops"] = "no answer within 20 s"
    await bench.queue(make_row())
    await bench.idle()
    bench.sender.refused.clear()
    bench.sender.faults["ops"] = REFUSED
    await bench.until(100)
    await bench.queue(make_row(transition=RESOLVED))
    await bench.idle()
    bench.sender.faults.clear()
    await bench.until(HOUR, 60)
    assert await told(bench) == [["1:fired:ops"], ["1:resolved:ops"]]


async def test_a_message_that_may_have_arrived_is_sent_again_as_it_was(bench: Bench) -> None:
    await fire(bench, 1, 2)
    bench.sender.refused["ops"] = "no answer within 20 s"
    await bench.until(31, 1)
    (first,) = {row.message for row in await bench.store.reader.notifications()}
    await fire(bench, 3)
    bench.sender.refused.clear()
    await bench.until(400, 10)
    assert await told(bench) == [["1:fired:ops", "2:fired:ops"], ["3:fired:ops"]]
    assert bench.sender.messages[0].key == first


async def test_who_is_acknowledged_by_then_is_not_escalated_but_his_fire_is_told(bench: Bench) -> None:
    await bench.store.writer.must(replace(make_alert(), state=AlertState.ACKNOWLEDGED))
    bench.sender.faults["ops"] = REFUSED
    await bench.queue(make_row(), make_row(transition=ESCALATED))
    await bench.idle()
    bench.sender.faults.clear()
    await bench.until(60)
    assert await told(bench) == [["1:fired:ops"]]
    assert (await bench.row("1:escalated:ops")).error == "somebody had acknowledged it before it was told"


async def test_a_storm_leaves_as_one_message_when_the_minute_is_over(tmp_path: Path) -> None:
    channels = {"ops": make_channel("ops", rate_limit=5)}
    async with open_bench(tmp_path / "t.db", configured=channels) as bench:
        await bench.store.writer.must(*(make_alert(number) for number in range(1, 41)))
        await bench.queue(*(make_row("ops", number) for number in range(1, 31)))
        await bench.idle()
        assert len(bench.sender.messages) == 5
        waiting = await outgoing.one(bench.store.reader.pool, "20:fired:ops")
        assert (waiting.error, waiting.tries) == ("more than 5 messages a minute, it leaves with others", 0)
        await bench.until(30)
        await bench.queue(*(make_row("ops", number) for number in range(31, 41)))
        await bench.queue(make_row("ops", 7, RESOLVED))
        await bench.until(29, 1)
        assert len(bench.sender.messages) == 5
        await bench.until(3, 1)
        assert [len(message.rows) for message in bench.sender.messages] == [1] * 5 + [34]
        assert await state(bench, "7:fired:ops") is COLLAPSED
        last = bench.sender.messages[-1]
        assert last.title.startswith("[ERROR] 34 alerts")
        gates = [gate for it in (await bench.store.reader.alert(20)).decisions for gate in it.gates]
        assert [(gate.name, gate.passed) for gate in gates] == [("storm:ops", False)]
        assert gates[0].detail.startswith("more than 5 messages a minute")
        assert [log.message for log in bench.logs] == [
            "more than 5 messages a minute to ops: the others leave as one"
        ]
        await bench.queue(make_row("ops", 50))
        await bench.idle()
        assert bench.sender.taken[-1] == "50:fired:ops", "the storm is over"


async def test_a_message_refused_for_good_is_told_row_by_row(bench: Bench) -> None:
    await fire(bench, 1, 2)
    bench.sender.faults["ops"] = DeliveryError("413", permanent=True)
    await bench.until(31, 1)
    bench.sender.faults.clear()
    await bench.until(60)
    assert sorted(bench.sender.taken) == ["1:fired:ops", "2:fired:ops"]


async def test_what_is_refused_for_good_is_given_up_at_the_third_try(bench: Bench) -> None:
    bench.sender.faults["ops"] = DeliveryError("404 Not Found", permanent=True)
    await bench.queue(make_row())
    await bench.until(60)
    row = await bench.row("1:fired:ops")
    assert (row.state, row.tries, row.error) == (DEAD, 3, "404 Not Found")
    assert bench.outbox.recent_deaths == 1


async def test_a_channel_that_asks_to_be_left_alone_is(bench: Bench) -> None:
    bench.sender.faults["ops"] = DeliveryError("429", retry_after=120, refused=True)
    await bench.queue(make_row())
    await bench.idle()
    bench.sender.faults.clear()
    await bench.queue(make_row("ops", 2))
    await bench.until(118)
    assert bench.sender.tried.qsize() == 1
    await bench.until(4, 1)
    assert sorted(bench.sender.taken) == ["1:fired:ops", "2:fired:ops"]


async def test_who_keeps_failing_hands_on_and_the_end_follows(pair: Bench) -> None:
    await pair.store.writer.must(make_alert())
    pair.sender.faults["ops"] = REFUSED
    await pair.queue(make_row())
    await pair.until(595)
    assert pair.sender.messages == []
    await pair.until(20, 5)
    assert await told(pair) == [["1:fired:ops>mail"]]
    stand_in = pair.sender.messages[0].rows[0]
    assert (stand_in.channel, stand_in.stands_for) == ("mail", "ops")
    assert (await pair.row("1:fired:ops")).error == "handed on to mail: connection refused"
    assert await pair.store.reader.announced(1) == {"ops"}
    pair.sender.faults.clear()
    await pair.queue(make_row(transition=RESOLVED))
    await pair.idle()
    await pair.idle()
    assert await told(pair) == [["1:fired:ops>mail"], ["1:resolved:ops>mail"]]
    assert await state(pair, "1:resolved:ops") is MOVED
    assert "handed 1 message on to mail" in pair.logs[0].message


async def test_an_end_goes_to_both_when_both_may_have_heard(pair: Bench) -> None:
    await pair.store.writer.must(make_alert())
    pair.sender.refused["ops"] = "no answer within 20 s"
    await pair.queue(make_row())
    await pair.until(620, 5)
    pair.sender.refused.clear()
    await pair.queue(make_row(transition=RESOLVED))
    await pair.until(30)
    assert sorted(pair.sender.taken) == ["1:fired:ops>mail", "1:resolved:ops", "1:resolved:ops>mail"]


async def test_an_end_waits_for_the_channel_that_heard_of_the_fire(pair: Bench) -> None:
    await pair.store.writer.must(make_alert())
    await pair.queue(make_row())
    await pair.idle()
    pair.sender.faults["ops"] = REFUSED
    await pair.queue(make_row(transition=RESOLVED))
    await pair.until(HOUR, 60)
    assert await told(pair) == [["1:fired:ops"]]
    pair.sender.faults.clear()
    await pair.until(HOUR, 60)
    assert await told(pair) == [["1:fired:ops"], ["1:resolved:ops"]]


async def test_what_is_refused_for_good_is_handed_on_at_once_and_only_once(pair: Bench) -> None:
    pair.sender.faults |= dict.fromkeys(("ops", "mail"), DeliveryError("401", permanent=True))
    await pair.queue(make_row())
    await pair.until(90)
    rows = {row.key: row for row in await pair.store.reader.notifications()}
    assert {key: row.state for key, row in rows.items()} == {"1:fired:ops": MOVED, "1:fired:ops>mail": DEAD}
    assert rows["1:fired:ops"].tries == 1


async def test_who_is_told_anyway_is_no_stand_in(pair: Bench) -> None:
    pair.sender.faults["ops"] = DeliveryError("401", permanent=True)
    await pair.store.writer.must(make_alert())
    await pair.queue(make_row("mail"), make_row("ops"))
    await pair.idle()
    await pair.queue(make_row("mail", 1, RESOLVED), make_row("ops", 1, RESOLVED))
    await pair.idle()
    assert pair.sender.taken == ["1:fired:mail", "1:resolved:mail"]
    assert await state(pair, "1:resolved:ops") is MOVED


async def test_a_dead_letter_is_retried_by_hand(bench: Bench) -> None:
    await bench.store.writer.must(make_alert(), replace(make_row(), state=DEAD, tries=9))
    await bench.outbox.retry("1:fired:ops")
    await bench.idle()
    assert bench.sender.taken == ["1:fired:ops"]
    with pytest.raises(ConflictError, match="is sent"):
        await bench.outbox.retry("1:fired:ops")
    with pytest.raises(NotFoundError):
        await bench.outbox.retry("nothing")


async def test_a_dead_letter_of_an_alert_that_has_ended_is_not_retried(bench: Bench) -> None:
    ended = replace(make_alert(), state=AlertState.RESOLVED)
    dead = (replace(make_row(transition=kind), state=DEAD) for kind in (FIRED, RESOLVED))
    await bench.store.writer.must(ended, *dead)
    with pytest.raises(ConflictError, match="alert 1 has ended"):
        await bench.outbox.retry("1:fired:ops")
    assert (await bench.outbox.retry("1:resolved:ops")).tries == 0


async def test_when_the_clock_is_set_back_nothing_waits_for_it(bench: Bench) -> None:
    bench.sender.faults["ops"] = REFUSED
    await bench.queue(make_row())
    await bench.until(100)
    bench.sender.faults.clear()
    bench.clock.jump(-10 * HOUR)
    await bench.until(15)
    assert await state(bench, "1:fired:ops") is SENT


async def test_channels_adopted_while_running_are_used(bench: Bench) -> None:
    bench.outbox.adopt({"new": make_channel("new"), "ops": make_channel("ops", rate_limit=1)})
    await bench.queue(make_row("new"), make_row("good"), make_row("ops", 1), make_row("ops", 2))
    await bench.idle()
    assert sorted(bench.sender.taken) == ["1:fired:new", "1:fired:ops"]
    assert await state(bench, "1:fired:good") is DEAD


async def test_what_waits_for_a_removed_channel_is_given_up_at_once_and_says_why(
    bench: Bench,
) -> None:
    bench.sender.faults["ops"] = REFUSED
    await bench.queue(make_row("ops", 1))
    await bench.until(120)
    await bench.queue(grouped(2))
    await bench.idle()
    left = await bench.store.reader.due_notifications(float("inf"), 10)
    assert {row.key for row in left if row.next_at > bench.clock.now()} == {"1:fired:ops", "2:fired:ops"}
    bench.outbox.adopt({"other": make_channel("other")})
    await bench.until(1)
    for key in ("1:fired:ops", "2:fired:ops"):
        row = await bench.row(key)
        assert (row.state, row.error) == (DEAD, "its channel is no longer configured")
    assert bench.outbox.recent_deaths == 2
    assert bench.logs[-1].message.endswith("its channel is no longer configured")


async def test_a_send_that_fails_after_its_channel_was_removed_is_not_tried_again(bench: Bench) -> None:
    bench.sender.gates["ops"] = asyncio.Event()
    bench.sender.faults["ops"] = REFUSED
    await bench.queue(make_row("ops", 1))
    await bench.sender.tried.get()
    bench.outbox.adopt({})
    bench.sender.gates["ops"].set()
    await bench.idle()
    row = await bench.row("1:fired:ops")
    assert (row.state, row.tries, row.error) == (DEAD, 1, "its channel is no longer configured")


async def test_one_message_a_minute_is_not_called_messages(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "t.db", configured={"ops": make_channel(rate_limit=1)}) as bench:
        await bench.queue(make_row("ops", 1), make_row("ops", 2))
        await bench.idle()
        assert [log.message for log in bench.logs] == [
            "more than 1 message a minute to ops: the others leave as one"
        ]


async def test_one_severity_is_enough_for_a_title(bench: Bench) -> None:
    row = replace(grouped(1), severity=Severity.CRITICAL)
    await bench.queue(row, grouped(2))
    await bench.until(31, 1)
    assert bench.sender.messages[0].title.startswith("[CRITICAL] 2 alerts")
