"""Silences: what is silenced is kept and shown, told to nobody, and announced when it still fires after."""

from __future__ import annotations

import pytest

from engine.alerts.matchers import parse
from engine.errors import ConflictError, NotFoundError, StoreError, TocsinError
from engine.model import AlertState
from tests.engine.alerts.stand import Stand, config
from tests.engine.rules import build

HOUR = 3600.0
DAY = 86_400.0


async def silenced(*matchers: str, seconds: float = HOUR, **rule: object) -> Stand:
    """A stand whose only rule tells `ops`, with a silence from now on."""
    stand = Stand(config({"channels": ["ops"], **rule}))
    await stand.manager.silence(matchers, "ada", "known", stand.clock.now() + seconds)
    return stand


@pytest.mark.parametrize(
    "matcher",
    ["rule=down", "rule=do*", "subject=login", "workflow=log?n", "severity=warning", "tag=db", "rule=~d.+",
     "tag=~d(b|c)", "subject!=up", "tag!=web", "rule!~u.*", "id=1", "fingerprint=down|login"],
)  # fmt: skip
async def test_an_alert_that_meets_the_matcher_is_kept_and_told_to_nobody(matcher: str) -> None:
    stand = await silenced(matcher, tags=["db", "slow"])
    await stand.run("failed")
    assert stand.state() is AlertState.FIRING
    assert stand.tables.keys == []
    gate = stand.tables.decisions[-1].gates[-1]
    assert (gate.name, gate.passed) == ("silence", False)
    assert gate.detail.startswith("silence 1 by ada until ")
    assert gate.detail.endswith(": known")
    assert stand.manager.muted() == {1: gate.detail}


@pytest.mark.parametrize(
    "matcher",
    [
        "subject=up",
        "subject=ogin",
        "rule!=d*",
        "severity=CRITICAL",
        "tag=web",
        "rule!~d.*",
        "rule=~dow",
        "tag!=db",
        "id=2",
    ],
)
async def test_another_alert_is_told(matcher: str) -> None:
    stand = await silenced(matcher, tags=["db"])
    await stand.run("failed")
    assert stand.tables.keys == ["1:fired:ops"]
    assert stand.manager.muted() == {}


@pytest.mark.parametrize("matcher", ["rule=dwn", "rule=x*", "rule!=up"])
async def test_a_rule_that_there_is_not_cannot_be_silenced(matcher: str) -> None:
    with pytest.raises(TocsinError, match="there is no rule"):
        await silenced(matcher)


async def test_all_matchers_have_to_be_met() -> None:
    stand = await silenced("rule=down", "subject=other")
    await stand.run("failed")
    assert stand.tables.keys == ["1:fired:ops"]


async def test_what_still_fires_when_the_silence_ends_is_announced_then_and_once() -> None:
    stand = await silenced("rule=down", seconds=600)
    await stand.run("failed")
    await stand.wait(585)
    assert stand.tables.keys == []
    await stand.wait(60)
    assert stand.tables.keys == ["1:fired:ops"]
    await stand.run("ok")
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]


async def test_what_ended_in_silence_is_never_told() -> None:
    stand = await silenced("rule=down")
    await stand.run("failed")
    await stand.run("ok", after=60)
    await stand.wait(2 * HOUR, step=300)
    assert stand.tables.keys == []


async def test_the_end_of_what_was_told_before_is_told_in_silence_too() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    await stand.run("failed")
    await stand.manager.silence(["rule=down"], "ada", "known", stand.clock.now() + HOUR)
    await stand.run("ok", after=60)
    assert stand.tables.keys == ["1:fired:ops", "1:resolved:ops"]


async def test_an_escalation_in_silence_is_made_up_for() -> None:
    escalation = {"after": "5m", "severity": "CRITICAL", "channels": ["pager"]}
    stand = await silenced("rule=down", seconds=600, escalation=escalation)
    await stand.run("failed")
    await stand.wait(400)
    assert (stand.severity(), stand.tables.keys) == ("CRITICAL", [])
    await stand.wait(300)
    assert stand.tables.keys == ["1:fired:ops", "1:fired:pager"]


async def test_expiring_a_silence_announces_at_the_next_look() -> None:
    stand = await silenced("rule=down")
    await stand.run("failed")
    ended = await stand.manager.expire_silence(1, "bob")
    assert (ended.expired_by, stand.manager.silences()) == ("bob", ())
    assert stand.tables.silences[1] == ended
    await stand.tick(15)
    assert stand.tables.keys == ["1:fired:ops"]
    with pytest.raises(NotFoundError, match="no open silence 1"):
        await stand.manager.expire_silence(1, "bob")


async def test_one_that_begins_later_does_not_count_before() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    now = stand.clock.now()
    await stand.manager.silence(["rule=down"], "ada", "known", now + 2 * HOUR, now + HOUR)
    await stand.run("failed")
    assert stand.tables.keys == ["1:fired:ops"]


async def test_silences_survive_a_restart() -> None:
    stand = await silenced("rule=down", seconds=600)
    stand.restart()
    await stand.run("failed")
    assert (stand.tables.keys, [one.id for one in stand.manager.silences()]) == ([], [1])
    made = await stand.manager.silence(["subject=x"], "ada", "known", stand.clock.now() + HOUR)
    assert made.id == 2
    stand.restart()
    await stand.wait(630)
    assert stand.tables.keys == ["1:fired:ops"], "what was owed before the restart is announced after it"


async def test_a_silence_of_the_configuration_stands_until_its_end() -> None:
    until = "2100-01-01T00:00"
    silence = {"matchers": ["rule=down"], "author": "ada", "reason": "known", "until": until}
    stand = Stand(config({"channels": ["ops"]}, silences=[silence]))
    await stand.run("failed")
    assert stand.tables.keys == []
    assert [one.id for one in stand.manager.silences()] == [-1]
    with pytest.raises(ConflictError, match="configuration"):
        await stand.manager.expire_silence(-1, "bob")


async def test_a_silence_of_the_configuration_begins_when_it_says() -> None:
    silence = {"matchers": ["rule=down"], "author": "ada", "reason": "known"}
    begins = {"from": "2099-01-01T00:00", "until": "2100-01-01T00:00"}
    stand = Stand(config({"channels": ["ops"]}, silences=[silence | begins]))
    await stand.run("failed")
    assert stand.tables.keys == ["1:fired:ops"]
    assert stand.manager.muted() == {}


async def test_what_cannot_be_stored_does_not_count() -> None:
    stand = Stand(config({"channels": ["ops"]}))
    stand.tables.failing = True
    with pytest.raises(StoreError):
        await stand.manager.silence(["rule=down"], "ada", "known", stand.clock.now() + HOUR)
    stand.tables.failing = False
    await stand.run("failed")
    assert stand.tables.keys == ["1:fired:ops"]


@pytest.mark.parametrize(
    ("matchers", "author", "reason", "seconds", "words"),
    [
        ([], "ada", "known", HOUR, "1 to 50 matchers"),
        (["rule"], "ada", "known", HOUR, "is no matcher"),
        (["rul=x"], "ada", "known", HOUR, "did you mean rule"),
        (["rule=~(?=x)"], "ada", "known", HOUR, "RE2"),
        (["rule=x"], " ", "known", HOUR, "who made it"),
        (["rule=x"], "ada", "", HOUR, "who made it"),
        (["rule=x"], "ada", "known", 0.0, "ends after it begins"),
        (["rule=x"], "ada", "known", 31 * DAY, "30 d at most"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    matchers: list[str], author: str, reason: str, seconds: float, words: str
) -> None:
    stand = Stand(config({}))
    with pytest.raises(TocsinError, match=words):
        await stand.manager.silence(matchers, author, reason, stand.clock.now() + seconds)
    assert stand.manager.silences() == ()


async def test_there_is_no_unknown_silence_to_expire() -> None:
    with pytest.raises(NotFoundError):
        await Stand(config({})).manager.expire_silence(7, "bob")


def test_a_matcher_is_written_as_it_is_read() -> None:
    for text in ("rule=slow-*", "tag!=a b", "id=~1|2", "subject!~x"):
        assert str(parse(f" {text} ")) == text


async def test_row_69_expiry_across_a_jump_of_the_clock_is_exact() -> None:
    """Forward, the silence is over at the first look; back, it lasts until its own moment."""
    stand = await silenced("rule=down", seconds=HOUR)
    await stand.run("failed")
    stand.clock.jump(-HOUR / 2)
    await stand.wait(HOUR, step=60)
    assert stand.tables.keys == []
    stand.clock.jump(2 * DAY)
    await stand.tick(15)
    assert stand.tables.keys == ["1:fired:ops"]
    assert stand.clock.now() > build.START + HOUR
