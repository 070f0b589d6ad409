"""Executions on their way to the rules, so that whoever ran them does not wait for a slow disk."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from engine.model import Execution

CAPACITY = 10_000
TURN = 32
"""Executions that are evaluated before others in the loop have their turn."""


class Backlog:
    """Hands executions to the rules one by one, in the order in which they ended.

    Storing an alert may take as long as another program holds the database. Should more than `capacity`
    executions wait by then, the oldest are no longer evaluated for themselves: they are remembered, and
    count in the next evaluation of their workflow.

    Args:
        evaluate: lets the rules look at an execution; never raises.
        remember: makes an execution known to the rules without an evaluation.
        tell: told in a sentence how many were not evaluated for themselves.
    """

    def __init__(
        self,
        evaluate: Callable[[Execution], Awaitable[None]],
        remember: Callable[[Execution], None],
        tell: Callable[[str], None],
        capacity: int = CAPACITY,
    ) -> None:
        self._evaluate = evaluate
        self._remember = remember
        self._tell = tell
        self._waiting: asyncio.Queue[Execution] = asyncio.Queue(capacity)
        self._passed_over = 0

    def add(self, execution: Execution) -> None:
        """Queue an execution that has ended."""
        if self._waiting.full():
            self._remember(self._waiting.get_nowait())
            self._waiting.task_done()
            self._passed_over += 1
        self._waiting.put_nowait(execution)

    async def run(self) -> None:
        """Evaluate what is queued until cancelled."""
        for number in itertools.count(1):
            execution = await self._waiting.get()
            try:
                await self._evaluate(execution)
            finally:
                self._waiting.task_done()
            if self._passed_over:
                count, self._passed_over = self._passed_over, 0
                self._tell(f"{count} executions waited too long for the rules and were evaluated together")
            # A long queue must not hold up the loop, nor grow while the loop is busy.
            if number % TURN == 0:
                await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until everything added so far has been evaluated."""
        await self._waiting.join()
