"""`tocsin sql` and `tocsin config`: what they print, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.tui.command_line import run, run_process

CONFIG = """\
version: 1
workflows:
  - {{id: pause, name: Pause, every: {every}, steps: [{{id: wait, wait: {{for: 1ms}}}}]}}
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which two configurations have run once each."""
    place = tmp_path_factory.mktemp("place")
    for every in ("1h", "2h"):
        (place / "rules.yaml").write_text(CONFIG.format(every=every))
        assert run_process("--once", place=place, **_state(place)).returncode == 0
    return place


@pytest.fixture(autouse=True)
def place(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand there."""
    monkeypatch.chdir(filled)
    for name, value in _state(filled).items():
        monkeypatch.setenv(name, value)


def _state(place: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(place / "state"), "XDG_RUNTIME_DIR": str(place / "run")}


def test_a_table_for_people() -> None:
    done = run("sql", "SELECT id, workflow, outcome FROM v_executions ORDER BY id")
    assert done.stdout.split() == ["id", "workflow", "outcome", "1", "pause", "ok", "2", "pause", "ok"]
    assert (done.returncode, done.stderr) == (0, "")


def test_json_and_csv_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    question = "SELECT id, x'00ff' AS bytes, NULL AS absent, 1.5 AS half FROM v_executions ORDER BY id"
    lines = run("sql", question, "--format", "json").stdout.splitlines()
    assert json.loads(lines[0]) == {"id": 1, "bytes": "00ff", "absent": None, "half": 1.5}
    monkeypatch.setattr("sys.stdin", io.StringIO(question))
    rows = list(csv.reader(io.StringIO(run("sql", "-", "--format", "csv").stdout)))
    assert rows == [["id", "bytes", "absent", "half"], ["1", "00ff", "", "1.5"], ["2", "00ff", "", "1.5"]]


def test_hostile_text_stays_text() -> None:
    done = run("sql", "SELECT char(27) || ']52;c;x' || char(7) AS a, 1 AS \"[red]\"")
    assert "\x1b" not in done.stdout
    assert "[red]" in done.stdout


def test_views_are_listed_with_their_columns() -> None:
    done = run("sql", "--views")
    assert "v_executions" in done.stdout
    assert "workflow, name, priority, outcome" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("sql",), "there is no question"),
        (("sql", "DROP TABLE logs"), "only questions are allowed"),
        (("config", "show", "zzz"), "no configuration begins with zzz"),
        (("config", "diff", "zzz"), "no configuration begins with zzz"),
    ],
)
def test_mistakes_get_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    done = run(*arguments)
    assert sentence in done.stderr
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_more_rows_than_asked_for_are_told() -> None:
    done = run("sql", "SELECT id FROM v_executions ORDER BY id", "--limit", "1")
    assert done.stdout.split() == ["id", "1"]
    assert "more rows than 1" in done.stderr


def test_configurations_are_listed_shown_and_compared() -> None:
    runs = [json.loads(line) for line in run("config", "history", "--json").stdout.splitlines()]
    assert [found["first_execution"] for found in runs] == [2, 1]
    newer, older = (found["digest"] for found in runs)
    assert older in run("config", "history").stdout
    assert run("config", "show", older[:6]).stdout == CONFIG.format(every="1h")
    changed = run("config", "diff", older)
    assert changed.returncode == 1
    assert [line[0] for line in changed.stdout.splitlines()[3:]] == [" ", " ", "-", "+"]
    same = run("config", "diff", newer, "rules.yaml")
    assert (same.returncode, same.stdout) == (0, "They are the same.\n")
