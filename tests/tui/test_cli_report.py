"""`tocsin report`: a period against its objectives, printed or as a file."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.model import Execution, Outcome, Priority, Recording
from engine.paths import default_db
from engine.store.store import Store
from tui.cli import main

Tocsin = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tocsin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tocsin:
    """Runs the command on a database with 40 executions of a workflow, of which 10 failed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)

    async def fill() -> None:
        store = await Store.open(default_db(), SystemClock())
        now = time.time()
        for number in range(1, 41):
            at, outcome = now - 3_000 + number * 60, Outcome.OK if number % 4 else Outcome.FAILED
            await store.writer.must(
                Recording(
                    Execution(number, "shop", "Shop", Priority.HIGH, f"{number:032x}", at, at, 0.1, outcome)
                )
            )
        await store.close()

    asyncio.run(fill())

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["report", *words])
        return code, *capsys.readouterr()

    return run


def test_a_report_is_printed(tocsin: Tocsin) -> None:
    code, out, _ = tocsin("--period", "24h")
    assert code == 0
    for words in ("40 (30 ok, 10 failed)", "75.0 %", "0 of 1 met", "1 workflow missed its objective",
                  "10 of 40 executions failed", "Nothing ran in the period before."):  # fmt: skip
        assert words in out, words


def test_a_file_is_written_in_the_form_of_its_name_and_never_twice(tocsin: Tocsin, tmp_path: Path) -> None:
    assert tocsin("week.html") == (0, "week.html: 7d until now, as one page of HTML\n", "")
    assert (tmp_path / "week.html").read_text().startswith("<!doctype html>")
    code, out, err = tocsin("week.html")
    assert (code, out) == (2, "")
    assert "week.html exists already" in err
    assert tocsin("week", "--format", "csv")[0] == 0
    (row,) = csv.DictReader((tmp_path / "week").read_text().splitlines())
    assert (row["workflow"], row["failures"], row["objective"]) == ("shop", "10", "0.99")


def test_markdown_goes_to_standard_output_as_well(tocsin: Tocsin) -> None:
    assert tocsin("--format", "md")[1].startswith("# Monitoring report\n")


def test_a_form_that_there_is_not_is_refused(tocsin: Tocsin) -> None:
    code, _, err = tocsin("--format", "pdf")
    assert code == 2
    assert "invalid choice: 'pdf'" in err
