"""What draws a console whose screen is a tab of a browser."""

from __future__ import annotations

import contextlib

from textual.drivers.web_driver import WebDriver
from textual.messages import ExitApp


class TabDriver(WebDriver):
    """Speaks to `tocsin serve` over standard input and output, and ends with it."""

    def run_input_thread(self) -> None:
        """Read what is typed; without a server nobody can type or look any more."""
        super().run_input_thread()
        self._app.post_message(ExitApp())

    def write(self, data: str) -> None:
        """Draw; a server that is gone takes nothing more."""
        with contextlib.suppress(BrokenPipeError):
            super().write(data)

    def write_meta(self, data: dict[str, object]) -> None:
        """Tell the server something; as with `write`."""
        with contextlib.suppress(BrokenPipeError):
            super().write_meta(data)
