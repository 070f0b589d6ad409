"""What a person may ask about in SQL: views whose names and columns stay, whatever the tables do.

Times are seconds since the epoch (`datetime(at, 'unixepoch', 'localtime')` reads well), durations seconds,
identifiers of traces and spans hexadecimal.
"""

# ruff: noqa: S608 - statements are put together from texts of ours

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from engine.model import Failure, LogLevel
from engine.store import decode
from engine.store.traces import Inside, unpack

_LEVELS = " ".join(f"WHEN {level.value} THEN '{level.label}'" for level in LogLevel)
_INSIDE = (
    "executions e JOIN traces t ON t.execution_id = e.id, json_each(inside_of(%s,"
    f" {decode.INSIDE}, lower(hex(e.trace_id)))) j"
)
_FIELDS = (
    *("name", "kind", "status", "started_at", "duration", "span_id", "parent_id"),
    *("attributes", "events", "links"),
)


@dataclass(frozen=True, slots=True)
class View:
    """A view: what a row of it is, and the SELECT behind it."""

    name: str
    about: str
    select: str


def _listed(column: str, first: str, second: str) -> str:
    """A list of spans that came on their own as those of executions have it; it is kept without names."""
    return (
        f"(SELECT json_group_array(json_object('{first}', p.value ->> 0, '{second}', p.value ->> 1,"
        f" 'attributes', p.value -> 2)) FROM json_each(s.{column}) p)"
    )


VIEWS = (
    View(
        "v_executions",
        "one execution of a workflow; config is the digest of the configuration it ran under",
        "SELECT id, workflow_id AS workflow, COALESCE(workflow_name, workflow_id) AS name, priority, outcome,"
        " reason, error, error_type, error_category, scheduled_at, started_at, duration,"
        " attempt_count AS attempts, waited, lower(hex(trace_id)) AS trace_id,"
        " (SELECT digest FROM runs WHERE first_execution <= executions.id ORDER BY id DESC LIMIT 1) AS config"
        " FROM executions",
    ),
    View(
        "v_attempts",
        "one try within an execution",
        "SELECT e.id AS execution_id, e.workflow_id AS workflow, j.value ->> 'number' AS number,"
        " j.value ->> 'started_at' AS started_at, j.value ->> 'duration' AS duration,"
        " j.value ->> 'outcome' AS outcome, j.value ->> 'error' AS error,"
        " j.value ->> 'error_type' AS error_type"
        f" FROM {_INSIDE % repr('attempts')}",
    ),
    View(
        "v_spans",
        "one span of a trace; attributes, events and links are JSON",
        "SELECT e.id AS execution_id, e.workflow_id AS workflow, lower(hex(e.trace_id)) AS trace_id, "
        + ", ".join(f"j.value ->> '{field}' AS {field}" for field in _FIELDS)
        + f" FROM {_INSIDE % repr('spans')}"
        " UNION ALL SELECT s.execution_id, (SELECT workflow_id FROM executions WHERE id = s.execution_id),"
        " lower(hex(s.trace_id)), s.name, s.kind, s.status, s.started_at, s.duration, lower(hex(s.span_id)),"
        " lower(hex(s.parent_id)), s.attributes,"
        f" {_listed('events', 'at', 'name')}, {_listed('links', 'trace_id', 'span_id')} FROM spans s",
    ),
    View(
        "v_points",
        "one point of a series; labels are JSON pairs",
        "SELECT s.name, s.labels, p.at, p.value FROM points p JOIN series s ON s.id = p.series",
    ),
    View(
        "v_logs",
        "one line of the log; source names the files it was read from, if any",
        f"SELECT l.id, l.at, CASE l.level {_LEVELS} ELSE l.level END AS level, l.message,"
        " l.workflow_id AS workflow, l.execution_id,"
        " lower(hex(COALESCE(l.trace_id, (SELECT trace_id FROM executions WHERE id = l.execution_id))))"
        " AS trace_id, lower(hex(l.span_id)) AS span_id, l.fields, l.source FROM logs l",
    ),
    View(
        "v_alerts",
        "one alert, from its start to its end",
        "SELECT id, rule_id AS rule, rule_name AS name, subject, severity, state, message, value, started_at,"
        " fired_at, acked_at, acked_by, ack_note, resolved_at, resolved_by, resolve_note, escalated_at,"
        " execution_id, lower(hex(trace_id)) AS trace_id, fingerprint, ack_until, reopened FROM alerts",
    ),
    View(
        "v_silences",
        "one silence made at run time; matchers are a JSON array",
        "SELECT id, matchers, author, reason, created_at, starts_at, ends_at, expired_at, expired_by"
        " FROM silences",
    ),
    View(
        "v_maintenance",
        "one maintenance window made at run time; workflows and tags are JSON arrays of patterns",
        "SELECT id, workflows, tags, mode, author, reason, created_at, starts_at, ends_at, ended_at, ended_by"
        " FROM maintenance",
    ),
    View(
        "v_alert_events",
        "one thing that happened to an alert",
        "SELECT id, alert_id, at, kind, author, note FROM alert_events",
    ),
    View(
        "v_decisions",
        "one evaluation that changed something or stopped at a gate; gates are JSON",
        "SELECT id, at, rule_id AS rule, subject, result, value, threshold, explanation, gates, alert_id,"
        " execution_id,"
        " (SELECT digest FROM runs WHERE started_at <= decisions.at ORDER BY id DESC LIMIT 1) AS config"
        " FROM decisions",
    ),
    View(
        "v_notifications",
        "one message to one channel, and what became of it",
        "SELECT id, alert_id, channel, transition, severity, title, body, state, tries, created_at, next_at,"
        " sent_at, latency, error, grp, message, stands_for FROM notifications",
    ),
    View(
        "v_health",
        "one look at a component of the system",
        "SELECT id, at, component, status, score, detail FROM health_checks",
    ),
    View(
        "v_runs",
        "one run of an engine; config is the digest of its configuration",
        "SELECT id, started_at, version, digest AS config, environment, path, first_execution FROM runs",
    ),
)


def add_views(connection: sqlite3.Connection) -> None:
    """Make the views known to a connection, for as long as it lives."""
    connection.create_function("inside_of", 5, _inside_of, deterministic=True)
    for view in VIEWS:
        connection.execute(f"CREATE TEMP VIEW {view.name} AS {view.select}")


def _inside_of(part: str, shape: str | None, numbers: bytes, execution_id: int, trace_id: str) -> str:
    """The attempts or the spans of an execution, as a JSON array."""
    inside = unpack(shape, numbers, execution_id, trace_id)
    return json.dumps(_attempts(inside) if part == "attempts" else _spans(inside), default=str)


def _attempts(inside: Inside) -> list[dict[str, object]]:
    return [
        {
            "number": attempt.number,
            "started_at": attempt.started_at,
            "duration": attempt.duration,
            "outcome": attempt.outcome,
            **_failure(attempt.failure),
        }
        for attempt in inside.attempts
    ]


def _failure(failure: Failure | None) -> dict[str, object]:
    return {} if failure is None else {"error": failure.message, "error_type": failure.type}


def _spans(inside: Inside) -> list[dict[str, object]]:
    return [
        {
            "name": span.name,
            "kind": span.kind,
            "status": span.status,
            "started_at": span.started_at,
            "duration": span.duration,
            "span_id": span.span_id,
            "parent_id": span.parent_id,
            "attributes": dict(span.attributes),
            "events": [
                {"at": event.at, "name": event.name, "attributes": dict(event.attributes)}
                for event in span.events
            ],
            "links": [
                {"trace_id": link.trace_id, "span_id": link.span_id, "attributes": dict(link.attributes)}
                for link in span.links
            ],
        }
        for span in inside.spans
    ]
