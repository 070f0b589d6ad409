"""Stored responses as people read them, the newest first."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

from engine.attached import FileClient
from engine.clock import SystemClock
from engine.model import Failure, KeptReply, StoredResponse
from engine.store.store import Store
from engine.workflows.responses import readable

FIELDS = {"status": 503, "body": '{"a": 1}'}


def kept(execution_id: int, packed: bytes) -> StoredResponse:
    failure = Failure("status 503")
    return StoredResponse(
        "shop", "pay", execution_id, execution_id, 10.0, False, packed, ("cookies",), failure
    )


def test_a_damaged_one_is_told_as_such() -> None:
    found = readable(kept(1, b"nothing packed"))
    assert (found.fields, found.cut) == ({}, ("everything",))
    assert found.failure == Failure("status 503")


async def test_they_are_read_from_the_file(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "t.db", SystemClock())
    packed = zlib.compress(json.dumps(FIELDS).encode())
    await store.writer.must(kept(1, packed), kept(2, packed), kept(3, packed))
    await store.close()
    client = await FileClient.open(tmp_path / "t.db")
    found = await client.replies("shop", limit=2)
    client.close()
    assert [one.execution_id for one in found] == [3, 2]
    assert found[0] == KeptReply(
        "pay", 3, 10.0, False, {**FIELDS, "json": {"a": 1}}, ("cookies",), Failure("status 503")
    )


async def test_those_of_a_moment_are_the_newest_before_it(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "t.db", SystemClock())
    await store.writer.must(*(replace(kept(number, b""), at=10.0 * number) for number in (1, 2, 3)))
    await store.close()
    client = await FileClient.open(tmp_path / "t.db")
    found = await client.replies("shop", until=20.0, limit=1)
    client.close()
    assert [one.execution_id for one in found] == [2]
