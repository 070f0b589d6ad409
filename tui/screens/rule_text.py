"""A rule in full, as text: its YAML with the state beside each condition, its subjects and decisions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from textual.content import Content

from engine.model.rules import ConditionState, RuleDetail, RuleStatus, SubjectState
from engine.text import counted
from tui import present
from tui.screens.details import block, decision_lines, fact

_KEY = re.compile(r"^(\s*(?:- )?)([A-Za-z_]+:)(?=\s|$)")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_NUMBER_WIDTH = 5
_VERDICT_WIDTH = 10
_SUBJECTS_SHOWN = 20


_THEN = "it stands here as of now; what each condition said then is not kept"


def rule_text(detail: RuleDetail, now: float, is_past: bool = False) -> Content:
    """Everything that is known of a rule, now or at an earlier moment."""
    first = next((subject for subject in detail.subjects if subject.conditions), None)
    if is_past:
        definition = [Content.styled(_THEN, present.MUTED), *_definition(detail, None)]
        blocks = [_head(detail.status), block("Definition · as of now", definition)]
    else:
        blocks = [_head(detail.status), block("Definition", _definition(detail, first))]
    if detail.subjects:
        blocks.append(block(f"Subjects · {detail.subject_count}", _subjects(detail)))
    none = "by then it had decided" if is_past else "it has decided"
    nothing = [Content.styled(f"{none} nothing worth a record", present.MUTED)]
    decided = [decision_lines(decision) for decision in detail.decisions]
    blocks.append(block("Decisions, newest first", decided or nothing))
    return Content("\n\n").join(blocks)


def _head(status: RuleStatus) -> Content:
    title = [present.rule_state(status.state), present.severity(status.severity)]
    lines = [
        Content("  ").join([*title, present.foreign(status.name, 120, "bold")]),
        present.foreign(status.looks_for, 1_000),
        Content(""),
    ]
    if status.asleep:
        lines.append(fact("Asleep", present.foreign(f"it looks on {status.asleep}", 300)))
    if status.strikes:
        off = ", so that it is not evaluated until it is changed, or the next start"
        told = f"{counted(status.strikes, 'time')}{off if status.state == 'failed' else ''}: see the log"
        lines.append(fact("Failed", Content(told)))
    lines.append(fact("Alerts", Content(f"{status.firing} firing or acknowledged, {status.pending} pending")))
    channels = present.foreign(", ".join(status.channels), 300)
    nobody = Content.styled("it names none; routes may", present.MUTED)
    lines.append(fact("Channels", channels if status.channels else nobody))
    return Content("\n").join(lines)


def _definition(detail: RuleDetail, subject: SubjectState | None) -> Iterator[Content]:
    """The lines of the file, each condition followed by how it is for one subject."""
    states: Sequence[ConditionState] = subject.conditions if subject is not None else ()
    place = detail.excerpt
    where = f"{place.file}:{place.line}" if place.file else "built in: it stands in no file"
    line = present.foreign(where, 300, present.MUTED)
    if subject is not None:
        beside = Content.styled(" · below each condition, how it is for ", present.MUTED)
        line = Content.assemble(line, beside, present.foreign(subject.subject, 120, "bold"))
    yield line
    if not place.file:
        yield from map(_state_line, states)
        return
    after = {line: number for number, line in enumerate(place.places)}
    for number, written in enumerate(place.text.split("\n"), place.line):
        lead = Content.styled(f"{number:>{_NUMBER_WIDTH}} ", present.MUTED)
        depth = len(written) - len(written.lstrip(" -"))
        line = yaml_line(written)
        yield present.hanging(lead.append(line[:depth]), line[depth:])
        if number in after and after[number] < len(states):
            yield _state_line(states[after[number]])


def yaml_line(line: str) -> Content:
    """One line of YAML: keys and comments stand out."""
    content = present.foreign(line, 500)
    text = content.plain
    if found := _KEY.search(text):
        content = content.stylize("$text-primary", *found.span(2))
    if found := _COMMENT.search(text):
        content = content.stylize(present.MUTED, *found.span())
    return content


def _state_line(state: ConditionState) -> Content:
    """`└ ● true  62.5 %  > 50 %`, or in a sentence what is not about one value."""
    mark = Content.styled(" " * _NUMBER_WIDTH + present.sign(" └ ", " - "), present.MUTED)
    verdict = present.fit(present.verdict(state.result), _VERDICT_WIDTH)
    if not state.value:
        return present.hanging(mark + verdict, present.foreign(state.words, 500))
    value, held = present.foreign(state.value, 200, "bold"), present.foreign(state.threshold, 300)
    return present.hanging(mark + verdict, Content.assemble(value, (" now, wanted ", present.MUTED), held))


def _subjects(detail: RuleDetail) -> Iterator[Content]:
    for state in detail.subjects[:_SUBJECTS_SHOWN]:
        line = Content.assemble(
            present.fit(present.verdict(state.result), _VERDICT_WIDTH), present.foreign(state.subject, 120)
        )
        if state.alert is not None:
            line = Content.assemble(line, "  ", present.alert_state(state.alert), f" #{state.alert_id}")
        yield line
    left = detail.subject_count - min(len(detail.subjects), _SUBJECTS_SHOWN)
    if left:
        yield Content.styled(f"and {left:,} more", present.MUTED)
