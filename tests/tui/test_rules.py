"""View 7: rules as they are now, backtests while a value is typed, test messages, the person's own editor."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine.errors import EngineUnavailableError
from engine.model import ReloadReport
from engine.model.rules import RuleStatus
from tests.tui.fake_data import NOW
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, is_told, press, settle, showing
from tui.app import TocsinApp
from tui.editing import editor_command
from tui.modals.backtest import BacktestModal
from tui.modals.backtest_text import end_of_number, nudged, progress_line
from tui.screens import rules as rules_view
from tui.screens.rule_text import yaml_line
from tui.widgets.columns import Cells
from tui.widgets.row_table import RowTable

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ud800-\udfff]")
WIDE = (190, 44)


@pytest.fixture
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed is tried at once."""
    monkeypatch.setattr("tui.modals.backtest.REST", 0.001)


@contextmanager
def _aside() -> Iterator[None]:
    """As Textual steps aside, which stays there when something is raised meanwhile."""
    try:
        yield
    except BaseException as error:
        raise AssertionError("the console does not come back") from error


async def test_each_rule_has_its_state_and_each_condition_its_own(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, WIDE) as (app, _pilot):
        await press(_pilot, "7")
        text = frame(app)
        for words in ("◉ firing", "‖ asleep", "! failed", "Slow answers  1 failed", "Broken  3 failed"):
            assert words in text
        assert "stopped at cooldown" in text
        assert "/srv/rules.yaml:12 · below each condition, how it is for checkout" in text
        lines = [line.split("││")[-1] for line in text.splitlines()]
        place = next(number for number, line in enumerate(lines) if "workflow.duration, operator" in line)
        assert "15     - {type: THRESHOLD" in lines[place]
        assert "└ ● true    6.2s now, wanted > 5s" in lines[place + 1]
        assert "└ ? unknown unknown now, wanted == ok" in lines[place + 3]
        assert "✗ cooldown  5m since the last" in text
        assert "Subjects · 9" in text
        assert "and 7 more" in text


async def test_moving_shows_another_rule_and_what_keeps_it_quiet(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, WIDE) as (app, pilot):
        await press(pilot, "7", "j")
        assert "Asleep      it looks on mon-fri" in frame(app)
        assert "built in: it stands in no file" in frame(app)
        await press(pilot, "j")
        assert "3 times, so that it is not evaluated until it is changed, or the next start" in frame(app)
        await press(pilot, "f")
        assert app.screen.query_one("#rules", RowTable).row_count == 2
        await press(pilot, "enter")
        assert app.focused is not None
        assert app.focused.id == "rule"


async def test_no_rules_and_no_engine_are_said(tmp_path: Path) -> None:
    client = FakeClient()
    client.has_rules = False
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "7")
        assert "the configuration has no rules" in frame(app)
        assert "no rule is selected" in frame(app)
        client.fail_with = EngineUnavailableError("no engine runs on this database")
        await press(pilot, "1", "7")
        assert "no engine runs on this database" in frame(app)


async def test_hostile_rules_are_shown_as_text(tmp_path: Path) -> None:
    client = FakeClient(hostile=True)
    async with console(client, tmp_path, (120, 40)) as (app, pilot):
        for keys in (("7",), ("b",), ("8", "backspace", "backspace"), ("escape", "n"), ("enter",), ("j",)):
            await press(pilot, *keys)
            for line in frame(app).split("\n"):
                assert not _CONTROL.search(line), (keys, ascii(line))
        assert ("try_channel", "pager") in client.calls
        assert not app.crash_sentence


def _typed(app: TocsinApp) -> str:
    return app.screen.query_one(Input).value


@pytest.mark.usefixtures("_no_rest")
async def test_a_backtest_follows_what_is_typed(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (110, 34)) as (app, pilot):
        await press(pilot, "7", "b")
        assert showing(app) == "BacktestModal"
        assert ("backtest", ("slow", 900.0, ())) in client.calls
        assert re.search(r"Fires +5 ", frame(app))
        await press(pilot, "backspace", "8")
        await _rested(pilot)
        await settle(pilot)
        assert _typed(app) == "threshold=8s"
        assert ("backtest", ("slow", 900.0, ("threshold=8s",))) in client.calls
        assert re.search(r"Fires +5 +2  -3", frame(app))
        assert re.search(r"Messages +10 +4  -6", frame(app))
        assert "Fires no more · 3" in frame(app)
        await press(pilot, "up", "pageup")
        await _rested(pilot)
        await settle(pilot)
        assert client.calls[-1] == ("backtest", ("slow", 3_600.0, ("threshold=9s",)))
        await press(pilot, "backspace", "x")
        await _rested(pilot)
        await settle(pilot)
        assert "threshold=xs: a duration is such as 5s" in frame(app)
        await press(pilot, "escape")
        assert showing(app) == "RulesView"


async def _rested(pilot: Pilot[int]) -> None:
    """Until what was typed has begun to be tried."""
    screen = pilot.app.screen
    assert isinstance(screen, BacktestModal)
    while screen._rest is not None:
        await pilot.pause()


async def test_what_goes_on_is_shown_and_given_up_with_the_modal(tmp_path: Path) -> None:
    client = FakeClient()
    client.gate = asyncio.Event()
    async with console(client, tmp_path, (110, 34)) as (app, pilot):
        await press(pilot, "7")
        await pilot.press("b")
        await pilot.pause()
        modal = app.screen
        assert isinstance(modal, BacktestModal)
        while modal._done[1] == 0:
            await pilot.pause()
        modal._stopwatch = lambda: modal._began + 2.0
        modal._show_progress()
        await pilot.pause()
        assert "25 %, 6.00 s left · 12,000 executions" in frame(app)
        worker = modal._worker
        await pilot.press("escape")
        await settle(pilot)
        assert worker is not None
        assert worker.is_cancelled


async def test_test_messages_are_asked_for_and_each_is_told_of(tmp_path: Path) -> None:
    client = FakeClient()
    client._say = lambda text, number: text  # type: ignore[method-assign]
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "7", "n")
        assert "Send test messages?" in frame(app)
        await press(pilot, "escape")
        assert "try_channel" not in {name for name, _ in client.calls}
        await press(pilot, "n", "enter")
        assert "ops took it in 42 ms" in frame(app)
        assert "pager did not take it after 42 ms: HTTP 503" in frame(app)
        await press(pilot, "j", "n")
        assert "the rule names no channel of its own" in frame(app)


async def test_the_editor_opens_at_the_rule_and_the_file_is_put_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("before\n")
    script = "import sys; open(sys.argv[-1], 'a').write(' '.join(sys.argv[1:-1]) + 'after')"
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", shlex.join([sys.executable, "-c", script]))
    client = FakeClient()
    client.rule_file = str(file)
    client.reload_report = ReloadReport(NOW, "2 problems", problems=("rules.yaml:3: no such key",))
    async with console(client, tmp_path) as (app, pilot):
        monkeypatch.setattr(app, "suspend", _aside)
        await press(pilot, "7", "E")
        assert file.read_text() == "before\nafter"
        assert client.reloads == 1
        assert "rules.yaml:3: no such key" in frame(app)
        assert "E edit again" in frame(app)
        monkeypatch.setenv("EDITOR", shlex.join([sys.executable, "-c", script, "again "]))
        await press(pilot, "E")
        assert client.reloads == 2
        assert file.read_text() == "before\nafteragain after"
        await press(pilot, "escape")
        monkeypatch.setenv("EDITOR", shlex.join([sys.executable, "-c", ""]))
        await press(pilot, "E")
        assert is_told(app, "the file is as it was")
        monkeypatch.setenv("EDITOR", shlex.join([sys.executable, "-c", "raise SystemExit(3)"]))
        await press(pilot, "E")
        assert is_told(app, "the editor ended with code 3")
        monkeypatch.setenv("EDITOR", str(tmp_path / "gone"))
        await press(pilot, "E", "j", "E")
        assert is_told(app, "cannot be run")
        assert "this rule stands in no file" in frame(app)
        assert client.reloads == 2


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("[os.kill(os.getppid(), number) for number in (2, 3, 2)]", "the file is as it was"),
        ("os.kill(os.getpid(), 9)", "the editor was ended by signal 9"),
        ("os.unlink(sys.argv[-1])", "No such file"),
        ("os.unlink(sys.argv[-1]); os.mkfifo(sys.argv[-1])", "no regular"),
    ],
)
async def test_whatever_an_editor_does_the_console_comes_back(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("before\n")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", shlex.join([sys.executable, "-c", f"import os, sys; {script}"]))
    client = FakeClient()
    client.rule_file = str(file)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)]
    async with console(client, tmp_path) as (app, pilot):
        monkeypatch.setattr(app, "suspend", _aside)
        await press(pilot, "7", "E")
        assert is_told(app, words)
        assert client.reloads == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT)] == handlers


@pytest.mark.parametrize(
    ("editor", "command"),
    [
        ("vim -n", ["vim", "-n", "+7", "/a b"]),
        ("/usr/bin/hx", ["/usr/bin/hx", "/a b:7"]),
        ("code --wait", ["code", "--wait", "--goto", "/a b:7"]),
        ("mine", ["mine", "/a b"]),
    ],
)
def test_editors_are_given_the_line_as_they_take_it(
    editor: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", editor)
    assert editor_command(Path("/a b"), 7) == command


def test_no_editor_is_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "")
    monkeypatch.setenv("EDITOR", "'open quote")
    monkeypatch.setenv("PATH", "")
    assert editor_command(Path("/a"), 7) == []


@pytest.mark.parametrize(
    ("text", "more", "less"),
    [
        ("threshold=50%", "threshold=55%", "threshold=45%"),
        ("threshold=5s for=2m", "threshold=5s for=3m", "threshold=5s for=1m"),
        ("threshold=2.5s", "threshold=3s", "threshold=2s"),
        ("threshold=800ms", "threshold=850ms", "threshold=750ms"),
        ("count=0", "count=1", "count=0"),
        ("x", "x", "x"),
    ],
)
def test_the_last_number_goes_up_and_down(text: str, more: str, less: str) -> None:
    assert nudged(text, 1) == more
    assert nudged(text, -1) == less


def test_the_cursor_stands_before_the_unit() -> None:
    assert end_of_number("threshold=50%") == len("threshold=50")
    assert end_of_number("threshold=") == len("threshold=")


def test_progress_is_told_of_what_takes_long() -> None:
    assert not progress_line(0.5, 10, 0.1).plain
    assert "50 %, 1.00 s left · 10 executions" in progress_line(0.5, 10, 1.0).plain
    assert "left" not in progress_line(0.0, 0, 1.0).plain


def test_yaml_keeps_its_words_and_places() -> None:
    for line in ("- id: slow  # shop", "    value: '#3'", "# all", "", "  - {a: b}"):
        assert yaml_line(line).plain == line


async def test_of_many_rules_only_the_rows_in_view_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient()
    made: list[str] = []
    few = await client.rules()
    many = tuple(replace(few[number % 3], id=f"rule-{number}") for number in range(2_000))

    async def rules(_at: float | None = None) -> object:
        return many

    def cells(rule: RuleStatus, now: float) -> Cells:
        made.append(rule.id)
        return real(rule, now)

    real = rules_view._cells
    monkeypatch.setattr(rules_view, "_cells", cells)
    monkeypatch.setattr(client, "rules", rules)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "7")
        table = app.screen.query_one("#rules", RowTable)
        assert table.row_count == 2_000
        assert "rule-0" in made
        assert len(set(made)) <= table.size.height
