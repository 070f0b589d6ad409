"""How much is tried: enough for every run, and more where time does not matter."""

from __future__ import annotations

import os

from hypothesis import settings

# Two busy cores are no reason to fail: what is slow is found by benchmarks.
settings.register_profile("usual", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=400, deadline=None)
settings.load_profile("thorough" if os.environ.get("TOCSIN_THOROUGH") else "usual")
