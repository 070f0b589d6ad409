"""The console from its first frame to its last, in a terminal that may go away."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from engine.client import EngineClient
from tui.app import TocsinApp
from tui.lifecycle import SignalGuard
from tui.stand_ins import use_stand_ins


def run_console(client: EngineClient) -> int:
    """Run the console until the person leaves or the terminal goes; the caller closes `client`.

    Returns:
        0 after a clean exit (also on SIGTERM and SIGHUP), 1 after a crash, with a sentence on standard error.
    """
    if isinstance(sys.__stderr__, TextIOWrapper):
        # Where Textual draws.
        use_stand_ins(sys.__stderr__)
    app = TocsinApp(client)
    with SignalGuard(app.leave, client):
        result = app.run()
    if app.crash_sentence:
        print(app.crash_sentence, file=sys.stderr)
        return 1
    return result or 0
