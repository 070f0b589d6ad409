from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.routing import Route
from engine.config.schema import Config, Rule
from engine.model import Alert, AlertState, Severity
from engine.notify.grouping import pace_of
from engine.notify.routes import Router, Routing

MONDAY_NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC).timestamp()
SATURDAY_NOON = MONDAY_NOON + 5 * 86_400
CHANNELS = ("ops", "dba", "mail", "night")


def _rule(**more: Any) -> dict[str, Any]:
    condition = {"type": "THRESHOLD", "metric": "workflow.duration", "operator": ">", "value": 1}
    return {"id": "slow", "name": "Slow", "conditions": [condition], **more}


def _alert(severity: Severity = Severity.ERROR, subject: str = "shop") -> Alert:
    return Alert(1, f"slow|{subject}", "slow", "Slow", subject, severity, AlertState.FIRING, "m", 0.0, 0.0)


def _config(routes: list[dict[str, Any]], rule: dict[str, Any] | None = None) -> Config:
    step = {"id": "s", "wait": {"for": 1}}
    workflow = {"id": "shop", "name": "Web shop", "every": 60, "tags": ["web"], "steps": [step]}
    return Config.model_validate(
        {
            "version": 1,
            "channels": {name: {"log": {}} for name in CHANNELS},
            "routes": routes,
            "workflows": [workflow],
            "rules": [rule or _rule()],
        }
    )


def _routed(
    routes: list[dict[str, Any]],
    alert: Alert | None = None,
    rule: dict[str, Any] | None = None,
    now: float = MONDAY_NOON,
) -> Routing:
    config = _config(routes, rule)
    return Router(config).route(alert or _alert(), config.rules[0], now)


def _details(routing: Routing) -> dict[str, tuple[bool, str]]:
    return {gate.name: (gate.passed, gate.detail) for gate in routing.gates}


def test_without_routes_a_rules_channels_are_all() -> None:
    assert _routed([], rule=_rule(channels=["ops", "mail"])) == Routing(("ops", "mail"))


def test_the_first_route_that_fits_decides() -> None:
    routing = _routed([{"channels": ["ops"]}, {"channels": ["mail"]}])
    assert routing.channels == ("ops",)
    assert _details(routing) == {
        "route:ops": (True, "route 1"),
        "route:mail": (False, "route 2: route 1 came first"),
    }


def test_a_route_may_let_the_next_ones_have_a_look() -> None:
    routing = _routed(
        [{"channels": ["ops"], "continue": True}, {"channels": ["mail"]}, {"channels": ["dba"]}]
    )
    assert routing.channels == ("ops", "mail")


def test_a_rules_own_channels_come_first_and_once() -> None:
    routing = _routed([{"channels": ["ops", "mail"]}], rule=_rule(channels=["dba", "mail"]))
    assert routing.channels == ("dba", "mail", "ops")


@pytest.mark.parametrize(
    ("route", "why"),
    [
        ({"min_severity": "CRITICAL"}, "takes CRITICAL to CRITICAL, this is ERROR"),
        ({"max_severity": "WARNING"}, "takes INFO to WARNING, this is ERROR"),
        ({"tags": ["database"]}, "takes tags database"),
        ({"rules": ["fast*"]}, "takes rules fast*"),
        ({"workflows": ["mail-*"]}, "takes workflows mail-*"),
        ({"times": [{"days": ["sat-sun"]}]}, "takes alerts at sat-sun 00:00-24:00 UTC"),
    ],
)
def test_a_route_that_does_not_fit_says_why(route: dict[str, Any], why: str) -> None:
    routing = _routed([{"channels": ["ops"], **route}, {"channels": ["mail"]}])
    assert routing.channels == ("mail",)
    assert _details(routing)["route:ops"] == (False, f"route 1: {why}")


@pytest.mark.parametrize(
    "route",
    [
        {"min_severity": "ERROR", "max_severity": "ERROR"},
        {"tags": ["database", "web"]},
        {"rules": ["Slo?"]},
        {"workflows": ["Web*"]},
        {"workflows": ["shop"]},
        {"times": [{"days": ["mon"], "from": "11:00", "to": "13:00"}, {"days": ["sun"]}]},
    ],
)
def test_a_route_fits_by_severity_tags_names_and_times(route: dict[str, Any]) -> None:
    assert _routed([{"channels": ["ops"], **route}]).channels == ("ops",)


def test_times_are_those_of_the_moment() -> None:
    routes: list[dict[str, Any]] = [
        {"channels": ["night"], "times": [{"days": ["sat", "sun"]}]},
        {"channels": ["ops"]},
    ]
    assert _routed(routes).channels == ("ops",)
    assert _routed(routes, now=SATURDAY_NOON).channels == ("night",)


def test_alerts_of_a_route_gather_by_what_it_names() -> None:
    route = {"channels": ["ops"], "group_by": ["rule", "severity"], "group_wait": 5, "repeat": 0}
    router = Router(_config([route, {"channels": ["mail"]}]))
    one, other = (router.route(_alert(subject=name), None, 0.0).groups for name in ("shop", "elsewhere"))
    assert one == other
    assert one.keys() == {"ops"}
    assert one["ops"].endswith("route 1; rule=slow; severity=ERROR")
    pace = pace_of(one["ops"])
    assert (pace.wait, pace.interval, pace.repeat) == (5.0, 300.0, None)


def test_an_end_belongs_to_the_group_of_its_beginning_whatever_the_time() -> None:
    times = [{"days": ["mon"]}]
    router = Router(_config([{"channels": ["ops"], "group_by": ["rule"], "times": times}]))
    now, later = (router.route(_alert(), None, at) for at in (MONDAY_NOON, SATURDAY_NOON))
    assert later.channels == ()
    assert now.groups == later.groups != {}


def test_a_rules_own_grouping_holds_for_all_channels() -> None:
    groups = _routed([], rule=_rule(channels=["ops"], group_by=["rule"])).groups
    assert set(groups) == set(CHANNELS)
    assert len(set(groups.values())) == 1


@st.composite
def _routes(draw: st.DrawFn) -> list[dict[str, Any]]:
    severities = st.sampled_from(list(Severity))
    route = st.fixed_dictionaries(
        {"channels": st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True)},
        optional={"min_severity": severities, "max_severity": severities, "continue": st.booleans()},
    )
    return draw(st.lists(route, max_size=6))


@settings(deadline=None)
@given(_routes(), st.sampled_from(list(Severity)))
def test_gates_and_channels_agree(routes: list[dict[str, Any]], severity: Severity) -> None:
    routing = _routed(routes, _alert(severity))
    gates = _details(routing)
    assert {f"route:{name}" for name in routing.channels} == {name for name, it in gates.items() if it[0]}
    assert gates.keys() == {f"route:{name}" for route in routes for name in route["channels"]}


@settings(deadline=None)
@given(_routes(), st.sampled_from(list(Severity)))
def test_what_is_told_is_what_the_first_fitting_routes_name(
    routes: list[dict[str, Any]], severity: Severity
) -> None:
    expected: list[str] = []
    for each in map(Route.model_validate, routes):
        if each.min_severity.rank <= severity.rank <= each.max_severity.rank:
            expected += each.channels
            if not each.continue_:
                break
    assert _routed(routes, _alert(severity)).channels == tuple(dict.fromkeys(expected))


def test_a_rule_that_is_gone_is_routed_by_what_its_alert_says() -> None:
    config = _config([{"channels": ["ops"], "rules": ["slow"]}])
    rule: Rule | None = None
    assert Router(config.model_copy(update={"rules": ()})).route(_alert(), rule, 0.0).channels == ("ops",)
