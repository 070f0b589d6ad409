"""What all tests of the console share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.tui.stillness import wait_for_events
from tui.bridge import Loader


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens", action="store_true", help="write the frames of tests/tui/goldens anew"
    )


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetches follow each other at once: nobody watches, and every test would wait for the pace."""
    monkeypatch.setattr(Loader, "PACE", 0.0)
    monkeypatch.setattr(Loader, "SLOWEST", 0.0)
    wait_for_events(monkeypatch)
    monkeypatch.setattr(Loader, "STILL", 0.0)
    monkeypatch.setattr(Loader, "LONGEST_REST", 0.0)


@pytest.fixture(autouse=True, scope="session")
def rare_collections() -> Iterator[None]:
    """Every app is a web of cycles; looking through them as often as usual costs a quarter of the time."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)
    yield
    gc.set_threshold(*before)
