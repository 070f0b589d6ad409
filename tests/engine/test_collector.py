"""The collector is told once, in a process of its own: it would look less often in all tests after it."""

import gc
import subprocess
import sys

import pytest

from engine.collector import collector_paused

ASK = """
import gc
from engine.collector import YOUNG, settle_collector
gc.disable()
settle_collector()
assert gc.get_freeze_count() > 1000
assert gc.get_threshold()[0] == YOUNG
assert gc.isenabled()
"""


def test_what_stays_is_left_alone_and_garbage_is_still_found() -> None:
    subprocess.run([sys.executable, "-c", ASK], check=True, timeout=30)


def test_building_something_large_pauses_it_and_leaves_it_as_it_was() -> None:
    seen = []

    @collector_paused()
    def build() -> None:
        with collector_paused():
            seen.append(gc.isenabled())
        seen.append(gc.isenabled())
        raise ValueError("too large")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="too large"):
        build()
    assert seen == [False, False]
    assert gc.isenabled()
