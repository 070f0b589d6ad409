"""Writing a text into its place: no more is laid out or drawn than differs."""

from __future__ import annotations

import pytest
from textual.content import Content
from textual.geometry import Region
from textual.widgets import Static

from tests.tui.hosts import Host, frame
from tui.widgets.writing import write


class Counting(Static):
    """Remembers whether each refresh asked for a layout."""

    DEFAULT_CSS = "Counting { width: 20; }"

    def __init__(self) -> None:
        self.layouts: list[bool] = []
        super().__init__(Content("one line"))

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Counting:
        self.layouts.append(layout)
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self


@pytest.mark.parametrize(
    ("text", "layouts"),
    [
        (Content("one line"), []),
        (Content("another"), [False]),
        (Content.styled("one line", "bold"), [False]),
        (Content("two\nlines"), [True]),
        (Content("more than fits into one line"), [True]),
    ],
)
async def test_a_layout_is_for_another_height_only(text: Content, layouts: list[bool]) -> None:
    place = Counting()
    app = Host(place, Static("below"))
    async with app.run_test(size=(40, 6)) as pilot:
        place.layouts.clear()
        write(place, text)
        assert place.layouts == layouts
        await pilot.pause()
        shown = [line.strip() for line in frame(app)]
        assert shown.index("below") == len(text.wrap(20))
