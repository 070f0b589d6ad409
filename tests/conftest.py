"""How the tests are run: what they cost beside what they try."""

from __future__ import annotations

import gc
import os
import sys

from hypothesis import settings

from tests.effort import tried

# Two busy cores are no reason to fail: what is slow is found by benchmarks.
settings.register_profile("tocsin", max_examples=tried(40, 400), deadline=None)
settings.load_profile("tocsin")

# Compiled once for all: this process, its workers, and the many programs that tests start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """Let the collector pass over what lives as long as the run: each look at all of it takes 0.15 s."""
    gc.collect()
    gc.freeze()
