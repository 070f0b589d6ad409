"""Sources of a configuration in a running engine, and what a configuration may say of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.errors import ConfigError
from engine.model import LogRecord

CONFIG = """
version: 1
sources:
  - {id: app, files: "logs/*.log", begin: start}
  - {id: json, files: ["events.jsonl"], format: json, begin: start, fields: {message: what}}
"""


async def run_until(folder: Path, count: int) -> list[str]:
    """What an engine has read from sources by the time it has `count` lines, in the order of storing."""
    engine = Engine(load_config(folder / "rules.yaml"), folder / "t.db", SystemClock())
    enough = asyncio.Event()
    lines: list[str] = []

    def listen(rows: Any) -> None:
        lines.extend(row.message for row in rows if isinstance(row, LogRecord) and row.source)
        if len(lines) >= count:
            enough.set()

    engine.on_rows(listen)
    await engine.start()
    try:
        async with asyncio.timeout(10):
            await enough.wait()
    finally:
        await engine.stop()
    return lines


async def test_an_engine_reads_on_where_the_last_one_ended(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(CONFIG)
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    log.write_text("one\nauthorization: Bearer abcdefghijklmnop\n")
    (tmp_path / "events.jsonl").write_text('{"what": "happened"}\n')
    first = await run_until(tmp_path, 3)
    assert sorted(first)[1:] == ["happened", "one"]
    assert "abcdefghijklmnop" not in " ".join(first)
    with log.open("a") as file:
        file.write("two\n")
    assert await run_until(tmp_path, 1) == ["two"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{id: app}", "`files` is missing"),
        ("{id: app, files: []}", "files"),
        ("{id: app, files: x, format: xml}", "format"),
        ("{id: app, files: x, fields: {msg: what}}", "msg"),
        ("{id: app, files: x, max_rate: 0}", "max_rate"),
        ("{id: app, files: x}\n  - {id: app, files: y}", "app"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, source: str, problem: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(f"version: 1\nsources:\n  - {source}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (told,) = caught.value.problems
    assert problem in str(told)
    assert f"{path}:" in str(told)
