"""The two charts of a time range: how long executions took, and how many succeeded."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from engine.client import Bucket
from tui.widgets.chart import Chart, duration_series, success_series

BUCKETS = 60


def clock_steps(since: float, until: float, count: int = BUCKETS) -> tuple[float, float, int]:
    """The fewest whole steps of the clock, of which `count` are as long as the range, that cover it.

    Parts of a range that begin where they began before are summed up once, and drawn in their places.
    """
    width = (until - since) / count
    first, end = math.floor(since / width), math.ceil(until / width)
    return first * width, end * width, end - first


class ChartPair(Vertical):
    """Durations (p50, p95) above the success rate.

    Args:
        empty: what is shown while there is nothing to draw.
    """

    def __init__(self, *, empty: Content, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._empty = empty

    def compose(self) -> ComposeResult:
        yield Chart(empty=self._empty, id="durations")
        yield Chart(empty=self._empty, id="success")

    def on_resize(self) -> None:
        """Both charts are of one height; a line left over parts them."""
        half, spare = divmod(self.size.height, 2)
        self.query_one("#durations").styles.height = half
        success = self.query_one("#success")
        success.styles.height, success.styles.margin = half, (spare, 0, 0, 0)

    def show(self, buckets: Sequence[Bucket]) -> None:
        """Draw buckets, at least one, over the time that they make up."""
        since, until = buckets[0].at, buckets[-1].at + buckets[-1].width
        durations, unit = duration_series(buckets)
        self.query_one("#durations", Chart).plot("Duration", durations, since, until, unit=unit)
        self.query_one("#success", Chart).plot(
            "Success rate", success_series(buckets), since, until, unit="%", y_range=(0.0, 100.0)
        )
