"""What to look at after a period, each with the figures that say so; never a guess without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.lines import lasted, percent, seconds, spelled
from engine.model import MetricsSummary, Severity
from engine.reporting.model import Advice, ChannelTally, RuleTally, ServiceLevel
from engine.text import counted

NEAR_TIMEOUT = 0.8
"""A 95th percentile above this share of the timeout is close to being cut off."""
FLAPS = 4
"""Alerts of a rule about one subject from which on it may be flapping."""
SHORT = 300.0
"""Seconds; alerts that mostly end sooner than this flap rather than recur."""
NOISE = 10
"""Alerts of a rule from which on it is asked whether anybody acts on them."""
LEAN = 0.05
"""The share of executions that only retries save, from which on the target is not healthy."""
FEW = 10
"""Executions, or retries, below which a share says nothing."""
NEVER_FAILED = 1_000
"""Executions without a failure after which a check may not check anything."""
STEADY = 0.99
"""The share of checks of the monitor's own parts that are to find them well."""
DAY = 86_400.0


def advise(
    summary: MetricsSummary,
    levels: Iterable[ServiceLevel],
    rules: Iterable[RuleTally],
    channels: Iterable[ChannelTally],
) -> tuple[Advice, ...]:
    """All that the figures give reason for, the gravest first."""
    found = [
        *(advice for level in levels for advice in _of_workflow(level, summary)),
        *(advice for rule in rules for advice in _of_rule(rule)),
        *(advice for channel in channels for advice in _of_channel(channel)),
        *_of_parts(summary),
    ]
    return tuple(sorted(found, key=lambda advice: -advice.severity.rank))


def _of_workflow(level: ServiceLevel, summary: MetricsSummary) -> Iterator[Advice]:
    def say(severity: Severity, advice: str, evidence: str) -> Advice:
        return Advice(severity, level.workflow_id, advice, evidence, level.workflow_id)

    if not level.executions:
        yield say(
            Severity.INFO,
            "See why it did not run: it is paused, held back, on call, or new.",
            "It has not been executed in this period.",
        )
    if level.met is False:
        yield say(
            Severity.ERROR,
            "Find what fails, or lower its objective if that is good enough.",
            f"{level.failures:,} of {level.executions:,} executions failed: {percent(level.success_rate)} "
            f"succeeded, {objective(level.objective)} were to; that allows {_allowed(level.allowed)}.",
        )
    if level.timeout and level.p95 is not None and level.p95 >= NEAR_TIMEOUT * level.timeout:
        yield say(
            Severity.WARNING,
            "Find what is slow before its executions are cut off, or raise its timeout.",
            f"Its p95 of {seconds(level.p95)} is {level.p95 / level.timeout * 100:,.0f} % of its timeout of "
            f"{spelled(level.timeout)}.",
        )
    if level.rules == 0:
        yield say(
            Severity.WARNING,
            "Add a rule that looks at it, or it fails unseen.",
            "No enabled rule covers it.",
        )
    yield from (say(*words) for words in _of_retries(level))
    lasted = summary.until - summary.since
    if level.executions >= NEVER_FAILED and not level.failures and not level.retried and lasted >= 7 * DAY:
        yield say(
            Severity.INFO,
            "Make sure that it can fail: try its expectations with tocsin check --replay.",
            f"It has not failed once in {level.executions:,} executions.",
        )


def _of_retries(level: ServiceLevel) -> Iterator[tuple[Severity, str, str]]:
    """Retries that hide an unsteady target, and retries that never help."""
    if level.retried < FEW:
        return
    share = level.rescued / level.executions if level.executions else 0.0
    if share >= LEAN:
        yield (
            Severity.WARNING,
            "Look at the target: it is less steady than its success rate says.",
            f"Retries rescued {level.rescued:,} of {level.executions:,} executions ({percent(share)}).",
        )
    elif not level.rescued:
        yield (
            Severity.INFO,
            "Try again less often (retry: fast): it only delays the alert.",
            f"{level.retried:,} executions were tried again and none succeeded; {seconds(level.waited)} were "
            "spent waiting.",
        )


def _of_rule(rule: RuleTally) -> Iterator[Advice]:
    def say(severity: Severity, advice: str, evidence: str) -> Advice:
        return Advice(severity, rule.rule_id, advice, evidence)

    subject, most = max(rule.subjects.items(), key=lambda pair: pair[1], default=("", 0))
    flaps = most >= FLAPS and rule.lasted is not None and rule.lasted < SHORT
    if flaps:
        yield say(
            Severity.WARNING,
            "Let it wait (for:), or hold together what changes too often (flapping: true).",
            f"It fired {most:,} times about {subject}; half of its alerts were over within "
            f"{lasted(rule.lasted or 0.0)}.",
        )
    if rule.alerts >= NOISE and not rule.acknowledged and not flaps:
        yield say(
            Severity.WARNING,
            "Lower its severity, narrow it, or group it: nobody acts on it.",
            f"{rule.alerts:,} alerts, {rule.ended:,} of them over by themselves, none taken by a person.",
        )


def _of_channel(channel: ChannelTally) -> Iterator[Advice]:
    total = channel.sent + channel.dead + channel.waiting
    if channel.dead:
        gave = "was" if channel.dead == 1 else "were"
        why = f" The last one said: {channel.error}" if channel.error else ""
        yield Advice(
            Severity.ERROR,
            channel.channel,
            "Test the channel (tocsin notify test), and give it a fallback.",
            f"{channel.dead:,} of {counted(total, 'message')} {gave} given up.{why}",
        )
    elif channel.waiting and not channel.sent:
        yield Advice(
            Severity.WARNING,
            channel.channel,
            "Test the channel (tocsin notify test).",
            f"{counted(channel.waiting, 'message')} waited and none was sent.",
        )


def _of_parts(summary: MetricsSummary) -> Iterator[Advice]:
    """The monitor's own parts; those of workflows are told by their levels."""
    for part in summary.health:
        if ":" not in part.component and part.checks >= FEW and part.uptime < STEADY:
            yield Advice(
                Severity.WARNING,
                part.component,
                "Ask tocsin doctor what ails this part of the monitor.",
                f"It was well in {percent(part.uptime)} of {part.checks:,} checks.",
            )


def objective(share: float) -> str:
    """An objective with as many nines as it has: `99.95 %`."""
    return f"{round(share * 100, 6):g} %"


def _allowed(failures: float) -> str:
    return "less than one failure" if failures < 1 else counted(int(failures), "failure")
