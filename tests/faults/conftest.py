"""Fixtures of the fault tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest


@pytest.fixture
async def at_end() -> AsyncIterator[AsyncExitStack]:
    """What is closed when a test ends, however it does: a writer left open would keep the interpreter."""
    async with AsyncExitStack() as stack:
        yield stack
