"""Running `tocsin …`: here, in a thread with an event loop of its own, or in a process of its own."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tui.cli import main

ROOT = Path(__file__).parents[2]


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    """What a process would have done, without half a second of imports; the caller's loop may run.

    The directory, the environment and the output are this process's: one command at a time.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with ThreadPoolExecutor(1) as pool, redirect_stdout(out), redirect_stderr(err):
        code = pool.submit(main, argv).result(timeout=30)
    return subprocess.CompletedProcess(["tocsin", *argv], code, _written(out), _written(err))


async def tocsin(*argv: str) -> subprocess.CompletedProcess[str]:
    """As `run`, beside an engine that runs in the caller's loop."""
    return await asyncio.to_thread(run, *argv)


async def other_process(*argv: str) -> subprocess.CompletedProcess[str]:
    """As `run_process`, beside an engine that runs in the caller's loop."""
    return await asyncio.to_thread(run_process, *argv)


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def run_process(*argv: str, place: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in the directory `place`, with `more` in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *argv],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
    )
