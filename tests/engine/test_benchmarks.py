"""The runner of the benchmarks: verdicts, the table, the choice by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as runner


def figure(name: str, value: float | str | None, goal: float | None) -> dict[str, object]:
    return {"name": name, "value": value, "unit": "ms", "goal": goal, "against": "nothing"}


@pytest.mark.parametrize(
    ("name", "value", "goal", "verdict"),
    [
        ("help_ms", 40, 250, "ok"),
        ("help_ms", 251, 250, "failed"),
        ("executions_ratio", 0.8, 0.75, "ok"),
        ("executions_ratio", 0.7, 0.75, "failed"),
        ("help_ms", None, 250, "–"),
        ("help_ms", 40, None, "–"),
        ("help_ms", "void", 250, "void"),
    ],
)
def test_verdicts_know_which_way_is_better(
    name: str, value: float | str | None, goal: float | None, verdict: str
) -> None:
    assert runner.verdict(figure(name, value, goal)) == verdict


def test_the_table() -> None:
    lines = runner.report(
        [
            figure("help_ms", 41.26, 250),
            figure("executions_ratio", None, 0.75),
            figure("first_frame_s", "void", 1.5),
        ]
    )
    assert [line.split() for line in lines] == [
        ["FIGURE", "VALUE", "UNIT", "GOAL", "AGAINST", "VERDICT"],
        ["help_ms", "41.3", "ms", "≤", "250", "nothing", "ok"],
        ["executions_ratio", "–", "ms", "≥", "0.75", "nothing", "–"],
        ["first_frame_s", "void", "ms", "≤", "1.5", "nothing", "void"],
    ]


def test_results_are_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "results.json")
    runner.write([figure("help_ms", 40, 250)])
    assert json.loads((tmp_path / "results.json").read_text()) == [figure("help_ms", 40, 250)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_an_unknown_name_lists_the_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "nope"])
    assert runner.main() == 2
    assert "help_ms" in capsys.readouterr().err
