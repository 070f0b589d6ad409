"""What a configuration file may say, as strict models; `Config` is the whole of it, checked.

References between parts (channels of rules, retry strategies, step names in templates) are checked by
`engine.config.references`; this module knows shapes only.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from engine.config.choices import PriorityField, SeverityField
from engine.config.classify import ClassifySpec
from engine.config.comparing import Percent
from engine.config.conditions import Conditions
from engine.config.lifecycle import Escalation as Escalation
from engine.config.lifecycle import Escalations, Flapping
from engine.config.muting import Inhibitions, Maintenances, Silences
from engine.config.retrying import RetrySpec as RetrySpec
from engine.config.rollups import RollupsSpec
from engine.config.routing import Channel as Channel
from engine.config.routing import DeadmanSpec, GroupBy, Routes, TemplateSpec
from engine.config.sources import SourceSpec
from engine.config.storage import StorageSpec
from engine.config.times import Periods
from engine.config.tracing import TracingSpec
from engine.config.types import (
    Address,
    Duration,
    Identifier,
    LoopbackAddress,
    Name,
    Names,
    PositiveDuration,
    Prose,
    Strict,
    Written,
    format_duration,
)
from engine.model import Priority, Severity
from engine.workflows.steps import StepSpec

Objective = Annotated[Percent, Field(gt=0, lt=100)]
Overlap = Annotated[
    str,
    Written(
        r"^(skip|queue|replace|allow:[1-9][0-9]{0,2})$",
        "one of skip, queue, replace or allow:n is wanted, n from 1 to 999",
    ),
]


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class BreakerSpec(Strict):
    """Open after `threshold` failures in a row; after `reset` seconds let one trial through.

    Keys:
        failure_rate: open by share instead of by count: when this many percent of the calls within `window`
            failed and there were at least `min_calls` of them. Every attempt of every workflow with the same
            settings that calls the target counts.
    """

    threshold: Annotated[int, Field(ge=1, le=1000)] = 5
    reset: PositiveDuration = 60.0
    failure_rate: Annotated[Percent, Field(gt=0)] | None = None
    window: Annotated[PositiveDuration, Field(le=86_400)] = 60.0
    min_calls: Annotated[int, Field(ge=1, le=1000)] = 10


class Workflow(Strict):
    """A check made of ordered steps.

    Keys:
        id: what rules, commands and history know it by.
        name, description: for people; both are shown.
        priority: for rules (`workflow.priority`) and for the order of lists.
        tags: for silences, routes and filters.

    Keys about the flow:
        steps: what is done, in order unless `needs` says otherwise; the first that fails ends the attempt.
        retry: a strategy: `default`, `aggressive`, `fast`, a name of `retries`, or the numbers themselves.
        breaker: when a target is left alone for a while; `false` has none.
        timeout: caps one execution, all attempts and waits included.
        depends_on: workflows; while the last result of one of them is a failure, no alert is made or told of
            this one, which runs nevertheless.
        objective: the share of its executions that is to succeed, such as 99.9%, which reports judge it by;
            `settings.objective` without it.
        on_call: true for a workflow without a schedule: it runs when a `workflow` step calls it, or by hand.
        variables: values that its steps read as `{{ vars.NAME }}`; who calls it may replace them.
        outputs: what a caller reads of it: a name and a text such as `{{ login.token }}`.
        finally: steps that run at the end of every attempt, whatever became of it; up to 5 s longer than the
            timeout when that is used up.

    Keys about the schedule:
        every: the interval between two starts; either it or `cron`.
        cron: minute, hour, day, month and weekday, such as `"*/5 * * * *"`, in `timezone` (UTC unless said).
        every_failing: the interval while it fails, such as 10s, so that a recovery is seen soon.
        jitter: shifts its slots by a part of this, always the same for the same id; with many workflows on
            one cron line, not all start in the same second.
        overlap: what a slot does that finds the last run still at work: `skip` (it is recorded), `queue` (one
            waits), `replace` (the run is cut off), `allow:3` (up to three at the same time).
        catch_up: a slot that is later than this is recorded as `misfire` and not made up for; without it one
            start makes up for all that were missed, however late.
    """

    id: Identifier
    name: Name
    description: Prose = ""
    priority: PriorityField = Priority.NORMAL
    every: PositiveDuration | None = None
    cron: str | None = None
    timezone: str | None = None
    every_failing: PositiveDuration | None = None
    jitter: Duration = 0.0
    overlap: Overlap = "skip"
    catch_up: Duration | None = None
    on_call: bool = False
    timeout: PositiveDuration = 60.0
    retry: str | RetrySpec = "default"
    breaker: BreakerSpec | Literal[False] = BreakerSpec()
    tags: Names = ()
    objective: Objective | None = None
    depends_on: Names = ()
    variables: dict[Identifier, str | int | float | bool] = Field(default_factory=dict)
    outputs: dict[Identifier, str] = Field(default_factory=dict)
    steps: Annotated[tuple[StepSpec, ...], BeforeValidator(_tuple), Field(min_length=1, max_length=100)]
    finally_: Annotated[
        tuple[StepSpec, ...], BeforeValidator(_tuple), Field(max_length=100, alias="finally")
    ] = ()

    @model_validator(mode="after")
    def _one_schedule(self) -> Workflow:
        if self.on_call and (self.every or self.cron):
            raise ValueError("a workflow that is on_call: has no schedule of its own")
        if not self.on_call and (self.every is None) == (self.cron is None):
            raise ValueError("a workflow has either every: (such as 30s) or cron: (such as */5 * * * *)")
        if self.timezone is not None and self.cron is None:
            raise ValueError("timezone: belongs to cron:")
        if self.every is not None and self.jitter >= self.every:
            raise ValueError("jitter: is to be shorter than every:")
        return self

    @property
    def schedule(self) -> str:
        """The schedule as written: `every 30s`, `cron */5 * * * *`, or `on call`."""
        if self.on_call:
            return "on call"
        return f"cron {self.cron}" if self.cron else f"every {format_duration(self.every or 0)}"


class Rule(Strict):
    """What makes an alert: it looks at each of its workflows, and each that meets it has an alert of its own.

    Keys:
        id: what silences, routes, commands and history know it by.
        name, description: for people; messages carry the name, and the description as what to do.
        severity: of its alerts.
        conditions: what has to be true; groups are `{all: [...]}`, `{any: [...]}`, `{not: ...}`.
        logic: `AND`: all of the conditions; `OR`: any of them.
        for: how long they have to be true before it fires; until then its alert is pending.
        workflows: ids or names that it looks at, with `*` as wildcard; all of them unless given.
        auto_resolve: an alert that nothing has confirmed for so long is over.
        channels: who is told, whatever the routes say besides.
        tags: for routes, silences and inhibitions.
        enabled: false: it is not looked at.
        keep_firing_for: a firing alert outlives its condition by so long, and is over when that stays false.
        runbook: an address that says what to do; messages carry it.
        group_by: as of a route, for whatever channel is told.
        active: times of the week in which the rule looks; outside of them it is asleep, its result unknown.
        cooldown: after an alert fired, or was resolved by hand, none fires about its subject for so long.
        depends_on: rules; while one of them has an active alert about the same subject, or about health, this
            one makes and tells none.
        inhibits: rules; the same from the other side: while this one has an active alert, those make and tell
            none about the same.
        reopen: an alert whose condition is true again so soon after its end fires again itself, without a new
            alert and whatever its cooldown.
        remind: tells of an alert again that long after the last time, while nobody has acknowledged it.
        flapping: `true`, or `{low: 25, high: 30}`: what changes too often is told once.
        escalation: one step, or a list of them.
    """

    id: Identifier
    name: Name
    description: Prose = ""
    severity: SeverityField = Severity.WARNING
    conditions: Annotated[Conditions, Field(min_length=1, max_length=50)]
    logic: Literal["AND", "OR"] = "AND"
    for_: Annotated[Duration, Field(alias="for")] = 0.0
    keep_firing_for: Duration = 0.0
    active: Periods = ()
    cooldown: Duration = 300.0
    auto_resolve: PositiveDuration = 3600.0
    workflows: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ("*",)
    depends_on: Names = ()
    inhibits: Names = ()
    reopen: Duration = 0.0
    remind: PositiveDuration | None = None
    flapping: Flapping = None
    escalation: Escalations = ()
    channels: Names = ()
    group_by: GroupBy = ()
    tags: Names = ()
    runbook: Annotated[str, Field(max_length=2_048)] = ""
    enabled: bool = True


class Settings(Strict):
    """Engine-wide limits. Rows older than `retention` are removed; `heartbeats` is where jobs are heard.

    Keys:
        concurrency: how many executions may run at the same time; the others wait.
        max_active_alerts: with more alerts than these open, new ones wait.
        evaluation_interval: how often rules look though nothing ran.
        responses: how many answers of each step are kept for `tocsin check --replay`, the newest in place of
            the oldest: of each failure, and of one success a minute; at most 4 KiB a field. 0 keeps none.
        per_host: how many steps may be at one host at the same time; the others wait in line for at most half
            of their time, and are then recorded as skipped, `host busy`.
        canary: addresses elsewhere, such as `[example.org:443, 192.0.2.1:53]`. While none of them takes a
            connection, the monitor itself is offline: runs that fail are recorded as skipped, not as failed,
            and there is one alert, about the monitor.
        classify: what errors are, where the built-in table does not know: the first entry that fits counts.
            Example: `{match: "deadlock detected", type: TRANSIENT, category: database}`.
        objective: the share of executions that is to succeed, for workflows that do not say so themselves.
        storage: how much room the database takes, and how long it keeps what.
        rollups: how long it keeps what hours and days came to, such as `{hours: 90d, days: 730d}`.
        tracing: how much of the traces is kept, where they are sent, and who may add to them.
    """

    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 50
    max_active_alerts: Annotated[int, Field(ge=1, le=100_000)] = 100
    evaluation_interval: PositiveDuration = 15.0
    retention: PositiveDuration = 30 * 86400.0
    heartbeats: LoopbackAddress = "127.0.0.1:8779"
    responses: Annotated[int, Field(ge=0, le=10_000)] = 100
    per_host: Annotated[int, Field(ge=1, le=10_000)] | None = None
    canary: Annotated[tuple[Address, ...], BeforeValidator(_tuple), Field(max_length=10)] = ()
    classify: Annotated[tuple[ClassifySpec, ...], BeforeValidator(_tuple), Field(max_length=200)] = ()
    objective: Objective = 99.0
    storage: StorageSpec = StorageSpec()
    rollups: RollupsSpec = RollupsSpec()
    tracing: TracingSpec = TracingSpec()


class Fragment(Strict):
    """Steps to be used in several workflows: `- {use: NAME, id: PREFIX, with: {PARAM: value}}`.

    They are put in the place of their uses before the file is checked (`engine.config.composition`).

    Keys:
        params: names and defaults, read as `{{ params.NAME }}`; one whose default is null has to be given.
        steps: as in a workflow; the `id` of a use goes before theirs, with a dot.
    """

    params: dict[Identifier, Any] = Field(default_factory=dict)
    steps: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_tuple), Field(min_length=1, max_length=100)]


class Config(Strict):
    """The whole configuration, one environment chosen.

    Keys:
        version: of this format.
        environments: values that steps read as `{{ env.NAME }}`; the first set unless `--env` names one.

    Keys about composing it:
        overlays: by environment, what is different there: keys of `settings`, of `channels` and `retries` by
            their names, of `workflows` and `rules` by their ids.
        fragments: steps by name, for `use:` in workflows.
        python: modules with workflows written in Python (`engine.authoring`): files, relative to this one, or
            dotted names. They are run when the file is read.
    """

    version: Literal[1]
    environments: dict[Identifier, dict[str, str | int | float | bool]] = Field(default_factory=dict)
    overlays: dict[Identifier, dict[str, Any]] = Field(default_factory=dict)
    fragments: dict[Identifier, Fragment] = Field(default_factory=dict)
    settings: Settings = Settings()
    python: Annotated[tuple[str, ...], BeforeValidator(_tuple), Field(max_length=100)] = ()
    retries: dict[Identifier, RetrySpec] = Field(default_factory=dict)
    channels: dict[Identifier, Channel] = Field(default_factory=dict)
    routes: Routes = ()
    templates: dict[Identifier, TemplateSpec] = Field(default_factory=dict)
    deadman: DeadmanSpec | None = None
    silences: Silences = ()
    maintenance: Maintenances = ()
    inhibit: Inhibitions = ()
    sources: Annotated[tuple[SourceSpec, ...], BeforeValidator(_tuple), Field(max_length=50)] = ()
    workflows: Annotated[tuple[Workflow, ...], BeforeValidator(_tuple)] = ()
    rules: Annotated[tuple[Rule, ...], BeforeValidator(_tuple)] = ()
