"""What steps got back, kept small and without secrets, so that changed expectations can be tried on it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from engine.clock import Clock
from engine.model import KeptReply, LogLevel, LogRecord, StoredResponse
from engine.redaction import Redactor
from engine.store.reader import Reader
from engine.store.store import Store
from engine.text import own_words
from engine.workflows.plan import StepPlan
from engine.workflows.stepping import Stepped
from engine.workflows.steps.base import Reply
from engine.workflows.steps.decoding import parse_json

FIELD_LIMIT = 4_096
"""Characters that are kept of one field."""
INTERVAL = 60.0
"""Seconds between two successes of a step in a row of which both are kept. Failures are all kept, and so is
the first success after one."""
UNPACKED_LIMIT = 4 * 1024 * 1024

Names = tuple[str, ...]
_TEXTS = ("body", "message")
"""Fields that `json` is read from; it is kept only where there is none of them."""

_SECRET = ("cookies",)


async def keeper(amount: int, store: Store, clock: Clock, redact: Redactor) -> Keeper | None:
    """What keeps `amount` responses of each step in `store`, going on where it stands; None for none."""
    if not amount:
        return None
    return Keeper(clock, amount, redact, store.writer.offer, await store.reader.response_slots())


class Keeper:
    """Shown to a runner as `keep`; offers responses to the store, the newest in place of the oldest.

    Args:
        amount: how many are kept of each step.
        redact: takes secrets out.
        slots: where the newest of each step stands in the store.
    """

    def __init__(
        self,
        clock: Clock,
        amount: int,
        redact: Redactor,
        offer: Callable[[StoredResponse | LogRecord], object],
        slots: Mapping[tuple[str, str], int],
    ) -> None:
        self._clock = clock
        self._amount = amount
        self._redact = redact
        self._offer = offer
        self._slots = dict(slots)
        self._succeeded_at: dict[tuple[str, str], float] = {}

    def __call__(self, workflow_id: str, execution_id: int, plan: StepPlan, stepped: Stepped) -> None:
        """Keep what `stepped` got back, unless a success of the step was kept a moment ago."""
        reply, key = stepped.reply, (workflow_id, plan.id)
        if reply is None:
            return
        if stepped.result.outcome.is_success:
            now = self._clock.monotonic()
            if now - self._succeeded_at.get(key, -INTERVAL) < INTERVAL:
                return
            self._succeeded_at[key] = now
        else:
            self._succeeded_at.pop(key, None)
        try:
            self._offer(self._response(key, execution_id, stepped, reply))
        except Exception as error:  # noqa: BLE001 - border: what is kept for later must not hurt the run
            message = f"{workflow_id}/{plan.id}: its response cannot be kept: {own_words(error, 200)}"
            self._offer(LogRecord(self._clock.now(), LogLevel.WARNING, message, workflow_id, execution_id))

    def _response(
        self, key: tuple[str, str], execution_id: int, stepped: Stepped, reply: Reply
    ) -> StoredResponse:
        fields, cut = self._kept(reply.fields)
        slot = self._slots[key] = (self._slots.get(key, -1) + 1) % self._amount
        return StoredResponse(
            workflow_id=key[0],
            step_id=key[1],
            slot=slot,
            execution_id=execution_id,
            at=stepped.result.started_at,
            succeeded=stepped.result.outcome.is_success,
            fields=_packed(fields),
            cut=cut,
            failure=reply.failure,
        )

    def _kept(self, fields: Mapping[str, Any]) -> tuple[dict[str, Any], Names]:
        """The fields without secrets as far as they are kept, and the names of those that are not whole."""
        kept: dict[str, Any] = {}
        cut: list[str] = []
        has_text = any(name in fields for name in _TEXTS)
        for name in fields:
            if name == "json" and has_text:
                continue
            value = fields.get(name)
            if value is None:
                continue
            if name in _SECRET and value:
                cut.append(name)
                continue
            if isinstance(value, str) and len(value) > FIELD_LIMIT:
                # A secret must not be cut in two before it is found.
                value = self._redact.text(value[: 2 * FIELD_LIMIT])[:FIELD_LIMIT]
                cut.append(name)
            elif isinstance(value, (Mapping, list, tuple)) and _size(value) > FIELD_LIMIT:
                cut.append(name)
                continue
            kept[name] = value
        return self._redact(kept), tuple(cut)


def _packed(fields: Mapping[str, Any]) -> bytes:
    """JSON, deflated with little memory: to make room for more would take longer than the packing."""
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits=12, memLevel=5)
    return packer.compress(json.dumps(fields, default=str).encode()) + packer.flush()


def fields_of(response: StoredResponse) -> dict[str, Any]:
    """The fields of a reply, as far as they were kept.

    Raises:
        ValueError: they cannot be read.
    """
    try:
        packed = zlib.decompressobj()
        fields = json.loads(packed.decompress(response.fields, UNPACKED_LIMIT))
    except zlib.error as error:
        raise ValueError(f"the stored response is damaged: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("the stored response is damaged")
    for name in _TEXTS:
        if isinstance(text := fields.get(name), str):
            fields["json"] = parse_json(text)
    if isinstance(headers := fields.get("headers"), dict):
        fields["headers"] = _Headers(headers)
    return fields


def readable(response: StoredResponse) -> KeptReply:
    """A stored response as people read it; one that is damaged has no fields, and all of it is cut."""
    try:
        fields, cut = fields_of(response), response.cut
    except ValueError:
        fields, cut = {}, ("everything",)
    return KeptReply(
        response.step_id,
        response.execution_id,
        response.at,
        response.succeeded,
        fields,
        cut,
        response.failure,
    )


async def replies(
    reader: Reader, workflow_id: str, limit: int, until: float | None = None
) -> tuple[KeptReply, ...]:
    """What is kept of the newest `limit` executions of a workflow, or of those by `until`, newest first.

    Raises:
        StoreError: the file cannot be read.
    """
    found = await reader.responses(workflow_id=workflow_id, until=until, limit=limit)
    return tuple(map(readable, found))


def is_whole(response: StoredResponse, root: str) -> bool:
    """Whether the field that an expectation begins with was kept as it came."""
    if root == "json" and any(name in response.cut for name in _TEXTS):
        return False
    return root not in response.cut


class _Headers(dict[str, Any]):
    """Names in lower case, found in any."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str))
