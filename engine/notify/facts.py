"""What a message is about, and what is known of it: the one vocabulary of words, templates and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.lines import spelled
from engine.model import Alert, AlertEventKind
from engine.text import clean, plain

if TYPE_CHECKING:
    from engine.config.schema import Rule

_TEXT_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that happened to an alert, which is as it is after that.

    Args:
        author: who did it: a person's name, `recovery`, `auto` or `rule`; the alert's own when empty.
        note: what that person wrote; the alert's own when empty.
        rule: None when it is not known any more.
        threshold: what the value was held against, such as `> 50 %`.
    """

    alert: Alert
    kind: AlertEventKind
    now: float
    author: str = ""
    note: str = ""
    rule: Rule | None = None
    threshold: str = ""


def facts(occasion: Occasion) -> dict[str, Any]:
    """What is known of the alert: plain data; times are seconds since the epoch, None until they happen."""
    alert, rule = occasion.alert, occasion.rule
    value = plain(alert.value) if isinstance(alert.value, str) else alert.value
    return {
        "fingerprint": plain(alert.fingerprint),
        "rule_id": plain(alert.rule_id),
        "rule": plain(alert.rule_name),
        "subject": plain(alert.subject),
        "state": str(alert.state),
        "message": clean(alert.message, _TEXT_LIMIT, multiline=True),
        "value": value,
        "threshold": plain(occasion.threshold),
        "tags": list(rule.tags) if rule is not None else [],
        "description": clean(rule.description, _TEXT_LIMIT, multiline=True).strip() if rule else "",
        "runbook": plain(rule.runbook) if rule is not None else "",
        "started_at": alert.started_at,
        "fired_at": alert.fired_at,
        "acked_at": alert.acked_at,
        "acked_by": plain(alert.acked_by),
        "resolved_at": alert.resolved_at,
        "resolved_by": plain(alert.resolved_by),
        "author": plain(occasion.author),
        "note": clean(occasion.note, _TEXT_LIMIT, multiline=True),
        "reopened": alert.reopened,
        "execution_id": alert.execution_id,
        "trace_id": alert.trace_id,
    }


def as_text(known: dict[str, Any]) -> str:
    """Facts as they are stored: one line of JSON, in which infinite and undefined numbers are text."""
    try:
        return json.dumps(known, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(known | {"value": str(known["value"])}, ensure_ascii=False, separators=(",", ":"))


def span(start: float, end: float) -> str:
    """How long from `start` to `end`, in whole seconds, at least one."""
    return spelled(float(max(round(end - start), 1)))
