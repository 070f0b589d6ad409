"""What the console remembers between runs, and that nothing it finds there can hurt it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.fakes import FakeClient
from tests.tui.harness import frame, press, settle
from tui.app import TocsinApp
from tui.memory import MOST_JUMPS, VERSION, Memory, load_memory

WHOLE: dict[str, object] = {
    "version": VERSION, "theme": "", "view": "", "range": "", "filters": {}, "toggles": {}, "jumps": []
}  # fmt: skip


def test_what_is_saved_is_loaded_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "console.json"
    memory = Memory(
        "nord", "logs", "6h", filters={"a.b": "x"}, toggles={"a.c": True}, jumps=["logs pay"], path=path
    )
    memory.save()
    assert load_memory(path) == memory
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["console.json"]


def test_nothing_is_kept_without_a_file(tmp_path: Path) -> None:
    assert load_memory(tmp_path / "console.json") == Memory(path=tmp_path / "console.json")
    Memory().save()


@pytest.mark.parametrize(
    "kept",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            '{"version": 99}',
            '{"version": 1}',
            '{"version": 1, "theme": 3}',
            "[" * 9_000,
        ),
        json.dumps(WHOLE | {"panes": {"dashboard.rows": float("inf")}}),
        json.dumps(WHOLE | {"panes": {"dashboard.rows": float("nan")}}),
    ],
)
def test_what_is_broken_is_left_aside_and_told(kept: str, tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    path.write_text(kept)
    memory = load_memory(path)
    assert "starts afresh" in memory.note
    assert memory == Memory(path=path, note=memory.note)


def test_a_pipe_in_its_place_is_left_aside_at_once(tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    os.mkfifo(path)
    memory = load_memory(path)
    assert "no regular file" in memory.note
    memory.save()
    assert load_memory(path) == Memory(path=path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    )
)
def test_no_content_of_the_file_raises(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "console.json"
    for field in (*WHOLE, "orders", "panes"):
        path.write_text(json.dumps(WHOLE | {field: value}))
        assert isinstance(load_memory(path), Memory)


def test_the_newest_jumps_are_kept_once() -> None:
    memory = Memory()
    for number in [*range(MOST_JUMPS + 5), 3]:
        memory.jumped(f"logs {number}")
    assert memory.jumps[0] == "logs 3"
    assert len(memory.jumps) == len(set(memory.jumps)) == MOST_JUMPS


async def test_the_console_comes_back_as_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    first = TocsinApp(FakeClient(), crash_log=tmp_path / "crash.log", memory=load_memory(path))
    async with first.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "T", "t", "4", "3", "f", "5")
    second = TocsinApp(FakeClient(), crash_log=tmp_path / "crash.log", memory=load_memory(path))
    async with second.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert second.current_mode == "traces"
        assert second.theme == first.theme == "tocsin-light"
        assert second.time_range.label == "24h"
        await press(pilot, "3")
        assert " resolved · " not in frame(second)


@pytest.mark.parametrize("kept", [Memory("no-theme", "no-view", "3y"), Memory("\x1b[2J", "_default", "")])
async def test_names_that_are_none_are_the_usual_ones(kept: Memory, tmp_path: Path) -> None:
    app = TocsinApp(FakeClient(), crash_log=tmp_path / "crash.log", memory=kept)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert app.current_mode == "dashboard"
        assert app.theme == "tocsin-dark"
        assert app.time_range.label == "15m"


async def test_what_cannot_be_kept_is_told_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    app = TocsinApp(
        FakeClient(), memory=Memory(path=tmp_path / "file" / "console.json", note="it is [/broken]")
    )
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settle(pilot)
        assert "it is [/broken]" in frame(app)
    assert "could not be kept" in app.parting
