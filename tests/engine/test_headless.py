"""The thread that prints for a run without a console."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.headless import QUEUED_LINES, Printer, run_once
from engine.model import LogLevel, LogRecord

AT = 1_700_000_000.0
DEADLINE = 10.0


def record(number: int) -> dict[str, object]:
    return {"type": "log", "at": AT, "level": "warning", "message": f"m{number}", "execution": None}


def test_records_become_json_lines_or_text() -> None:
    machine, person = io.StringIO(), io.StringIO()
    for stream, is_machine in ((machine, True), (person, False)):
        printer = Printer(stream, is_machine)
        printer.rows([LogRecord(AT, LogLevel.ERROR, "disk full"), LogRecord(AT, LogLevel.INFO, "hello")])
        printer.close()
    (only,) = machine.getvalue().splitlines()
    assert json.loads(only)["message"] == "disk full"
    (text,) = person.getvalue().splitlines()
    assert text.split()[1:] == ["error", "engine", "disk", "full"]


class StalledStream(io.StringIO):
    """Takes nothing until released."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.released.wait(DEADLINE)
        return super().write(text)


def test_a_stalled_reader_costs_lines_and_they_are_counted() -> None:
    stream = StalledStream()
    printer = Printer(stream, machine=True)
    printer.record(record(0))
    assert stream.reached.wait(DEADLINE)
    for number in range(QUEUED_LINES + 5):
        printer.record(record(number))
    stream.released.set()
    printer.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 1 + QUEUED_LINES + 1
    assert lines[-2]["message"] == f"m{QUEUED_LINES - 1}"
    assert (lines[-1]["type"], lines[-1]["count"]) == ("dropped", 5)


def test_a_reader_that_leaves_is_noticed_once_and_harmless() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    gone = threading.Event()
    with os.fdopen(write_end, "w") as stream:
        printer = Printer(stream, machine=True)
        printer.on_broken = gone.set
        printer.record(record(0))
        assert gone.wait(DEADLINE)
        printer.record(record(1))
        printer.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def test_one_round_counts_only_what_has_a_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    path = tmp_path / "rules.yaml"
    path.write_text("""
version: 1
workflows:
  - {id: own, name: Own, every: 1h, steps: [{id: run, shell: {command: ["true"]}}]}
  - {id: called, name: Called, on_call: true, steps: [{id: run, shell: {command: ["false"]}}]}
""")
    assert run_once(load_config(path), tmp_path / "t.db") == 0
    assert "Called" not in capsys.readouterr().out
