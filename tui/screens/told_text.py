"""What channels were told, as text: one message in full, and how each channel does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from textual.content import Content

from engine.model import Notification, NotificationState
from engine.text import counted
from tui import present
from tui.screens.details import block, fact, when

CHANNELS_SHOWN = 4
_WAITING = (NotificationState.QUEUED, NotificationState.SENDING)


def told_text(row: Notification, others: Sequence[Notification], now: float, retry_key: str) -> Content:
    """One row of the outbox: its receipt, what left with it, and the words.

    Args:
        others: the rows that left in the same message.
        retry_key: what tries it once more, if it was given up.
    """
    title = Content("  ").join(
        [
            present.notification_state(row.state),
            present.severity(row.severity),
            present.foreign(row.title, 200, "bold"),
        ]
    )
    blocks = [Content("\n").join([title, Content(""), *_receipt(row, now, retry_key)])]
    if others:
        shown = [present.foreign(other.title, 200) for other in others[:10]]
        left = [Content.styled(f"and {len(others) - 10} more", present.MUTED)] if len(others) > 10 else []
        blocks.append(block(f"In the same message · {len(others)}", [*shown, *left]))
    body = [present.foreign(line, 1_000) for line in row.body.split("\n")[:200]]
    blocks.append(block("Body", body))
    return Content("\n\n").join(blocks)


def _receipt(row: Notification, now: float, retry_key: str) -> Iterator[Content]:
    yield fact("Channel", present.foreign(row.channel, 64))
    yield fact("Alert", Content(f"#{row.alert_id} {row.transition.value}"))
    yield fact("Queued", when(row.created_at, now))
    if row.sent_at is not None:
        took = f"  took {present.duration_text(row.latency)}" if row.latency is not None else ""
        yield fact("Told", when(row.sent_at, now).append(Content.styled(took, present.MUTED)))
    if row.tries:
        yield fact("Tries", Content(f"{row.tries:,}"))
    if row.state in _WAITING:
        yield fact("Next try", Content(next_text(row, now)))
    if row.error:
        label = "Last error" if row.tries else "Reason"
        yield fact(label, present.foreign(row.error, 1_000, error_style(row)))
    if row.state is NotificationState.DEAD:
        yield fact("", Content.assemble((retry_key, "bold $primary"), " tries it once more"))
    if row.stands_for:
        yield fact("Instead of", present.foreign(row.stands_for, 64))
    if row.group:
        yield fact("Group", present.foreign(row.group, 200))
    yield fact("Key", present.foreign(row.message or row.key, 200, present.MUTED))


def next_text(row: Notification, now: float) -> str:
    """When it is tried next: `in 30 s`, `now` for what is due; a dash for what is over."""
    if row.state not in _WAITING:
        return present.sign("–", "-")
    return present.age_text(row.next_at, now) if row.next_at > now else "now"


def error_style(row: Notification) -> str:
    """How what `error` says is shown: calmly when nothing failed and it only tells what is waited for."""
    is_calm = row.state is not NotificationState.DEAD and not row.tries
    return present.MUTED if is_calm else "$text-error"


def channels_text(rows: Sequence[Notification], now: float) -> Content:
    """A line for each channel, those in trouble first; at most four and how many more there are."""
    by_channel: dict[str, list[Notification]] = {}
    for row in rows:
        by_channel.setdefault(row.channel, []).append(row)
    ordered = sorted(by_channel.items(), key=lambda item: (-_trouble(item[1]), item[0]))
    lines = [_channel_line(name, mine, now) for name, mine in ordered[:CHANNELS_SHOWN]]
    if len(ordered) > CHANNELS_SHOWN:
        lines.append(
            Content.styled(f"and {counted(len(ordered) - CHANNELS_SHOWN, 'more channel')}", present.MUTED)
        )
    return Content("\n").join(lines)


def _trouble(rows: Sequence[Notification]) -> int:
    """0 when all is well, 1 when something had to be tried again and waits, 2 when something was given up."""
    if any(row.state is NotificationState.DEAD for row in rows):
        return 2
    return int(any(row.state in _WAITING and row.error and row.tries for row in rows))


def _channel_line(name: str, rows: Sequence[Notification], now: float) -> Content:
    sent = [row for row in rows if row.state is NotificationState.SENT]
    dead = sum(row.state is NotificationState.DEAD for row in rows)
    waiting = sum(row.state in _WAITING for row in rows)
    parts = [f"{len(sent):,} told"]
    if dead:
        parts.append(f"{dead:,} given up")
    if waiting:
        parts.append(f"{waiting:,} waiting")
    if took := [row.latency for row in sent if row.latency is not None]:
        parts.append(f"p50 {present.duration_text(median(took))}")
    if told := [row.sent_at for row in sent if row.sent_at is not None]:
        parts.append(f"last {present.age_text(max(told), now)} ago")
    signs = (("✓", "+", "$success"), ("◌", ".", "$warning"), ("✗", "x", "$error"))[_trouble(rows)]
    line = Content.assemble(
        (present.sign(signs[0], signs[1]), signs[2]), " ",
        present.fit(present.foreign(name, 40, "bold"), 14), " ", (" · ".join(parts), present.MUTED),
    )  # fmt: skip
    failed = next((row for row in rows if row.error and row.state is not NotificationState.SENT), None)
    return line.append(present.foreign(f"  {failed.error}", 300, error_style(failed))) if failed else line
