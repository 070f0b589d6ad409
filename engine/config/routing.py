"""Whom alerts are told to, and in which words: channels, routes, templates, the dead-man's switch.

```yaml
channels:
  ops: {webhook: {url: "https://hooks.example/tocsin", secret: "${env:HOOK_SECRET}"}, fallback: mail}
  mail: {url: "${env:MAIL_URL}", min_severity: ERROR, template: short}
routes:
  - {tags: [database], min_severity: ERROR, channels: [dba]}
  - {channels: [ops], group_by: [rule], group_wait: 30s}
templates:
  short: {title: "{{ severity }} {{ subject }}", body: "{{ message }}"}
deadman: {url: "${env:PING_URL}", every: 1m}
```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from engine.config.choices import SeverityField
from engine.config.times import Periods
from engine.config.types import Duration, Identifier, Names, PositiveDuration, Strict, VariableName, as_tuple
from engine.model import Severity

KINDS = ("url", "console", "log", "webhook", "command", "file", "sentry", "pagerduty")
DEFAULT_RATE_LIMIT = 30
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"

SendDeadline = Annotated[PositiveDuration, Field(le=60)]
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
HeaderName = Annotated[str, AfterValidator(lambda name: _header_name(name))]
HeaderValue = Annotated[str, AfterValidator(lambda text: _header(text))]
GroupBy = Annotated[
    tuple[Literal["rule", "subject", "severity", "tags"], ...], BeforeValidator(as_tuple), Field(max_length=4)
]
Template = Annotated[str, Field(min_length=1, max_length=10_000)]


def _web(value: str) -> str:
    parts = urlsplit(value)
    try:
        usable = parts.port != 0 and not _BLANK.search(value)
    except ValueError:  # the port is no number, or none that there is
        usable = False
    if parts.scheme not in ("http", "https") or not parts.hostname or not usable:
        raise ValueError("a web address is wanted, such as https://hooks.example.org/tocsin")
    return value


def _no_zero(value: str) -> str:
    """Programs and files are named to the system by texts that a zero character ends."""
    if "\0" in value:
        raise ValueError("there is a zero character in it")
    return value


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("the name of a header is such as X-Team")
    return value


def _header(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("the value of a header has no line break or control character in it")
    return value


class ConsoleSpec(Strict):
    """A toast in the console; without a console a line on standard error.

    Keys:
        bell: whether the terminal rings, too.
    """

    bell: bool = True


class LogSpec(Strict):
    """A record in the log, at the level of the severity."""


class WebhookSpec(Strict):
    """A POST of JSON (docs/channels.md); redirects are not followed.

    Keys:
        url: where to; it is kept secret.
        timeout: how long one try may take.
        secret: signs each message (HMAC-SHA256, header `X-Tocsin-Signature`).
        headers: sent along, such as an Authorization.
        verify: whether the server's certificate is checked.
    """

    url: Annotated[str, Field(min_length=8, max_length=4_096)]
    secret: Annotated[str, Field(min_length=8)] | None = None
    headers: Annotated[dict[HeaderName, HeaderValue], Field(max_length=50)] = Field(default_factory=dict)
    timeout: SendDeadline = 10.0
    verify: bool = True

    _is_web = field_validator("url")(_web)


class CommandSpec(Strict):
    """A program of this machine, given the webhook's JSON on standard input.

    Exit status 0 means taken; 64 to 68, 77, 126 and 127 mean that trying again cannot help.

    Keys:
        run: the program and its arguments, a list; no shell reads it.
        env: variables to set.
        inherit: names of variables to pass on beside PATH, HOME, USER, LANG and the like.
        cwd: the directory to run in; that of the engine unless given.
        timeout: how long it may take; then it is ended, with all it started.
    """

    run: Annotated[
        tuple[Annotated[str, Field(max_length=65_536), AfterValidator(_no_zero)], ...],
        BeforeValidator(as_tuple),
        Field(min_length=1, max_length=200),
    ]
    env: Annotated[dict[VariableName, str], Field(max_length=100)] = Field(default_factory=dict)
    inherit: Annotated[tuple[VariableName, ...], BeforeValidator(as_tuple), Field(max_length=100)] = ()
    cwd: Annotated[str, Field(min_length=1)] | None = None
    timeout: SendDeadline = 20.0

    @field_validator("run")
    @classmethod
    def _names_a_program(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0].strip():
            raise ValueError("the first of it names a program, such as /usr/local/bin/page")
        return value


class FileSpec(Strict):
    """A line of the webhook's JSON at the end of a file, which is opened anew for each message.

    Keys:
        path: relative to the directory the engine was started in; made with mode 0600 when missing.
    """

    path: Annotated[str, Field(min_length=1, max_length=4_096), AfterValidator(_no_zero)]


class SentrySpec(Strict):
    """An event in Sentry, one issue for each alert.

    Keys:
        dsn: as Sentry shows it, such as `https://KEY@o1.ingest.sentry.io/2`.
        environment: what Sentry calls the place, such as live.
        timeout: how long one try may take.
    """

    dsn: Annotated[str, Field(min_length=8, max_length=4_096)]
    environment: str = ""
    timeout: SendDeadline = 10.0

    @field_validator("dsn")
    @classmethod
    def _is_dsn(cls, value: str) -> str:
        parts = urlsplit(_web(value))
        if not parts.username or not parts.path.rpartition("/")[2].isdigit():
            raise ValueError("a DSN is wanted, such as https://KEY@o1.ingest.sentry.io/2")
        return value


class PagerdutySpec(Strict):
    """An incident in PagerDuty (Events API v2): triggered, acknowledged and resolved with the alert.

    Keys:
        routing_key: the integration key of the service.
        endpoint: where events are sent.
        timeout: how long one try may take.
    """

    routing_key: Annotated[str, Field(min_length=8, max_length=200)]
    endpoint: Annotated[str, Field(min_length=8, max_length=4_096)] = PAGERDUTY
    timeout: SendDeadline = 10.0

    _is_web = field_validator("endpoint")(_web)


KindSpec = ConsoleSpec | LogSpec | WebhookSpec | CommandSpec | FileSpec | SentrySpec | PagerdutySpec


class Channel(Strict):
    """A named destination that hears of alerts at or above `min_severity`; it is of exactly one kind.

    Keys:
        url: any URL that apprise understands.
        fallback: the channel that is told instead when this one keeps failing for `fallback_after`.
        rate_limit: messages a minute; what is above leaves as one when the minute is over.
        template: a name of `templates:`, or a title and a body of its own.
        send_resolved: whether the end of an alert is told.
    """

    url: Annotated[str, Field(min_length=3)] | None = None
    console: ConsoleSpec | None = None
    log: LogSpec | None = None
    webhook: WebhookSpec | None = None
    command: CommandSpec | None = None
    file: FileSpec | None = None
    sentry: SentrySpec | None = None
    pagerduty: PagerdutySpec | None = None
    min_severity: SeverityField = Severity.INFO
    fallback: Identifier | None = None
    fallback_after: PositiveDuration = 600.0
    rate_limit: Annotated[int, Field(ge=1, le=10_000)] = DEFAULT_RATE_LIMIT
    template: Identifier | TemplateSpec | None = None
    send_resolved: bool = True

    @model_validator(mode="after")
    def _one_kind(self) -> Channel:
        if sum(getattr(self, name) is not None for name in KINDS) != 1:
            raise ValueError(f"a channel has exactly one of {', '.join(KINDS)}")
        return self

    @property
    def kind(self) -> str:
        """Which of `KINDS` it is."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def spec(self) -> Any:
        """What the file says under the name of its kind."""
        return getattr(self, self.kind)

    @property
    def secrets(self) -> frozenset[str]:
        """What nobody is to read anywhere: addresses that open doors, keys, passwords."""
        return frozenset(filter(None, self._secrets()))

    def _secrets(self) -> Iterator[str]:
        if self.url is not None:
            yield self.url
        if self.webhook is not None:
            yield from (self.webhook.url, self.webhook.secret or "", *self.webhook.headers.values())
        if self.command is not None:
            yield from self.command.env.values()
        if self.sentry is not None:
            yield self.sentry.dsn
            yield unquote(urlsplit(self.sentry.dsn).username or "")
        if self.pagerduty is not None:
            yield self.pagerduty.routing_key


class TemplateSpec(Strict):
    """The words of messages, as Jinja2 templates; what is not given is worded as ever.

    Keys:
        title, body: may use `alert`, `rule`, `kind`, `severity`, `subject`, `message`, `value`, `threshold`,
            `why`, `age`, `lasted`, `author`, `note`, `todo` and `runbook` (docs/channels.md).
    """

    title: Template | None = None
    body: Template | None = None


class Route(Strict):
    """Channels for the alerts that fit; the first route that fits decides, unless it says `continue: true`.

    A rule's own `channels:` come first, in addition to these.

    Keys:
        channels: who is told.
        min_severity, max_severity: only alerts from and up to these.
        tags: only alerts whose rule, or whose workflow, has one of these.
        rules, workflows: only alerts of these ids or names, with `*` as wildcard.
        times: only at these times.
        continue: whether the routes below are looked at, too.
        group_by: alerts that agree in these leave as one message: `rule`, `subject`, `severity`, `tags`.
        group_wait, group_interval, repeat: how long the first message of a group waits for more, how often
            a group that changed is told, and how often one that did not (0: never).
    """

    channels: Annotated[Names, Field(min_length=1, max_length=50)]
    min_severity: SeverityField = Severity.INFO
    max_severity: SeverityField = Severity.CRITICAL
    tags: Names = ()
    rules: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(max_length=200)] = ()
    workflows: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(max_length=200)] = ()
    times: Periods = ()
    continue_: Annotated[bool, Field(alias="continue")] = False
    group_by: GroupBy = ()
    group_wait: PositiveDuration = 30.0
    group_interval: PositiveDuration = 300.0
    repeat: Duration = 14_400.0


Routes = Annotated[tuple[Route, ...], BeforeValidator(as_tuple), Field(max_length=200)]


class DeadmanSpec(Strict):
    """A sign of life to somebody outside, for as long as checks, records and messages make progress.

    Exactly one of `url` and `channel`.

    Keys:
        url: asked for each time.
        method: `GET`, or `POST` with an empty body; for `url` alone.
        channel: told each time, instead.
        every: how often.
    """

    url: Annotated[str, Field(min_length=8, max_length=4_096)] | None = None
    method: Literal["GET", "POST"] = "GET"
    channel: Identifier | None = None
    every: Annotated[PositiveDuration, Field(ge=5, le=86_400)] = 60.0

    @field_validator("url")
    @classmethod
    def _is_web(cls, value: str | None) -> str | None:
        return None if value is None else _web(value)

    @model_validator(mode="after")
    def _one_way(self) -> DeadmanSpec:
        if (self.url is None) == (self.channel is None):
            raise ValueError("a dead-man's switch has either a url: or a channel:")
        if self.url is None and "method" in self.model_fields_set:
            raise ValueError("method: goes with url:")
        return self


Channel.model_rebuild()
