"""What a file of tests may say, as strict models; `load()` reads one. See docs/rules-testing.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from engine.config.choices import SeverityField, member
from engine.config.comparing import Labels
from engine.config.loader import LoadedConfig, load_config, read_text
from engine.config.messages import describe, did_you_mean
from engine.config.muting import Matchers, Moment
from engine.config.nodes import plain_data
from engine.config.report import Path as Place
from engine.config.report import Report
from engine.config.types import Duration, Identifier, Name, PositiveDuration, Strict, as_tuple
from engine.config.yaml_guard import parse_yaml
from engine.errors import ConfigError
from engine.model import AlertEventKind, AlertState, HealthStatus, LogLevel, Outcome
from engine.rehearsal.notation import durations as read_durations
from engine.rehearsal.notation import numbers as read_numbers
from engine.rehearsal.notation import words
from engine.text import plain

DAY_ONE = 1_767_225_600.0
"""When a test begins that does not say: 2026-01-01 00:00 UTC."""


def _outcome(word: str) -> Outcome:
    try:
        return Outcome(word)
    except ValueError:
        raise ValueError(f"there is no outcome `{plain(word, 40)}`; there is {', '.join(Outcome)}") from None


def _status(word: str) -> HealthStatus:
    try:
        return HealthStatus(word)
    except ValueError:
        known = ", ".join(HealthStatus)
        raise ValueError(f"there is no status `{plain(word, 40)}`; there is {known}") from None


def read_outcomes(text: str) -> list[Outcome | None]:
    """The outcomes that a series means. Raises ValueError."""
    return words(text, _outcome)


def read_statuses(text: str) -> list[HealthStatus | None]:
    """The statuses that a series means. Raises ValueError."""
    return words(text, _status)


def _level(value: object) -> object:
    known = {level.label: level for level in LogLevel}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError(f"there is no level `{plain(str(value), 40)}`; there is {', '.join(known)}")


def _each(value: object) -> object:
    return as_tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _means(read: Any) -> AfterValidator:
    """The text can be read as a series."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


def _text(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class InputExecutions(Strict):
    """Runs of one workflow, one at the end of each interval, the first at the start.

    Keys:
        outcomes: such as `ok x10 failed x3 _`; all `ok` unless given.
        durations: such as `0.1+0x5 2s x3`; the last one goes on, 100 ms unless given.
        error: the sentence of those that fail.
    """

    workflow: Identifier
    outcomes: Annotated[str, _means(read_outcomes)] = ""
    durations: Annotated[str, BeforeValidator(_text), _means(read_durations)] = ""
    error: str = "failed in a test"

    @model_validator(mode="after")
    def _some(self) -> InputExecutions:
        if not self.outcomes and not self.durations:
            raise ValueError("input_executions: has outcomes: or durations:, or both")
        return self


class InputHealth(Strict):
    """The status of a component at each interval: `scheduler`, `store`, `workflow:ID` …"""

    component: Name
    statuses: Annotated[str, _means(read_statuses)]


class InputPoints(Strict):
    """Points of one series, one at each interval, the first at the start.

    Keys:
        series: its name without `series.`, such as `disk.used`; `labels` tell it from others of the name.
        values: such as `50 60+5x3 _ 90 x5`.
    """

    series: Name
    labels: Labels = Field(default_factory=dict)
    values: Annotated[str, BeforeValidator(_text), _means(read_numbers)]


class InputLogs(Strict):
    """A log line of a workflow, or of `source`, at each of some times from the start.

    Keys:
        fields: such as `{signal: success}` for a heartbeat of the workflow's job.
    """

    workflow: Identifier | None = None
    source: Identifier | None = None
    level: Annotated[LogLevel, BeforeValidator(_level)] = LogLevel.INFO
    message: Annotated[str, Field(max_length=8_192)]
    fields: dict[Identifier, str] = Field(default_factory=dict)
    at: Annotated[tuple[Duration, ...], BeforeValidator(_each), Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _one_origin(self) -> InputLogs:
        if (self.workflow is None) == (self.source is None):
            raise ValueError("a line is of a workflow: or of a source:")
        return self


class TestSilence(Strict):
    """A silence in the time of the test: `from` and `until` count from its start."""

    __test__ = False

    matchers: Matchers
    from_: Annotated[Duration, Field(alias="from")] = 0.0
    until: PositiveDuration


class ExpectedAlert(Strict):
    """An alert that is to be open."""

    subject: Name
    severity: SeverityField | None = None
    state: Annotated[AlertState, BeforeValidator(member(AlertState, str.lower))] = AlertState.FIRING


class AlertCheck(Strict):
    """The alerts of a rule at a time; pending ones only where some are expected."""

    at: Duration
    rule: Identifier
    expected: Annotated[tuple[ExpectedAlert, ...], BeforeValidator(as_tuple)] = ()


class ExpectedNotification(Strict):
    """Something that a channel is to be told."""

    rule: Identifier
    subject: Name
    transition: Annotated[AlertEventKind, BeforeValidator(member(AlertEventKind, str.lower))] = (
        AlertEventKind.FIRED
    )


class NotificationCheck(Strict):
    """What a channel was told until `at`, since the check of this channel before, or the start."""

    at: Duration
    channel: Identifier
    expected: Annotated[tuple[ExpectedNotification, ...], BeforeValidator(as_tuple)] = ()


class Case(Strict):
    """One test: what comes in, at which interval, and what is to come of it."""

    name: Name = "unnamed"
    start: Moment = DAY_ONE
    interval: PositiveDuration = 30.0
    input_executions: Annotated[
        tuple[InputExecutions, ...], BeforeValidator(as_tuple), Field(max_length=1000)
    ] = ()
    input_health: Annotated[tuple[InputHealth, ...], BeforeValidator(as_tuple), Field(max_length=1000)] = ()
    input_points: Annotated[tuple[InputPoints, ...], BeforeValidator(as_tuple), Field(max_length=1000)] = ()
    input_logs: Annotated[tuple[InputLogs, ...], BeforeValidator(as_tuple), Field(max_length=1000)] = ()
    silences: Annotated[tuple[TestSilence, ...], BeforeValidator(as_tuple), Field(max_length=100)] = ()
    alerts: Annotated[tuple[AlertCheck, ...], BeforeValidator(as_tuple), Field(max_length=1000)] = ()
    notifications: Annotated[
        tuple[NotificationCheck, ...], BeforeValidator(as_tuple), Field(max_length=1000)
    ] = ()


class TestFile(Strict):
    """A file of tests.

    Keys:
        rule_file: the configuration, relative to this file.
        environment: which of its environments; the first unless given.
        evaluation_interval: how often rules look though nothing ran; as the configuration says unless given.
    """

    __test__ = False

    rule_file: str
    environment: Identifier | None = None
    evaluation_interval: PositiveDuration | None = None
    tests: Annotated[tuple[Case, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests with what they test; `report` knows the places in the file."""

    file: TestFile
    loaded: LoadedConfig
    report: Report

    def line(self, *place: str | int) -> int:
        """The line of what stands at `place`, counted from 1."""
        return self.report.node(place).line


def load(path: Path, env: Mapping[str, str] | None = None) -> Suite:
    """A file of tests and the configuration it names.

    Raises:
        ConfigError: with all the problems of the first of them that has any.
    """
    name = plain(str(path))
    root, duplicates = parse_yaml(read_text(path), name)
    report = Report(name, root)
    report.extend(duplicates)
    file = _checked(plain_data(root), report)
    if file is None or report:
        raise ConfigError(report.problems())
    loaded = load_config(path.parent / file.rule_file, file.environment, env)
    _check_names(file, loaded, report)
    if report:
        raise ConfigError(report.problems())
    return Suite(file, loaded, report)


def _checked(data: Any, report: Report) -> TestFile | None:
    try:
        return TestFile.model_validate(data)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            place: Place = item["loc"]
            found, _ = report.walk(place)
            if item["type"] == "missing":
                report.missing(report.walk(place[:-1])[0], [str(place[-1])])
            elif item["type"] == "extra_forbidden":
                report.at_key(
                    found, f"unknown key `{plain(str(place[-1]), 40)}`", "see docs/rules-testing.md"
                )
            else:
                called = f"`{found[-1]}`" if found and isinstance(found[-1], str) else "this"
                report.at(found, *describe(called, report.scalar(found), [dict(item)]))
        return None


def _check_names(file: TestFile, loaded: LoadedConfig, report: Report) -> None:
    """What tests name is to be in the configuration."""
    config = loaded.config
    workflows = [each.id for each in config.workflows]
    rules = [each.id for each in config.rules]
    for number, case in enumerate(file.tests):
        named: list[tuple[Place, str, str, list[str]]] = [
            *((("input_executions", i, "workflow"), "workflow", one.workflow, workflows)
              for i, one in enumerate(case.input_executions)),
            *((("input_logs", i, "workflow"), "workflow", one.workflow, workflows)
              for i, one in enumerate(case.input_logs) if one.workflow is not None),
            *((("alerts", i, "rule"), "rule", one.rule, rules) for i, one in enumerate(case.alerts)),
            *((("notifications", i, "channel"), "channel", one.channel, list(config.channels))
              for i, one in enumerate(case.notifications)),
        ]  # fmt: skip
        for place, kind, word, known in named:
            if word not in known:
                hint = did_you_mean(word, known) or f"there is {', '.join(known) or 'none'}"
                report.at(("tests", number, *place), f"there is no {kind} `{word}`", hint)
