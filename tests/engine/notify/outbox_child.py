"""A process that queues and sends until it is killed, and prints what is durable.

`python -m … DB URL FIRST COUNT`; with a COUNT of 0 it only sends, and ends when nothing waits any more.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine.clock import SystemClock
from engine.config.schema import Channel
from engine.model import AlertEventKind, Notification, Severity
from engine.notify.outbox import Outbox
from engine.store.store import Store


async def main(path: Path, url: str, first: int, count: int) -> None:
    clock = SystemClock()
    store = await Store.open(path, clock)
    receipt = asyncio.Event()
    outbox = Outbox(
        channels={"ops": Channel(url=url, rate_limit=10_000)},
        store=store,
        clock=clock,
        changed=lambda _: receipt.set(),
        log=lambda record: print(record.message, file=sys.stderr),
    )
    running = asyncio.create_task(outbox.run())
    for alert_id in range(first, first + count):
        key = f"{alert_id}:fired:ops"
        row = Notification(
            key, alert_id, "ops", AlertEventKind.FIRED, Severity.ERROR, key, "body", clock.now()
        )
        await store.writer.must(row)
        print(key, flush=True)
        outbox.poke()
    while (await store.reader.pending_notifications())[0]:
        receipt.clear()
        if (await store.reader.pending_notifications())[0]:
            await receipt.wait()
    running.cancel()
    await outbox.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
