"""Rules about the monitor itself, which hold whatever a configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model import Severity

if TYPE_CHECKING:
    from engine.config.schema import Config, Rule

OFFLINE = "monitor-offline"
STORE = "monitor-store"
NOTIFIER = "monitor-notifier"
OWN_RULES = (OFFLINE, STORE, NOTIFIER)
_STORE_FOR = 60.0


def with_own_rules(config: Config) -> Config:
    """The configuration with them, but for those whose name a rule of its own has.

    Every channel hears of them: of a network that is gone, once it is back; of messages that were given up,
    or have waited for an hour, those that work.
    """
    taken = {rule.id for rule in config.rules}
    own = [
        _rule(config, STORE, "The monitor keeps no records", "store", Severity.CRITICAL, _STORE_FOR),
        _rule(config, NOTIFIER, "Somebody could not be told", "notifier", Severity.ERROR, 0.0),
    ]
    if config.settings.canary:
        own.append(_rule(config, OFFLINE, "The monitor itself is offline", "network", Severity.ERROR, 0.0))
    added = tuple(rule for rule in own if rule.id not in taken)
    return config.model_copy(update={"rules": (*config.rules, *added)}) if added else config


def _rule(config: Config, rule_id: str, name: str, part: str, severity: Severity, held_for: float) -> Rule:
    from engine.config.conditions import ThresholdCondition
    from engine.config.schema import Rule

    metric = f"health.{part}.status"
    condition = ThresholdCondition(type="THRESHOLD", metric=metric, operator="==", value="unhealthy")
    return Rule.model_validate(
        {
            "id": rule_id,
            "name": name,
            "severity": severity,
            "conditions": (condition,),
            "for": held_for,
            "channels": tuple(config.channels),
        }
    )
