"""What conditions remember across a reload."""

from __future__ import annotations

from typing import Any

from engine.config.schema import Rule
from engine.model import Execution, Outcome, Priority
from engine.rules.carrying import carried
from engine.rules.evaluator import Held
from engine.rules.window import WorkflowWindow

LONG = {"type": "DURATION", "metric": "workflow.duration", "operator": ">", "value": 3.0, "duration": 60}
OTHER = {**LONG, "duration": 90}
NOW = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": 3.0}


def rules(*conditions: dict[str, Any], id: str = "r") -> dict[str, Rule]:
    return {id: Rule.model_validate({"id": id, "name": id, "conditions": list(conditions)})}


def held(*paths: str, id: str = "r") -> dict[tuple[str, str, str], Held]:
    return {(id, path, "shop"): Held(float(number), certain=True) for number, path in enumerate(paths)}


def test_an_unchanged_condition_remembers() -> None:
    assert carried(held(".0", ".1"), rules(LONG, OTHER), rules(LONG, OTHER)) == held(".0", ".1")


def test_it_remembers_in_another_place_and_a_changed_one_forgets() -> None:
    memory = held(".0", ".1")
    kept = carried(memory, rules(LONG, OTHER), rules(NOW, LONG))
    assert kept == {("r", ".1", "shop"): memory["r", ".0", "shop"]}


def test_parts_of_a_group_go_with_it() -> None:
    group = {"any": [LONG, OTHER]}
    memory = held(".0.1")
    assert carried(memory, rules(group), rules(NOW, group)) == {
        ("r", ".1.1", "shop"): memory["r", ".0.1", "shop"]
    }


def test_conditions_that_are_alike_keep_their_own_places() -> None:
    assert carried(held(".0", ".1"), rules(LONG, LONG), rules(LONG, LONG)) == held(".0", ".1")


def test_a_rule_that_is_gone_forgets() -> None:
    assert carried(held(".0"), rules(LONG), rules(LONG, id="other")) == {}


def ran(at: float, outcome: Outcome = Outcome.OK) -> Execution:
    return Execution(int(at), "w", "w", Priority.NORMAL, "0" * 32, at, at, 1.0, outcome, "", None, 1)


def test_a_longer_reach_takes_in_older_executions_once() -> None:
    window = WorkflowWindow(30.0)
    for at in range(0, 200, 10):
        window.add(ran(float(at)))
    assert window.count(200.0, 1_000.0) == 4
    older = [ran(float(at)) for at in range(0, 200, 10)]
    window.adopt(1_000.0, [ran(-20.0, Outcome.SKIPPED), *older])
    assert window.count(200.0, 1_000.0) == 20
    window.add(ran(200.0))
    assert window.count(210.0, 1_000.0) == 21
    window.adopt(1_000.0, older)
    assert window.count(210.0, 1_000.0) == 21
