"""Writing a text into its place: no more is laid out or drawn than differs."""

from __future__ import annotations

import pytest
from textual.content import Content
from textual.geometry import Region
from textual.selection import Selection
from textual.widgets import Static

from tests.tui.hosts import Host, frame
from tui.present import hanging
from tui.widgets.writing import Hanging, Page, write


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


LONG = "a message that is longer than its place and has averylongwordtobecut in it"


def test_wrapped_lines_go_on_where_the_text_began() -> None:
    lines = [hanging(Content.styled("· ", "bold"), Content(LONG)), Content("plain " + LONG)]
    text = Content("\n").join(lines)
    assert Hanging(text).folded(24).plain.splitlines() == [
        "· a message that is",
        "  longer than its place",
        "  and has",
        "  averylongwordtobecut",
        "  in it",
        *(line.plain.rstrip() for line in Content("plain " + LONG).wrap(24)),
    ]


@pytest.mark.parametrize("width", [3, 8, 20, 24, 40, 300])
def test_nothing_is_lost_by_folding_and_no_line_is_too_long(width: int) -> None:
    text = hanging(Content("Label   "), Content.styled(LONG, "bold"))
    folded = Hanging(text).folded(width)
    assert "".join(folded.plain.split()) == "".join(text.plain.split())
    strips = Hanging(text).get_height({}, width)
    assert strips == len(folded.wrap(width))
    if width >= 16:
        assert max(map(len, folded.plain.splitlines())) <= width


async def test_a_page_is_as_high_as_it_is_drawn_and_folds_anew_with_its_width() -> None:
    page = Page(hanging(Content("12:00:00  "), Content(LONG)))
    app = Host(page, Static("below"))
    async with app.run_test(size=(40, 12)) as pilot:
        for width, lines in ((40, 3), (30, 5), (90, 1)):
            await pilot.resize_terminal(width, 12)
            shown = [line.rstrip() for line in frame(app)]
            assert shown.index("below") == lines
            assert all(line.startswith(" " * 10) for line in shown[1:lines])
        whole = Selection(None, None)
        assert page.get_selection(whole) == (f"12:00:00  {LONG}", "\n")


@pytest.mark.parametrize("unit", ["%", "ms", "s", "m", "h", "d", "MiB", "kB"])
def test_no_line_ends_between_a_number_and_its_unit(unit: str) -> None:
    text = Content.assemble("it took about 12 ", unit, ", and ", ("34 ", "bold"), (unit, "bold"), " more")
    for width in range(8, text.cell_length + 1):
        folded = Hanging(text).folded(width)
        assert folded.plain.count(f"12 {unit}") == folded.plain.count(f"34 {unit}") == 1
        assert max(map(len, folded.plain.split("\n"))) <= width
        assert "\ue000" not in folded.plain
    assert "steps\nthat" in Hanging(Content("of 12 steps that ran")).folded(12).plain
