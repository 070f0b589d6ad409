"""Rules about rules: their language, their order, and what they see of each other."""

from __future__ import annotations

import pytest

from engine.rules.composite import in_order, parse_rules
from engine.rules.evaluator import evaluate
from engine.rules.metrics import Facts
from engine.rules.scope import own_subject
from engine.rules.witness import Witness
from tests.engine.rules.build import START, outcomes, rule

FAILED = {"type": "THRESHOLD", "metric": "workflow.status", "operator": "==", "value": "failed"}


@pytest.mark.parametrize(
    ("text", "states", "expected"),
    [
        ("a", {"a": True}, True),
        ("a and not b", {"a": True, "b": False}, True),
        ("a and not b", {"a": True, "b": None}, None),
        ("a and b", {"a": False, "b": None}, False),
        ("a or b and c", {"a": False, "b": True, "c": False}, False),
        ("(a or b) and c", {"a": True, "b": False, "c": True}, True),
        ("NOT a OR b", {"a": True, "b": None}, None),
        ("not not a-b.c", {"a-b.c": True}, True),
    ],
)
def test_logic(text: str, states: dict[str, bool | None], expected: bool | None) -> None:
    assert parse_rules(text).state(states.__getitem__) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a and", "expected at the end"),
        ("and a", "expected before `and`"),
        ("a b", "`b` is not expected"),
        ("(a", "not closed"),
        ("a & b", "`&` cannot stand"),
        ("(" * 20 + "a" + ")" * 20, "deep"),
        ("not " * 40 + "a", "deep"),
        ("", "expected at the end"),
    ],
)
def test_refused_with_a_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,200}$") as raised:
        parse_rules(text)
    assert says in str(raised.value)


def composite(name: str, rules: str) -> dict[str, object]:
    return {"id": name, "conditions": [{"type": "COMPOSITE", "rules": rules}]}


def test_rules_come_after_those_that_they_look_at() -> None:
    rules = [rule(**composite("a", "b and c")), rule(**composite("b", "c")), rule(FAILED, id="c")]
    assert [each.id for each in in_order({each.id: each for each in rules})] == ["c", "b", "a"]


def test_a_circle_is_refused() -> None:
    rules = [rule(**composite("a", "b")), rule(**composite("b", "c")), rule(**composite("c", "not a"))]
    with pytest.raises(ValueError, match="in a circle: a → b → c → a"):
        in_order({each.id: each for each in rules})
    chain = [rule(**composite(f"r{number}", f"r{number + 1}")) for number in range(60)]
    with pytest.raises(ValueError, match="more than 50 others"):
        in_order({each.id: each for each in chain})


class TestStates:
    def setup_method(self) -> None:
        self.active: set[tuple[str, str]] = set()
        down = rule(FAILED, id="down")
        sick = rule({"type": "THRESHOLD", "metric": "health.score", "operator": "<", "value": 50}, id="sick")
        self.rules = {
            "down": down,
            "sick": sick,
            "same": rule(**composite("same", "down and not sick")),
            "any": rule(id="any", conditions=[{"type": "COMPOSITE", "rules": "down", "subject": "any"}]),
        }
        self.witness = Witness(self.rules.values(), lambda name, subject: (name, subject) in self.active)

    def see(self, name: str, subject: str = "login") -> bool | None:
        facts = Facts(subject, outcomes("o"), witness=self.witness)
        return evaluate(self.rules[name], facts, START, {}).result

    def test_unknown_until_they_were_looked_at(self) -> None:
        assert self.see("same") is None
        self.witness.note("down", "login", False)
        assert self.see("same") is False

    def test_an_alert_counts_and_a_pending_one_does_not(self) -> None:
        self.witness.note("down", "login", True)
        self.witness.note("sick", "system", False)
        assert self.see("same") is False
        self.active.add(("down", "login"))
        assert self.see("same") is True
        self.active.add(("sick", "system"))
        assert self.see("same") is False

    def test_the_same_subject_or_any(self) -> None:
        for subject in ("login", "shop"):
            self.witness.note("down", subject, subject == "shop")
        self.active.add(("down", "shop"))
        self.witness.note("sick", "system", False)
        assert (self.see("same"), self.see("same", "shop"), self.see("any", "system")) == (False, True, True)
        assert own_subject(self.rules["any"]) == "system"
        assert own_subject(self.rules["same"]) is None

    def test_in_words(self) -> None:
        self.witness.note("down", "login", False)
        facts = Facts("login", outcomes("o"), witness=self.witness)
        found = evaluate(self.rules["same"], facts, START, {})
        assert found.explanation == "down and not sick (down is quiet, sick is unknown)"
