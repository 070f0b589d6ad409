"""The console from its first frame to its last, in a terminal that may go away."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from io import TextIOWrapper

from engine.client import EngineClient
from engine.paths import config_dir, state_dir
from tui.app import TocsinApp
from tui.lifecycle import SignalGuard
from tui.memory import load_memory
from tui.settings import load_settings
from tui.sized import forget_unlikely_sizes
from tui.stand_ins import use_stand_ins
from tui.strips import use_late_caches


def run_console(
    client: EngineClient,
    reload: Callable[[], None] | None = None,
    *,
    looks_only: bool = False,
    opened_at: float | None = None,
) -> int:
    """Run the console until the person leaves or the terminal goes; the caller closes `client`.

    Args:
        reload: what SIGHUP asks for while the terminal is there, safe to call from a signal handler; without
            it, SIGHUP ends the console.
        looks_only: refuse whatever would change something.
        opened_at: the moment to begin with, seconds since the epoch; None: live.

    Returns:
        0 after a clean exit (also on a signal), 1 after a crash, with a sentence on standard error.
    """
    forget_unlikely_sizes(os.environ)
    if isinstance(sys.__stderr__, TextIOWrapper):
        # Where Textual draws.
        use_stand_ins(sys.__stderr__)
    use_late_caches()
    memory = load_memory(state_dir() / "console.json")
    settings = load_settings(config_dir() / "console.toml")
    app = TocsinApp(client, memory=memory, settings=settings, looks_only=looks_only, opened_at=opened_at)
    with SignalGuard(app.leave, client, reload):
        result = app.run()
    if app.parting:
        print(app.parting, file=sys.stderr)
    if app.crash_sentence:
        print(app.crash_sentence, file=sys.stderr)
        return 1
    return result or 0
