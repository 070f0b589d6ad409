"""Who is told of a transition: the channels that routes and rules name, behind the gates of each."""

from __future__ import annotations

from dataclasses import replace

from engine.alerts.announce import audience
from engine.alerts.lifecycle import Transition
from engine.config.routing import Channel
from engine.config.schema import Rule
from engine.model import Alert, AlertEventKind, AlertState, Gate, Severity
from engine.notify.routes import Routing

CHANNELS = {
    "ops": Channel.model_validate({"log": {}}),
    "strict": Channel.model_validate({"log": {}, "min_severity": "CRITICAL"}),
    "quiet": Channel.model_validate({"log": {}, "send_resolved": False}),
}
CONDITION = {"type": "THRESHOLD", "metric": "health.score", "operator": "<", "value": 50}
RULE = Rule.model_validate({"id": "r", "name": "R", "conditions": [CONDITION]})
ALERT = Alert(1, "r|s", "r", "R", "s", Severity.ERROR, AlertState.FIRING, "m", 0.0, 0.0, fired_at=0.0)
PASSED, STOPPED = Gate("route:ops", True, "route 1"), Gate("route:mail", False, "route 2: takes tags x")


def test_a_fire_goes_where_it_is_routed_and_each_gate_is_kept() -> None:
    routing = Routing(("ops", "strict"), (PASSED, STOPPED))
    notices, gates = audience(Transition(ALERT, AlertEventKind.FIRED), RULE, CHANNELS, frozenset(), routing)
    assert notices == (("ops", AlertEventKind.FIRED),)
    assert [(gate.name, gate.passed) for gate in gates] == [
        ("route:ops", True),
        ("route:mail", False),
        ("severity:ops", True),
        ("severity:strict", False),
    ]


def test_an_end_goes_to_those_that_were_told_and_want_to_hear_of_it() -> None:
    ended = replace(ALERT, state=AlertState.RESOLVED, resolved_at=9.0)
    told = frozenset({"ops", "quiet", "removed"})
    notices, gates = audience(
        Transition(ended, AlertEventKind.RESOLVED), None, CHANNELS, told, Routing(("strict",))
    )
    assert notices == (("ops", AlertEventKind.RESOLVED), ("removed", AlertEventKind.RESOLVED))
    assert [(gate.name, gate.passed) for gate in gates] == [("resolved:quiet", False)]
