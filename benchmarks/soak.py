"""`python -m benchmarks.soak`: a day of a busy engine in virtual time, on a real database that is too small.

500 workflows run every 10 s. Prints a line for each half hour, then whether the file kept to its limit, and
whether memory, tasks, descriptors or the write-ahead log grew after the first quarter of the run. Takes as
long as it is given: what did not fit is told.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from engine.clock import VirtualClock
from engine.collector import settle_collector
from engine.config.loader import load_config
from engine.engine import Engine
from engine.lines import table
from engine.store import wal

WORKFLOWS = 500
INTERVAL = 10.0
LINE = 1_800.0
LIMIT = 64_000_000
GROWTH = 1.1
"""What a measure may be at the end, as a multiple of its largest value in the first half after warming up."""
CONFIG = """
version: 1
settings: {{heartbeats: "127.0.0.1:0", concurrency: 500, storage: {{max_size: {limit}, ballast: 1MiB}}}}
workflows:{workflows}
rules:
  - id: slow
    name: Slow
    conditions: [{{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 5s}}]
"""
WORKFLOW = """
  - {{id: w{number}, name: Workflow {number}, every: 10s, steps: [{{id: pass, wait: {{for: 20ms}}}}]}}"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The engine at one moment of virtual time; sizes in bytes, `hours` since the start."""

    hours: float
    executions: int
    file: int
    wal: int
    memory: int
    tasks: int
    descriptors: int
    dropped: int


def main() -> int:
    """Returns 0 when the file kept to its limit and nothing grew or was dropped, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="virtual hours (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=15.0, help="real minutes at most (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tocsin-soak-") as place:
        os.environ["XDG_RUNTIME_DIR"] = place
        samples, largest = asyncio.run(soak(Path(place), arguments.hours, arguments.minutes * 60))
    return report(samples, largest, arguments.hours)


async def soak(place: Path, hours: float, seconds: float) -> tuple[list[Sample], int]:
    """Run for `hours` of virtual time, or `seconds` of real time; returns the largest file, too."""
    path, db = place / "rules.yaml", place / "tocsin.db"
    workflows = "".join(WORKFLOW.format(number=number) for number in range(WORKFLOWS))
    path.write_text(CONFIG.format(limit=LIMIT, workflows=workflows), encoding="utf-8")
    clock = VirtualClock(time.time())
    engine = Engine(load_config(path), db, clock)
    await engine.start()
    settle_collector()
    began, largest, samples = time.monotonic(), 0, [await sample(engine, db, 0.0)]
    print(line(samples[0]), flush=True)
    try:
        while clock.monotonic() < hours * 3_600 and time.monotonic() - began < seconds:
            await clock.advance(INTERVAL)
            # The file is as fast as the disk, not as the virtual clock.
            await engine._store.writer.flush()
            async with engine._store.keeper.pruning:
                pass
            largest = max(largest, size(db))
            if clock.monotonic() >= len(samples) * LINE:
                samples.append(await sample(engine, db, clock.monotonic() / 3_600))
                print(line(samples[-1]), flush=True)
    finally:
        samples.append(await sample(engine, db, clock.monotonic() / 3_600))
        print(line(samples[-1]), flush=True)
        stopping = asyncio.create_task(engine.stop())
        while not stopping.done():
            await clock.advance(0.5)
        await stopping
    return samples, largest


async def sample(engine: Engine, db: Path, hours: float) -> Sample:
    """What is to be measured, at rest."""
    gc.collect()
    return Sample(
        hours=hours,
        executions=(await engine.reader.next_ids())[0] - 1,
        file=size(db),
        wal=wal.length(db),
        memory=memory(),
        tasks=len(asyncio.all_tasks()),
        descriptors=len(os.listdir("/proc/self/fd")),
        dropped=(await engine.info()).dropped,
    )


def size(file: Path) -> int:
    """Bytes."""
    return file.stat().st_size


def memory() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def line(found: Sample) -> str:
    """One sample for people; sizes in MB."""
    sizes = (f"{name} {count / 1e6:6.1f} MB" for name, count in (("file", found.file), ("wal", found.wal)))
    return (
        f"{found.hours:5.1f} h  {found.executions:>9,} executions  {'  '.join(sizes)}"
        f"  memory {found.memory / 1e6:6.1f} MB  tasks {found.tasks}  descriptors {found.descriptors}"
        f"  dropped {found.dropped}"
    )


def report(samples: list[Sample], largest: int, hours: float) -> int:
    """Print the verdict; 0 when all is well."""
    warm = samples[max(len(samples) // 4, 1) :]
    half = max(len(warm) // 2, 1)
    rows: list[tuple[str, float, float, str]] = [
        ("file_mb", largest / 1e6, LIMIT / 1e6, _verdict(largest <= LIMIT)),
        ("dropped", samples[-1].dropped, 0, _verdict(not samples[-1].dropped)),
    ]
    for name, unit in (("memory", 1e6), ("wal", 1e6), ("tasks", 1.0), ("descriptors", 1.0)):
        early = max(getattr(one, name) for one in warm[:half]) / unit
        late = max(getattr(one, name) for one in warm[half:] or warm) / unit
        rows.append((name, late, early * GROWTH, _verdict(late <= early * GROWTH + 2)))
    print()
    shown = [(name, f"{value:,.1f}", f"≤ {goal:,.1f}", verdict) for name, value, goal, verdict in rows]
    print("\n".join(table(("FIGURE", "VALUE", "GOAL", "VERDICT"), shown)))
    print(f"{samples[-1].hours:.1f} of {hours:g} virtual hours, {samples[-1].executions:,} executions")
    return int(any(row[3] != "ok" for row in rows))


def _verdict(is_well: bool) -> str:
    return "ok" if is_well else "failed"


if __name__ == "__main__":
    sys.exit(main())
