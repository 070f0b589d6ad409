"""When the configuration is read again: files that change, storms of signals, modules in Python."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.config.loader import LoadedConfig, load_config
from engine.errors import NotFoundError
from engine.model import LogLevel, LogRecord
from engine.reloading import UNREST, Reloader
from tests.engine.reload_stand import Stand, configuration, flow, running


async def watched(stand: Stand, seconds: float) -> None:
    """Let the engine look at its files for so long; a look goes through a thread."""
    for _ in range(int(seconds)):
        await stand.clock.advance(1.0)
        await asyncio.to_thread(lambda: None)
        await stand.settled()


def ids(stand: Stand) -> list[str]:
    return [workflow.id for workflow in stand.engine._config.workflows]


async def test_a_file_that_was_changed_is_read_once_it_has_come_to_rest(tmp_path: Path) -> None:
    async with running(tmp_path, configuration(flow("a")), watches=True) as stand:
        await watched(stand, 3)
        assert stand.reports == []
        new = tmp_path / "new.yaml"
        new.write_text(configuration(flow("a"), flow("b")))
        new.replace(stand.path)

        async def reloaded() -> bool:
            await watched(stand, 1)
            return bool(stand.reports)

        await stand.until(reloaded)
        await watched(stand, 5)
        assert [report.summary for report in stand.reports] == ["+1 workflow"]
        assert ids(stand) == ["a", "b"]


class Watching:
    """A reloader alone, whose looks are made by hand."""

    def __init__(self, home: Path) -> None:
        self.path = home / "rules.yaml"
        self.path.write_text(configuration(flow("w")))
        self.clock = VirtualClock()
        self.adopted: list[tuple[float, str]] = []
        self.lines: list[LogRecord] = []
        self.writes = 0
        self.reloader = Reloader(
            load_config(self.path), self.clock, self._adopt, str.upper, self.lines.append, lambda report: None
        )

    async def _adopt(self, loaded: LoadedConfig) -> None:
        self.adopted.append((self.clock.monotonic(), loaded.config.workflows[0].id))

    async def look(self, seconds: float = 1.0) -> None:
        """Look, with time for a pause that is owed, then let time pass."""
        looking = asyncio.create_task(self.reloader.look())
        await asyncio.wait({looking}, timeout=5)
        looking.result()
        await self.clock.advance(seconds)

    def write(self, name: str) -> None:
        self.path.write_text(configuration(flow(name)))
        self.writes += 1
        os.utime(self.path, ns=(0, self.writes))


async def test_two_looks_that_find_the_same_are_rest(tmp_path: Path) -> None:
    stand = Watching(tmp_path)
    await stand.look()
    for number in range(5):
        stand.write(f"w{number}")
        await stand.look()
    assert stand.adopted == []
    await stand.look()
    await stand.look()
    assert stand.adopted == [(6.0, "w4")]


async def test_a_file_that_never_comes_to_rest_is_read_now_and_then(tmp_path: Path) -> None:
    stand = Watching(tmp_path)
    for number in range(40):
        stand.write(f"w{number}")
        await stand.look()
    assert [at for at, _ in stand.adopted] == [UNREST, 2 * UNREST + 1, 3 * UNREST + 2]


async def test_a_touch_changes_nothing_and_says_nothing(tmp_path: Path) -> None:
    stand = Watching(tmp_path)
    os.utime(stand.path, ns=(1, 1))
    for _ in range(5):
        await stand.look()
    assert (stand.adopted, stand.lines) == ([], [])


async def test_a_fault_is_told_once_and_forgotten_when_it_is_mended(tmp_path: Path) -> None:
    stand = Watching(tmp_path)
    stand.path.write_text("version: 1\nnonsense: 2\n")
    for _ in range(10):
        await stand.look()
    (line,) = stand.lines
    assert line.level is LogLevel.ERROR
    assert f"{stand.path}:2:1".upper() in line.message
    assert stand.reloader.fault
    stand.path.unlink()
    for _ in range(10):
        await stand.look()
    assert "THERE IS NO SUCH FILE" in stand.lines[1].message
    stand.write("w")
    for _ in range(3):
        await stand.look()
    assert (stand.reloader.fault, len(stand.lines)) == ("", 3)


async def test_a_fault_in_the_reading_itself_is_a_problem_not_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Watching(tmp_path)

    def broken(*_: object) -> LoadedConfig:
        raise RecursionError("too deep")

    monkeypatch.setattr(LoadedConfig, "again", broken)
    report = await stand.reloader.reload()
    assert "TOO DEEP" in report.problems[0]


async def test_what_is_written_while_it_is_read_is_read_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Watching(tmp_path)
    again = LoadedConfig.again

    def slow(loaded: LoadedConfig) -> LoadedConfig:
        found = again(loaded)
        stand.write("later")
        return found

    stand.write("first")
    with monkeypatch.context() as patch:
        patch.setattr(LoadedConfig, "again", slow)
        await stand.reloader.reload()
    await stand.clock.advance(2)
    for _ in range(3):
        await stand.look()
    assert [name for _, name in stand.adopted] == ["first", "later"]


async def test_a_secret_that_is_read_from_a_file_is_watched_too(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("first-secret\n")
    text = configuration(flow("a"), more="channels: {ops: {url: 'json://h/${file:hook}'}}")
    async with running(tmp_path, text, watches=True) as stand:
        (tmp_path / "hook").write_text("second-one\n")

        async def reloaded() -> bool:
            await watched(stand, 1)
            return bool(stand.reports)

        await stand.until(reloaded)
        assert stand.reports[0].changes == ("~ channel ops: url",)
        assert "second-one" in str(stand.engine._config.channels["ops"].url)


MODULE = """
from engine.authoring import Run, workflow

@workflow(every="1h")
async def {name}(run: Run) -> None:
    run.warn("{said}")
"""


async def test_a_module_is_imported_anew_when_its_file_has_changed(tmp_path: Path) -> None:
    module = tmp_path / "checks.py"
    module.write_text(MODULE.format(name="sign_in", said="first"))
    async with running(tmp_path, "version: 1\npython: [checks.py]\n") as stand:
        await stand.pass_by(1)
        assert (await stand.reload("version: 1\npython: [checks.py]\n# as it was\n")).changes == ()

        module.write_text(MODULE.format(name="sign_in", said="thrice"))
        report = await stand.reload("version: 1\npython: [checks.py]\n")
        assert report.changes == ("~ workflow sign-in: body",)
        await stand.engine.run_now("sign-in")
        await stand.pass_by(1)
        assert await stand.lines("thrice") == ["sign-in thrice"]

        module.write_text("raise RuntimeError('not today')\n")
        report = await stand.reload("version: 1\npython: [checks.py]\n# later\n")
        assert "not today" in report.problems[0]
        await stand.engine.run_now("sign-in")
        await stand.pass_by(1)
        assert await stand.lines("thrice") == ["sign-in thrice", "sign-in thrice"]

        module.write_text(MODULE.format(name="other", said="other"))
        await stand.reload("version: 1\npython: [checks.py]\n")
        with pytest.raises(NotFoundError):
            await stand.engine.run_now("sign-in")


async def test_row_51_a_storm_of_reloads_leaves_no_task_thread_or_descriptor_behind(tmp_path: Path) -> None:
    def left() -> tuple[int, int, int]:
        # The loop's own pool has as many threads as it ever had work for at once, up to its bound.
        threads = [each for each in threading.enumerate() if not each.name.startswith("asyncio_")]
        return len(asyncio.all_tasks()), len(threads), len(os.listdir("/proc/self/fd"))

    source = "sources: [{{id: s{0}, files: ['{1}/*.log'], format: text}}]"

    def text(number: int) -> str:
        flows = (flow("a", "5s"), flow(f"w{number % 2}", "3s"))
        return configuration(*flows, more=source.format(number % 2, tmp_path))

    (tmp_path / "x.log").write_text("line\n")
    async with running(tmp_path, text(0)) as stand:
        await stand.pass_by(20)
        before = left()
        for number in range(1, 101):
            stand.path.write_text(text(number))
            for _ in range(10):
                stand.engine.request_reload()
            assert len(stand.engine._reloader._tasks) <= 2
            await stand.clock.advance(0.01)
        await watched(stand, 30)
        await stand.reload(text(0))
        await watched(stand, 20)

        async def settled() -> bool:
            await watched(stand, 1)
            tasks, threads, files = left()
            return tasks <= before[0] + 2 and threads <= before[1] + 1 and files <= before[2] + 1

        await stand.until(settled)
        assert len(stand.reports) < 30
        assert ids(stand) == ["a", "w0"]
        assert len(await stand.executions("a")) >= 2
