"""Fixtures of the console's tests."""

from __future__ import annotations

import pytest

from tui.bridge import Loader


@pytest.fixture(autouse=True)
def _unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetches follow each other at once."""
    monkeypatch.setattr(Loader, "PACE", 0.0)
