"""The forms of a report: complete, and foreign text stays text in each of them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.errors import TocsinError
from engine.model import NotificationState, Outcome
from engine.reporting.document import executions
from engine.reporting.forms import Form, form_of, render, save
from engine.reporting.making import make
from engine.reporting.model import Report
from tests.engine.reporting.material import CALM, UNTIL, alert, message, summary, workflow
from tests.tui.fake_data import HOSTILE

ATTACK = "<script>alert(1)</script>|[x](javascript:y) `z` \x1b]52;c;aGk=\x07"


def report(name: str = "shop") -> Report:
    material = replace(
        CALM,
        summary=summary(workflow(name, 1_000, 0.9), workflow("fine", 10, 1.0)),
        alerts=[alert(n, subject=name) for n in range(5)],
        notifications=[message(1, NotificationState.DEAD, error=name)],
        pledges=(),
    )
    return make(material, UNTIL)


class Tags(HTMLParser):
    """The tags of a page, whether they are closed, and what was said."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_what_has_a_result_adds_up() -> None:
    outcomes = {Outcome.SKIPPED: 9, Outcome.FAILED: 16, Outcome.OK: 1_047}
    known = replace(summary(), executions=1_063, outcomes=outcomes)
    assert executions(known) == "1,063 (1,047 ok, 16 failed); 9 skipped"
    assert executions(replace(known, executions=0, outcomes={Outcome.SKIPPED: 9})) == "0; 9 skipped"


@pytest.mark.parametrize("form", [Form.TEXT, Form.MARKDOWN, Form.HTML])
def test_every_form_has_everything(form: Form) -> None:
    text = render(report(), form)
    for words in ("shop", "fine", "1,010", "90.0 %", "99 %", "10× spent", "held steady", "noisy", "ops",
                  "100 of 1,000 executions failed", "Find what fails"):  # fmt: skip
        assert words in text, words
    assert text.endswith("\n")


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("name", [*HOSTILE, ATTACK])
def test_foreign_text_stays_text(form: Form, name: str) -> None:
    text = render(report(name), form)
    assert not set(text) & {chr(code) for code in (*range(32), *range(0x7F, 0xA0)) if code != 10}
    assert "\u202e" not in text


def test_html_has_no_scripts_and_is_well_formed() -> None:
    page = render(report(ATTACK), Form.HTML)
    tags = Tags(page)
    assert tags.open == []
    assert not tags.seen & {"script", "a", "img", "link", "iframe"}
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert "@media print" in page


def test_markdown_shows_markup_as_it_was_written() -> None:
    text = render(report(ATTACK), Form.MARKDOWN)
    assert "<script>" not in text
    assert "\\<script\\>" in text
    header, _, first = text[text.index("| Workflow") :].splitlines()[:3]
    assert first.replace("\\|", "").count("|") == header.count("|")


def test_csv_has_a_line_a_workflow_with_bare_numbers_and_no_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(render(report("=cmd()"), Form.CSV))))
    assert [row["workflow"] for row in rows] == ["'=cmd()", "fine"]
    assert (rows[0]["executions"], rows[0]["success_rate"], rows[0]["met"]) == ("1000", "0.9", "False")
    assert float(rows[0]["budget_left"]) == pytest.approx(-9.0)


def test_text_is_coloured_only_when_asked() -> None:
    assert "\x1b[" not in render(report(), Form.TEXT)
    assert "\x1b[1m" in render(report(), Form.TEXT, colour=True)


def test_the_name_of_a_file_tells_its_form() -> None:
    names = {
        "a.md": Form.MARKDOWN,
        "a.HTML": Form.HTML,
        "a.csv": Form.CSV,
        "a.txt": Form.TEXT,
        "a": Form.TEXT,
    }
    assert {name: form_of(Path(name)) for name in names} == names
    assert form_of(None) is Form.TEXT


def test_a_file_appears_whole_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    save("one\n", path)
    assert path.read_text() == "one\n"
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(TocsinError, match="exists already"):
        save("two\n", path)
    with pytest.raises(TocsinError, match="cannot write"):
        save("x", tmp_path / "nowhere" / "report.md")
    assert [one.name for one in tmp_path.iterdir()] == ["report.md"]


def test_an_empty_period_makes_a_report_as_well() -> None:
    nothing = replace(summary(), previous=None, trends=None, health=(), alerts={})
    empty = make(replace(CALM, summary=nothing, pledges=()), UNTIL)
    for form in Form:
        assert render(empty, form)
    assert "No workflow ran in this period." in render(empty, Form.TEXT)
    assert "Nothing in the figures" in render(empty, Form.TEXT)
