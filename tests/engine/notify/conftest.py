from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.notify.bench import Bench, open_bench


@pytest.fixture(scope="session", autouse=True)
def _apprise_is_loaded() -> None:
    """Loading it takes longer than the deadlines of these tests."""
    from apprise import Apprise

    assert Apprise().add("json://127.0.0.1:1")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path / "t.db", "ops", "good") as bench:
        yield bench
