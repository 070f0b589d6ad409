"""Spans of other programs join the traces that began here, while those go on and long after."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable, Collection, Set
from dataclasses import replace

from engine.errors import StoreError
from engine.model import Execution
from engine.store.store import Store
from engine.telemetry import otlp_protobuf
from engine.telemetry.otlp_reading import read_spans

MAX_SPANS = 1_000
"""Spans that may join one trace."""
LARGE = 32_768
"""Bytes from which on a document is read in a thread."""
REMEMBERED = 10_000
"""Traces that are known without a look into the database."""


class Joining:
    """Takes OTLP documents from those who know the token.

    Spans of traces that did not begin here are passed over: a collector may send everything it has.

    Args:
        token: what they are to know; None: nobody may add spans.
    """

    def __init__(self, token: str | None, store: Store) -> None:
        self._token = token
        self._store = store
        self.running: Callable[[str], int | None] = _nothing
        """The execution that goes on under a trace, by the trace's identifier."""
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._joined: OrderedDict[str, int] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """Whether there is anybody who may add spans."""
        return self._token is not None

    def ended(self, execution: Execution) -> None:
        """This one is over; it is not yet in the database."""
        if self._token is not None:
            self._ended[execution.trace_id] = execution.id
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)

    async def heard(self, token: str, body: bytes, *, is_protobuf: bool = False) -> int | None:
        """Keep what belongs to a trace of ours; `body` is JSON unless it is protobuf.

        Returns:
            How many spans were refused: not to be read, or too many for their trace. None: a wrong token.

        Raises:
            UnreadableError: `body` is no OTLP document of spans.
            StoreError: nothing can be stored now.
        """
        if self._token is None or not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        # A large document takes tens of milliseconds, for which the loop is not to stand still.
        if is_protobuf:
            found = await asyncio.to_thread(otlp_protobuf.read_spans, body)
        elif len(body) > LARGE:
            found = await asyncio.to_thread(read_spans, body)
        else:
            found = read_spans(body)
        owners = await self._owners({span.trace_id for span in found.spans})
        ours = [replace(s, execution_id=owners[s.trace_id]) for s in found.spans if s.trace_id in owners]
        await self._recount(owners)
        kept = [span for span in ours if self._has_room(span.trace_id)]
        self._forget()
        if kept and not self._store.writer.offer(*kept):
            raise StoreError("there is no room for these spans now")
        return found.unreadable + len(ours) - len(kept)

    async def _owners(self, trace_ids: Set[str]) -> dict[str, int]:
        """The executions that began these traces, as far as they began here."""
        known = {each: self.running(each) or self._ended.get(each) for each in trace_ids}
        owners = {trace_id: owner for trace_id, owner in known.items() if owner is not None}
        return owners | await self._store.reader.owners(trace_ids - owners.keys())

    async def _recount(self, trace_ids: Collection[str]) -> None:
        """Make sure that it is known how many spans have joined these traces."""
        unknown = [trace_id for trace_id in trace_ids if trace_id not in self._joined]
        counts = await self._store.reader.joined(unknown)
        for trace_id in unknown:
            self._joined.setdefault(trace_id, counts.get(trace_id, 0))

    def _has_room(self, trace_id: str) -> bool:
        """Count a span that joins its trace; False when there are too many of them."""
        count = self._joined.get(trace_id, 0)
        self._joined[trace_id] = count + (count < MAX_SPANS)
        return count < MAX_SPANS

    def _forget(self) -> None:
        """The oldest; they are counted again when they are wanted."""
        while len(self._joined) > REMEMBERED:
            self._joined.popitem(last=False)


def _nothing(_: str) -> None:
    """Nothing goes on before the engine listens."""
