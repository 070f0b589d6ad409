from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _apprise_is_loaded() -> None:
    """Loading it takes longer than the deadlines of these tests."""
    from apprise import Apprise

    assert Apprise().add("json://127.0.0.1:1")
