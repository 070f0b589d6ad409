"""The forms a report is written in: text, Markdown, one page of HTML, CSV."""

from __future__ import annotations

import csv
import html
import io
import re
import textwrap
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from engine.files import no_formula, private_file
from engine.lines import moment, table
from engine.reporting.document import Cell, Document, Section, Table, document
from engine.reporting.model import Report
from engine.text import plain

_CELL = 1_000
_WIDTH = 100
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&!])")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f24; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2rem; border-bottom: 1px solid #d0d7de; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #e5e9ee; vertical-align: top; }
th { color: #57606a; font-weight: 600; } .n { text-align: right; white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; } dt { color: #57606a; }
dd { margin: 0; } footer { margin-top: 3rem; color: #57606a; font-size: 13px; }
@media print { body { margin: 0; max-width: none; } h2, tr { break-inside: avoid; } }
"""


class Form(StrEnum):
    """What a report is written as; the value is what it is called in commands."""

    TEXT = "text"
    MARKDOWN = "md"
    HTML = "html"
    CSV = "csv"

    @property
    def suffix(self) -> str:
        return ".txt" if self is Form.TEXT else f".{self.value}"

    @property
    def words(self) -> str:
        return {Form.TEXT: "plain text", Form.MARKDOWN: "Markdown", Form.HTML: "one page of HTML",
                Form.CSV: "CSV, a line a workflow"}[self]  # fmt: skip


def form_of(path: Path | None) -> Form:
    """The form that a file's name asks for; text for any other, and without a file."""
    suffix = path.suffix.lower() if path is not None else ""
    return next((form for form in Form if form.suffix == suffix), Form.TEXT)


def render(report: Report, form: Form, *, colour: bool = False) -> str:
    """The report as a text that ends with a line's end; `colour` counts for text alone."""
    if form is Form.CSV:
        return _csv(report)
    if form is Form.TEXT:
        return _text(document(report), colour)
    renderers: dict[Form, Callable[[Document, float], str]] = {Form.MARKDOWN: _markdown, Form.HTML: _html}
    return renderers[form](document(report), report.made_at)


def save(text: str, path: Path) -> None:
    """Write a new private file, which appears when it is complete.

    Raises:
        TocsinError: it exists already, or cannot be written.
    """
    with private_file(path) as out:
        out.write(text)


def _shown(cell: Cell) -> str:
    return "–" if cell is None else plain(cell, _CELL)


def _text(found: Document, colour: bool) -> str:
    lines = [found.title, found.subtitle]
    for section in found.sections:
        lines += ["", section.title.upper(), *(f"  {line}" for line in _text_body(section, colour))]
    return "\n".join(lines) + "\n"


def _text_body(section: Section, colour: bool) -> Iterator[str]:
    for sentence in section.sentences:
        yield from textwrap.wrap(plain(sentence, _CELL), _WIDTH)
    for name, value in section.facts:
        yield f"{name:<13} {plain(value, _CELL)}"
    if section.table is None:
        return
    if section.table.header[-1] != "What to do":
        header = [name.upper() for name in section.table.header]
        yield from table(header, section.table.rows, colour=colour)
        return
    for place, row in enumerate(section.table.rows):
        severity, about, because, advice = map(_shown, row)
        yield from [""] * bool(place)
        yield f"{severity}  {about}"
        for words in (because, advice):
            yield from textwrap.wrap(words, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _markdown(found: Document, made_at: float) -> str:
    lines = [f"# {found.title}", "", _md(found.subtitle), ""]
    for section in found.sections:
        lines += [f"## {section.title}", ""]
        lines += [f"- {_md(sentence)}" for sentence in section.sentences]
        lines += [f"- **{name}**: {_md(value)}" for name, value in section.facts]
        if section.table is not None:
            lines += [""] * bool(section.sentences or section.facts)
            lines += _markdown_table(section.table)
        lines.append("")
    return "\n".join([*lines, f"*Made by Tocsin at {moment(made_at)}.*", ""])


def _markdown_table(found: Table) -> list[str]:
    rules = ("--:" if name in found.numbers else "---" for name in found.header)
    rows = ("| " + " | ".join(_md(_shown(cell)) for cell in row) + " |" for row in found.rows)
    return ["| " + " | ".join(found.header) + " |", "| " + " | ".join(rules) + " |", *rows]


def _md(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", plain(text, _CELL))


def _html(found: Document, made_at: float) -> str:
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{_escaped(found.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_escaped(found.title)}</h1><p>{_escaped(found.subtitle)}</p>",
    ]
    for section in found.sections:
        parts.append(f"<section><h2>{_escaped(section.title)}</h2>")
        parts += [f"<p>{_escaped(sentence)}</p>" for sentence in section.sentences]
        if section.facts:
            facts = (f"<dt>{_escaped(name)}</dt><dd>{_escaped(value)}</dd>" for name, value in section.facts)
            parts.append(f"<dl>{''.join(facts)}</dl>")
        if section.table is not None:
            parts += _html_table(section.table)
        parts.append("</section>")
    return "\n".join(
        [*parts, f"<footer>Made by Tocsin at {_escaped(moment(made_at))}.</footer></body></html>", ""]
    )


def _html_table(found: Table) -> Iterator[str]:
    lean = [' class="n"' if name in found.numbers else "" for name in found.header]
    yield "<table><thead><tr>"
    yield "".join(f"<th{each}>{_escaped(name)}</th>" for each, name in zip(lean, found.header, strict=True))
    yield "</tr></thead><tbody>"
    for row in found.rows:
        cells = (f"<td{each}>{_escaped(_shown(cell))}</td>" for each, cell in zip(lean, row, strict=True))
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def _escaped(text: str) -> str:
    return html.escape(plain(text, _CELL))


def _csv(report: Report) -> str:
    """A line a workflow, numbers bare: shares of 0–1, seconds, and times in seconds since the epoch."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("since", "until", "workflow", "executions", "failures", "success_rate", "objective", "met",
         "allowed_failures", "budget_left", "p50", "p95", "p99", "alerts", "retried", "rescued")
    )  # fmt: skip
    since, until = report.summary.since, report.summary.until
    for level in report.levels:
        writer.writerow(
            (since, until, no_formula(plain(level.workflow_id, _CELL)), level.executions, level.failures,
             level.success_rate, level.objective, level.met, level.allowed, level.left, level.p50, level.p95,
             level.p99, level.alerts, level.retried, level.rescued)
        )  # fmt: skip
    return out.getvalue()
