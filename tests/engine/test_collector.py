"""The collector is told once, in a process of its own: it would look less often in all tests after it."""

import subprocess
import sys

ASK = """
import gc
from engine.collector import YOUNG, settle_collector
settle_collector()
assert gc.get_freeze_count() > 1000
assert gc.get_threshold()[0] == YOUNG
assert gc.isenabled()
"""


def test_what_stays_is_left_alone_and_garbage_is_still_found() -> None:
    subprocess.run([sys.executable, "-c", ASK], check=True, timeout=30)
