"""Rules about the monitor itself, which hold whatever a configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model import Severity
from engine.model.rules import MAX_STRIKES

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule

OFFLINE = "monitor-offline"
STORE = "monitor-store"
NOTIFIER = "monitor-notifier"
RULES = "monitor-rules"
OWN_RULES = (OFFLINE, STORE, NOTIFIER, RULES)
_STORE_FOR = 60.0
_TO_DO = (
    "It failed three times, as the log tells. Correct its pattern, search or expression, and reload; "
    "or start the engine again to have it tried as it is."
)


def with_own_rules(config: Config) -> Config:
    """The configuration with them, but for those whose name a rule of its own has.

    Every channel hears of them: of a network that is gone, once it is back; of messages that were given up,
    or have waited for an hour, those that work; of a rule that failed three times, one alert about each.
    """
    taken = {rule.id for rule in config.rules}
    own = [
        _rule(config, STORE, "The monitor keeps no records", "store", Severity.CRITICAL, _STORE_FOR),
        _rule(config, NOTIFIER, "Somebody could not be told", "notifier", Severity.ERROR, 0.0),
    ]
    own.append(_about_rules(config))
    if config.settings.canary:
        own.append(_rule(config, OFFLINE, "The monitor itself is offline", "network", Severity.ERROR, 0.0))
    added = tuple(rule for rule in own if rule.id not in taken)
    return config.model_copy(update={"rules": (*config.rules, *added)}) if added else config


def _rule(config: Config, rule_id: str, name: str, part: str, severity: Severity, held_for: float) -> Rule:
    return _made(config, rule_id, name, severity, (f"health.{part}.status", "==", "unhealthy"), held_for)


def _about_rules(config: Config) -> Rule:
    """It goes on until its subject is put in force again, however long that takes."""
    looks_for = ("rule.strikes", ">=", MAX_STRIKES)
    return _made(config, RULES, "A rule is not looked at any more", Severity.ERROR, looks_for, told=_TO_DO)


def _made(
    config: Config,
    rule_id: str,
    name: str,
    severity: Severity,
    looks_for: tuple[str, str, str | float],
    held_for: float = 0.0,
    told: str = "",
) -> Rule:
    from engine.config.conditions import ThresholdCondition
    from engine.config.schema import Rule

    metric, operator, value = looks_for
    data = {"type": "THRESHOLD", "metric": metric, "operator": operator, "value": value}
    return Rule.model_validate(
        {
            "id": rule_id,
            "name": name,
            "description": told,
            "severity": severity,
            "conditions": (ThresholdCondition.model_validate(data),),
            "for": held_for,
            "channels": tuple(config.channels),
        }
    )
