"""How much is tried: enough for every run, and more where time does not matter."""

from __future__ import annotations

import os


def tried(usual: int, thorough: int) -> int:
    """`thorough` with the environment variable TOCSIN_THOROUGH, else `usual`: examples, steps or seeds."""
    return thorough if os.environ.get("TOCSIN_THOROUGH") else usual
