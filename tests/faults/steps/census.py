"""What is alive in this process: tasks, open files, threads and children, counted before and after."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from pathlib import Path
from typing import NamedTuple

from engine.clock import settle

PATIENCE = 5.0
"""Seconds that what has ended has to be gone: a peer notices a closed connection one turn later."""


class Census(NamedTuple):
    """How many there are of each."""

    tasks: int
    files: int
    threads: int
    children: int

    def within(self, earlier: Census) -> bool:
        """Whether there are no more than there were."""
        return all(now <= then for now, then in zip(self, earlier, strict=True))

    def with_files_of(self, other: Census) -> Census:
        """The same with the other's open files."""
        return self._replace(files=other.files)


def census() -> Census:
    """The count of this moment."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    files = len(os.listdir("/proc/self/fd"))
    return Census(len(asyncio.all_tasks()), files, threading.active_count(), len(children))


def collected_census() -> Census:
    """The same, without what only waits for the collector."""
    gc.collect()
    return census()


def descriptors() -> frozenset[tuple[str, str]]:
    """What is open now: numbers, and what each leads to."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that listed them
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return frozenset(found)


async def back_to(earlier: Census) -> Census:
    """The count once it is within an earlier one, or what it still is after `PATIENCE` seconds."""
    ends = asyncio.get_running_loop().time() + PATIENCE
    while not (now := census()).within(earlier) and asyncio.get_running_loop().time() < ends:
        await settle()
    return now
