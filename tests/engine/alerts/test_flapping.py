"""What changes too often is told once, and once that it has stopped to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts.flapping import LOOKS, Flapping, score
from engine.config.lifecycle import FlappingSpec
from engine.model import AlertEventKind
from tests.engine.alerts.stand import Stand, config

SPEC = FlappingSpec()


def test_the_figures_are_those_of_icinga() -> None:
    """Five changes in a row are 28.5 %, not yet flapping at 30 %; six are 33.9 %."""
    assert score(0b11111) == pytest.approx(28.5)
    assert score(0b111111) == pytest.approx(33.9)
    assert score((1 << LOOKS) - 1) == pytest.approx(99.0)


@given(st.lists(st.sampled_from([True, False, None]), max_size=120))
def test_the_state_is_what_the_last_looks_make_it(results: list[bool | None]) -> None:
    flapping, seen, flaps = Flapping(), [False], False
    for result in results:
        flapping.see("a", result, SPEC)
        if result is not None:
            seen.append(result)
            changes = [new is not old for old, new in pairwise(seen)][-LOOKS:]
            percent = score(sum(bit << age for age, bit in enumerate(reversed(changes))))
            flaps = percent > (SPEC.low if flaps else SPEC.high)
    assert (flapping.gate("a") is not None) is flaps


async def test_row_64_a_target_that_flaps_every_second_is_told_of_in_few_words() -> None:
    stand = Stand(config({"channels": ["ops"], "cooldown": "0s", "flapping": True}))
    for _ in range(150):
        await stand.run("failed", after=1)
        await stand.run("ok", after=1)
    kinds = [key.split(":")[1] for key in stand.tables.keys]
    assert (kinds.count("flapping"), kinds[-1], len(kinds)) == (1, "flapping", 7)
    for _ in range(LOOKS):
        await stand.run("ok", after=1)
    assert [key.split(":")[1] for key in stand.tables.keys][len(kinds) :] == ["steady"]
    assert kinds.count("fired") == kinds.count("resolved")


async def test_one_that_still_fires_when_it_is_steady_again_is_announced_then() -> None:
    stand = Stand(config({"channels": ["ops"], "cooldown": "0s", "flapping": {}}))
    for _ in range(6):
        await stand.run("failed", after=1)
        await stand.run("ok", after=1)
    before = len(stand.tables.keys)
    for _ in range(LOOKS + 1):
        await stand.run("failed", after=1)
    assert [key.split(":")[1] for key in stand.tables.keys][before:] == ["fired", "steady"]
    assert stand.tables.decisions[-1].gates[-1].name != "flapping"


async def test_a_restart_repeats_nothing_and_forgets_no_end() -> None:
    stand = Stand(config({"channels": ["ops"], "cooldown": "0s", "flapping": True}))
    for _ in range(6):
        await stand.run("failed", after=1)
        await stand.run("ok", after=1)
    stand.restart()
    before = list(stand.tables.keys)
    await stand.run("failed", after=1)
    assert stand.tables.keys == before
    await stand.run("ok", after=1)
    for _ in range(LOOKS):
        await stand.run("ok", after=1)
    assert [key.split(":")[1] for key in stand.tables.keys[len(before) :]] == ["steady"]


async def test_nobody_looks_unless_the_rule_asks() -> None:
    stand = Stand(config({"channels": ["ops"], "cooldown": "0s"}))
    for _ in range(20):
        await stand.run("failed", after=1)
        await stand.run("ok", after=1)
    assert len(stand.tables.keys) == 40


def test_of_what_is_steady_nothing_is_kept() -> None:
    flapping = Flapping()
    for result in (True, *[False] * (LOOKS + 1)):
        flapping.see("a", result, SPEC)
    assert flapping._tracks == {}
    assert flapping.news("a") is None


def test_it_flaps_until_it_was_told_otherwise() -> None:
    flapping = Flapping()
    flapping.restore(["a"])
    assert flapping.news("a") is None
    for _ in range(LOOKS):
        flapping.see("a", False, SPEC)
    assert flapping.news("a") is AlertEventKind.STEADY
    flapping.said("a", AlertEventKind.STEADY)
    assert flapping.news("a") is None
