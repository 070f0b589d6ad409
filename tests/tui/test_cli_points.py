"""`tocsin metrics series` and `points`: what was measured, found by name and labels."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.model import Point
from engine.paths import default_db
from engine.store.store import Store
from tui.cli import main

Tocsin = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tocsin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tocsin:
    """Runs a command on a database with two hours of two series of one name, and of a counter."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("NO_COLOR", "1")

    async def fill() -> None:
        store = await Store.open(default_db(), SystemClock())
        now = time.time()
        points = [
            *(Point("step.duration", (("workflow", "shop"),), now - 60 * n - 5, 0.25) for n in range(120)),
            *(Point("step.duration", (("workflow", "till"),), now - 60 * n - 5, 0.75) for n in range(120)),
            *(Point("asked_total", (), now - 60 * n - 5, 6_000.0 - 60 * n) for n in range(100)),
        ]
        await store.writer.must(*sorted(points, key=attrgetter("at")))
        await store.close()

    asyncio.run(fill())

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(["metrics", *words])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capsys.readouterr()

    return run


def test_series_are_listed_by_name_and_label(tocsin: Tocsin) -> None:
    code, out, _ = tocsin("series")
    assert code == 0
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["asked_total", "counter"],
        ["step.duration", "duration", "workflow=shop"],
        ["step.duration", "duration", "workflow=till"],
    ]
    _, out, _ = tocsin("series", "step.duration", "--label", "workflow=till", "--json")
    assert json.loads(out) == {
        "type": "series",
        "name": "step.duration",
        "labels": {"workflow": "till"},
        "kind": "duration",
    }
    assert tocsin("series", "nothing")[1] == "No series has such a name and such labels.\n"


def test_points_are_summed_up_in_buckets(tocsin: Tocsin) -> None:
    _, out, _ = tocsin(
        "points", "step.duration", "--since", "1h", "--buckets", "2", "--label", "workflow=till"
    )
    head, *rows = out.splitlines()
    assert head.split() == ["FROM", "POINTS", "MEAN", "LEAST", "P50", "P90", "P95", "P99", "GREATEST"]
    assert len(rows) == 2
    assert all("750 ms" in row and "250 ms" not in row for row in rows)
    _, out, _ = tocsin("points", "step.duration", "--since", "1h", "--buckets", "1", "--json")
    bucket = json.loads(out)
    assert (bucket["count"], bucket["minimum"], bucket["maximum"]) == (120, 0.25, 0.75)
    _, out, _ = tocsin("points", "asked_total", "--since", "1h", "--buckets", "1")
    assert out.splitlines()[0].endswith("RATE/S")
    assert float(out.split()[-1]) == pytest.approx(1.0, rel=0.05)
    _, out, _ = tocsin("points", "asked_total", "--since", "2d", "--until", "1d")
    assert out == "asked_total has no points in that time.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["points", "step.duratoin"], "did you mean step.duration?"),
        (
            ["points", "step.duration", "--label", "workflow=x"],
            "there is no series step.duration with such labels",
        ),
        (["points", "step.duration", "--since", "1h", "--until", "2h"], "is not before"),
        (["points", "step.duration", "--buckets", "501"], "is not a number from 1 to 500"),
        (["series", "--label", "workflow"], "is not of the form KEY=VALUE"),
    ],
)
def test_what_cannot_be_asked_is_told(tocsin: Tocsin, words: list[str], sentence: str) -> None:
    code, _, told = tocsin(*words)
    assert code != 0
    assert sentence in told
    assert "Traceback" not in told
