"""The command line: what is said, where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.model import (
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
    Execution,
    Failure,
    LogLevel,
    LogRecord,
    Outcome,
    Priority,
    Recording,
    Severity,
)
from engine.store.store import Store
from tests.tui.command_line import ROOT, run, run_process
from tui.cli import COMMANDS, main

VALID = """\
version: 1
channels: {ops: {url: "json://127.0.0.1:9/"}}
workflows:
  - {id: front, name: Front, every: 30s, steps: [{id: get, http: {url: "http://127.0.0.1:9/"}}]}
rules:
  - id: down
    name: Down
    conditions: [{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}]
    channels: [ops]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to stand in, and one of our own for state."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert name in shown
        assert summary in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"usage: tocsin {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tocsin ")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["chek"], "there is no command 'chek' (did you mean check?)"),
        (["--db", "x.db", "alert"], "there is no command 'alert' (did you mean alerts?)"),
        (["frobnicate"], "there is no command 'frobnicate' (there are demo, init, check,"),
        (["--jsn"], "unrecognized arguments: --jsn (see tocsin --help)"),
        (["alerts", "frob"], "(see tocsin alerts --help)"),
        (["alerts", "ack"], "ack needs the ID of an alert"),
        (["alerts", "list", "3"], "list takes no ID (tocsin alerts ack 3)"),
        (["metrics", "--period", "1y"], "(see tocsin metrics --help)"),
        (["logs", "--since", "soon", "--db", "x.db"], "a duration is a number with a unit"),
        (["logs", "--db", "."], "argument --db: . is a directory; name a file in it"),
        (["--db", "/", "doctor"], "argument --db: / is a directory; name a file in it"),
        (["--junit", "out.xml"], "there is no rules.yaml here (write one: tocsin init"),
        (["--once"], "there is no rules.yaml here"),
        (["check"], "there is no rules.yaml here"),
        (["logs"], "there is no database"),
        (["\x1b]0;owned\x07"], "there is no command"),
    ],
)
def test_mistakes_get_one_sentence(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tocsin: ")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--junit", "out.xml"], "--junit writes the results of --once"),
        (["--json"], "--json has no meaning in the console"),
        ([], "the console needs a terminal"),
        (["demo"], "the console needs a terminal"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    argv: list[str], sentence: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "rules.yaml").write_text(VALID)
    assert main(argv) == 2
    assert sentence in capsys.readouterr().err
    assert not (elsewhere / "state").exists()


def test_init_writes_a_valid_file_and_never_overwrites(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    assert main(["check"]) == 0
    assert ": valid" in capsys.readouterr().out
    (elsewhere / "rules.yaml").write_text("mine")
    assert main(["init"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (elsewhere / "rules.yaml").read_text() == "mine"
    assert main(["init", "nowhere/rules.yaml"]) == 2
    assert "cannot write nowhere/rules.yaml: No such file" in capsys.readouterr().err


def test_check_counts_what_is_there(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "mine.yaml").write_text(VALID)
    assert main(["check", "mine.yaml"]) == 0
    assert capsys.readouterr().out == "mine.yaml: 1 workflow, 1 rule, 1 channel: valid\n"


def test_check_tells_every_problem_with_its_place(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "bad.yaml").write_text(VALID.replace("every: 30s", "evry: 30s").replace("[ops]", "[opps]"))
    assert main(["check", "bad.yaml"]) == 2
    problems = capsys.readouterr().out.splitlines()
    assert len(problems) >= 2
    assert all(problem.startswith("bad.yaml:") for problem in problems)
    assert any("bad.yaml:4:" in problem and "evry" in problem for problem in problems)
    assert any("bad.yaml:9:" in problem and "opps" in problem for problem in problems)


def test_the_shipped_configuration_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path(__file__).parents[2] / "rules.yaml"
    code = main(["check", str(shipped)])
    assert (code, capsys.readouterr().out) == (0, f"{shipped}: 6 workflows, 10 rules, 0 channels: valid\n")


NOW = SystemClock().now()


async def fill(db: Path) -> None:
    """A database with two executions, one log line of hostile text, one firing alert."""
    store = await Store.open(db, SystemClock())
    ok = Execution(1, "front", "Front", Priority.HIGH, "a" * 32, NOW - 60, NOW - 60, 0.25, Outcome.OK)
    failed = Execution(
        2,
        "front",
        "Front",
        Priority.HIGH,
        "b" * 32,
        NOW - 30,
        NOW - 30,
        0.5,
        Outcome.FAILED,
        "",
        Failure("refused"),
    )
    alert = Alert(
        1, "down|front", "down", "Down", "front", Severity.ERROR, AlertState.FIRING, "front is down",
        NOW - 30, NOW - 30, fired_at=NOW - 30,
    )  # fmt: skip
    logs = [
        LogRecord(NOW - 7200, LogLevel.INFO, "long ago"),
        LogRecord(NOW - 30, LogLevel.ERROR, "payment refused [/x] ␛]52;c;x", workflow_id="front"),
    ]
    try:
        store.writer.offer(Recording(ok), Recording(failed), *logs)
        await store.writer.must(alert, AlertEvent(1, NOW - 30, AlertEventKind.FIRED, "rule"))
        await store.writer.flush()
    finally:
        await store.close()


@pytest.fixture
async def db(elsewhere: Path) -> Path:
    path = elsewhere / "some.db"
    await fill(path)
    return path


async def test_logs(db: Path) -> None:
    found = run("logs", "refused", "--db", str(db))
    assert (found.returncode, found.stderr) == (0, "")
    (line,) = found.stdout.splitlines()
    assert "error    front  payment refused [/x] ␛]52;c;x" in line
    assert len(run("--db", str(db), "logs").stdout.splitlines()) == 2
    recent = run("logs", "--db", str(db), "--since", "1h", "--json").stdout.splitlines()
    assert [json.loads(text)["workflow"] for text in recent] == ["front"]
    first = run("logs", "--limit", "1", "--db", str(db))
    assert "older matches" in first.stderr
    assert "refused" in first.stdout
    nothing = run("logs", "absent", "--db", str(db))
    assert (nothing.stdout, nothing.stderr) == ("", "No log line matches.\n")


async def test_alerts_are_listed_acknowledged_and_resolved(db: Path) -> None:
    listed = run("alerts", "--db", str(db)).stdout.splitlines()
    assert listed[0].split() == ["ID", "STATE", "SEVERITY", "SINCE", "SUBJECT", "RULE", "MESSAGE"]
    assert "firing" in listed[1]
    acked = run("alerts", "ack", "1", "--note", "on it", "--db", str(db), "--json")
    assert acked.returncode == 0, acked.stderr
    assert json.loads(acked.stdout)["state"] == "acknowledged"
    again = run("alerts", "ack", "1", "--db", str(db))
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("tocsin: ")
    assert "resolved" in run("alerts", "resolve", "1", "--db", str(db)).stdout
    missing = run("alerts", "resolve", "99", "--db", str(db))
    assert missing.returncode == 2
    assert "99" in missing.stderr


async def test_metrics(db: Path) -> None:
    shown = run("metrics", "--period", "1h", "--db", str(db)).stdout
    assert "executions    2 (1 ok, 1 failed)" in shown
    assert "success rate  50.0 %" in shown
    assert "trends        executions stable" in shown
    assert "before        nothing ran" in shown
    assert "front" in shown
    record = json.loads(run("metrics", "--json", "--db", str(db)).stdout)
    assert record["executions"] == 2
    assert record["outcomes"]["failed"] == 1
    assert record["workflows"][0]["workflow_id"] == "front"
    assert record["trends"]["performance"]["direction"] == "stable"


async def test_a_file_that_is_no_database(elsewhere: Path) -> None:
    (elsewhere / "text.db").write_text("this is no database, but long enough to look like one" * 10)
    done = run_process("metrics", "--db", "text.db")
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert "text.db" in sentence
    assert "broke" not in sentence
    assert (elsewhere / "text.db").read_text().startswith("this is")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "tui.cli", "--help"],
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=30,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_import_writes_what_it_could_and_lists_the_rest(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conditions = "['[STATUS] == 200', '[IP] == 1.2.3.4']"
    (elsewhere / "gatus.yaml").write_text(
        f"endpoints:\n  - {{name: a, url: 'http://127.0.0.1', conditions: {conditions}}}\n"
    )
    assert main(["import", "gatus", "gatus.yaml", "--output", "rules.yaml"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "Imported 1 workflow from gatus in rules.yaml; see what it says: tocsin check rules.yaml.",
        "Not translated:",
        "  a: the condition `[IP] == 1.2.3.4`: it has no counterpart",
    ]
    assert main(["check"]) == 0
    assert (elsewhere / "rules.yaml").stat().st_mode & 0o777 == 0o600
    assert main(["import", "gatus", "gatus.yaml", "--output", "rules.yaml"]) == 2
    assert main(["import", "gatus", "nowhere.yaml"]) == 2
    assert main(["import", "nagios", "gatus.yaml"]) == 2
    assert "cannot read nowhere.yaml: No such file" in capsys.readouterr().err
    assert main(["import", "curl", "curl -f 'http://127.0.0.1/x'"]) == 0
    assert "url: http://127.0.0.1/x" in capsys.readouterr().out


def test_no_more_is_read_than_an_importer_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "gatus", "/dev/zero"]) == 2
    assert "at most 16,777,216 characters" in capsys.readouterr().err


def test_schema_is_json_that_editors_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["workflows"]["anyOf"][0]["items"] == {"$ref": "#/$defs/Workflow"}


def test_every_importer_is_offered() -> None:
    from engine.importers import SOURCES as KNOWN
    from tui.commands.import_ import SOURCES

    assert tuple(KNOWN) == SOURCES
