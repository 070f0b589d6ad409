"""`tocsin sql` and `tocsin config`: what they print, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
version: 1
workflows:
  - {{id: pause, name: Pause, every: {every}, steps: [{{id: wait, wait: {{for: 1ms}}}}]}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which two configurations have run once each."""
    place = tmp_path_factory.mktemp("place")
    for every in ("1h", "2h"):
        (place / "rules.yaml").write_text(CONFIG.format(every=every))
        assert run(place, "--once").returncode == 0
    return place


def run(place: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_STATE_HOME": str(place / "state"), "XDG_RUNTIME_DIR": str(place / "run")}
    command = [sys.executable, "-m", "tui.cli", *arguments]
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.run(
        command,
        cwd=place,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_table_for_people(place: Path) -> None:
    done = run(place, "sql", "SELECT id, workflow, outcome FROM v_executions ORDER BY id")
    assert done.stdout.split() == ["id", "workflow", "outcome", "1", "pause", "ok", "2", "pause", "ok"]
    assert (done.returncode, done.stderr) == (0, "")


def test_json_and_csv_for_programs(place: Path) -> None:
    question = "SELECT id, x'00ff' AS bytes, NULL AS absent, 1.5 AS half FROM v_executions ORDER BY id"
    lines = run(place, "sql", question, "--format", "json").stdout.splitlines()
    assert json.loads(lines[0]) == {"id": 1, "bytes": "00ff", "absent": None, "half": 1.5}
    rows = list(csv.reader(io.StringIO(run(place, "sql", "-", "--format", "csv", given=question).stdout)))
    assert rows == [["id", "bytes", "absent", "half"], ["1", "00ff", "", "1.5"], ["2", "00ff", "", "1.5"]]


def test_hostile_text_stays_text(place: Path) -> None:
    done = run(place, "sql", "SELECT char(27) || ']52;c;x' || char(7) AS a, 1 AS \"[red]\"")
    assert "\x1b" not in done.stdout
    assert "[red]" in done.stdout


def test_views_are_listed_with_their_columns(place: Path) -> None:
    done = run(place, "sql", "--views")
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
def test_mistakes_get_one_sentence(place: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = run(place, *arguments)
    assert sentence in done.stderr
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_more_rows_than_asked_for_are_told(place: Path) -> None:
    done = run(place, "sql", "SELECT id FROM v_executions ORDER BY id", "--limit", "1")
    assert done.stdout.split() == ["id", "1"]
    assert "more rows than 1" in done.stderr


def test_configurations_are_listed_shown_and_compared(place: Path) -> None:
    runs = [json.loads(line) for line in run(place, "config", "history", "--json").stdout.splitlines()]
    assert [found["first_execution"] for found in runs] == [2, 1]
    newer, older = (found["digest"] for found in runs)
    assert older in run(place, "config", "history").stdout
    assert run(place, "config", "show", older[:6]).stdout == CONFIG.format(every="1h")
    changed = run(place, "config", "diff", older)
    assert changed.returncode == 1
    assert [line[0] for line in changed.stdout.splitlines()[3:]] == [" ", " ", "-", "+"]
    same = run(place, "config", "diff", newer, "rules.yaml")
    assert (same.returncode, same.stdout) == (0, "They are the same.\n")
