from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.store.store import Store
from tests.engine.store.samples import START


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START + 1000)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tocsin.db"


@pytest.fixture
async def store(db: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    store = await Store.open(db, clock)
    yield store
    await store.close()
