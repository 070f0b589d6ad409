"""`tocsin export`: every kind in every format, whole and safe to open."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.model import (
    Execution,
    LogLevel,
    LogRecord,
    Outcome,
    Point,
    Priority,
    Recording,
    Span,
    SpanKind,
    SpanStatus,
)
from engine.paths import default_db
from engine.store.store import Store
from tui.cli import main

EXECUTIONS = 25


def recording(number: int, at: float) -> Recording:
    trace = f"{number:032x}"
    workflow = "login" if number % 2 else "cart"
    execution = Execution(
        id=number, workflow_id=workflow, workflow_name='=HYPERLINK("x")', priority=Priority.NORMAL,
        trace_id=trace, scheduled_at=at, started_at=at, duration=0.5, outcome=Outcome.OK, attempt_count=1,
    )  # fmt: skip
    span = Span(
        trace_id=trace, span_id=f"{number:016x}", parent_id=None, name="root", kind=SpanKind.INTERNAL,
        started_at=at, duration=0.5, status=SpanStatus.OK, attributes={"a": 1}, execution_id=number,
    )  # fmt: skip
    line = LogRecord(at, LogLevel.INFO, f'line {number}\nwith, "quotes"', workflow, number, trace)
    points = (Point("workflow.duration", (("workflow", workflow),), at, 0.5),)
    return Recording(execution, (span,), points, (line,))


@pytest.fixture
async def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr("engine.exporting.PAGE", 7)
    monkeypatch.setattr("engine.exporting.TRACES_A_PAGE", 7)
    store = await Store.open(default_db(), SystemClock())
    now = time.time()
    # One every minute, the newest a minute ago.
    await store.writer.must(
        *(recording(n, now - 60 * (EXECUTIONS + 1 - n)) for n in range(1, EXECUTIONS + 1))
    )
    await store.close()
    return tmp_path


async def exported(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert await asyncio.to_thread(main, ["export", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("kind", ["executions", "logs", "traces", "metrics"])
async def test_everything_is_there_newest_first_in_every_format(
    db: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in (await exported(capsys, kind)).splitlines()]
    assert len(lines) == EXECUTIONS
    assert [line["at"] for line in lines] == sorted((line["at"] for line in lines), reverse=True)
    assert json.loads(await exported(capsys, kind, "--format", "json")) == lines
    table = list(csv.DictReader(io.StringIO(await exported(capsys, kind, "--format", "csv"))))
    assert [float(row["at"]) for row in table] == [line["at"] for line in lines]


async def test_time_and_workflow_narrow_it_down(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recent = (await exported(capsys, "executions", "--since", "10m")).splitlines()
    older = (await exported(capsys, "executions", "--until", "10m")).splitlines()
    assert len(recent) + len(older) == EXECUTIONS
    assert 9 <= len(recent) <= 10
    cart = await exported(capsys, "logs", "--workflow", "cart")
    assert {json.loads(line)["workflow"] for line in cart.splitlines()} == {"cart"}


async def test_a_spreadsheet_gets_no_formula(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = csv.DictReader(io.StringIO(await exported(capsys, "executions", "--format", "csv")))
    assert {row["name"] for row in table} == {'\'=HYPERLINK("x")'}


@pytest.mark.parametrize(
    ("kind", "key"), [("traces", "resourceSpans"), ("logs", "resourceLogs"), ("metrics", "resourceMetrics")]
)
async def test_otlp_comes_as_one_request_a_line(
    db: Path, kind: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = [json.loads(line) for line in (await exported(capsys, kind, "--format", "otlp")).splitlines()]
    assert len(requests) == 4
    assert all(list(request) == [key] for request in requests)


async def test_a_file_appears_whole_private_and_never_over_another(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = await exported(capsys, "executions", "out.json", "--format", "json")
    assert said == f"out.json: {EXECUTIONS} executions\n"
    assert (db / "out.json").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in db.iterdir()) == ["out.json", "state"]  # noqa: ASYNC240
    assert await asyncio.to_thread(main, ["export", "executions", "out.json"]) == 2
    assert "exists already" in capsys.readouterr().err


async def test_nothing_to_export_is_told(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await exported(capsys, "alerts", "--format", "json") == "[]\n"
    assert await exported(capsys, "executions", "--workflow", "none") == ""


async def test_what_has_no_otlp_is_refused(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(main, ["export", "alerts", "out", "--format", "otlp"]) == 2
    assert "there is no OTLP of alerts" in capsys.readouterr().err
    assert not (db / "out").exists()


@pytest.mark.parametrize("words", [["a.csv", "--format", "csv"], ["--format", "csv", "a.csv"]])
async def test_options_may_stand_before_the_file(
    db: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await exported(capsys, "executions", *words) == f"a.csv: {EXECUTIONS} executions\n"
    assert (db / "a.csv").exists()
