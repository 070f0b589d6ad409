"""The footer: what fits, what a click does, and that it stands still while nothing changes."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing
from tui.widgets.key_bar import KeyBar, KeyHint, lay_out_keys

HINTS = (
    KeyHint("a", "a", "Ack", is_enabled=False),
    KeyHint("question_mark", "?", "Help", is_essential=True),
    KeyHint("z", "z", "Zoom in"),
    KeyHint("q", "q", "Quit", is_essential=True),
    KeyHint("1", "1", "One", group="Views"),
    KeyHint("2", "2", "Two", group="Views"),
)


def test_what_does_not_fit_goes_whole_and_the_way_out_stays() -> None:
    lines = {width: lay_out_keys(HINTS, width)[0].plain for width in (43, 42, 40, 32, 25, 14, 13, 5)}
    assert lines == {
        43: "a Ack  ? Help  z Zoom in  q Quit  12 Views",
        42: "a Ack  ? Help  z Zoom in  q Quit  12 Views",
        40: "a Ack ? Help z Zoom in q Quit 12 Views",
        32: "a Ack ? Help z Zoom in q Quit",
        25: "a Ack ? Help q Quit",
        14: "? Help q Quit",
        13: "? Help q Quit",
        5: "",
    }


def test_every_cell_belongs_to_the_key_that_is_written_there() -> None:
    content, places = lay_out_keys(HINTS, 40)
    assert {hint.key: content.plain[start:end] for start, end, hint in places} == {
        "a": "a Ack", "question_mark": "? Help", "z": "z Zoom in", "q": "q Quit", "1": "1", "2": "2",
    }  # fmt: skip


def test_keys_of_a_group_are_written_in_short_where_it_is_narrow_and_never_go() -> None:
    views = tuple(KeyHint(str(n), str(n), "View", group="Views", is_essential=True) for n in range(1, 10))
    lines = {width: lay_out_keys((*HINTS[:4], *views), width)[0].plain for width in (60, 46, 40, 24, 23, 12)}
    assert lines == {
        60: "a Ack  ? Help  z Zoom in  q Quit  123456789 Views",
        46: "a Ack ? Help z Zoom in q Quit 123456789 Views",
        40: "a Ack ? Help z Zoom in q Quit 1–9 Views",
        24: "? Help q Quit 1–9 Views",
        23: "? Help q Quit 1–9 Views",
        12: "? Help",
    }
    _, places = lay_out_keys((*HINTS[:4], *views), 23)
    assert [(start, end, hint.key) for start, end, hint in places[-2:]] == [(14, 15, "1"), (16, 17, "9")]


async def test_a_click_presses_the_key(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        line = frame(app).splitlines()[-1]
        await pilot.click(KeyBar, offset=(line.index("? Help") + 2, 0))
        await settle(pilot)
        assert showing(app) == "HelpModal"
        await press(pilot, "escape")
        await pilot.click(KeyBar, offset=(line.index("1–") + 2, 0))
        await settle(pilot)
        assert app.current_mode == "reports"
        await pilot.hover(KeyBar, offset=(line.index("? Help") + 2, 0))
        assert isinstance(app.screen.query_one(KeyBar).tooltip, Content | None)


async def test_it_is_drawn_again_only_when_keys_change(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        bar = app.screen.query_one(KeyBar)
        drawn: list[str] = []
        render = bar.render

        def counted() -> Content:
            drawn.append("")
            return render()

        bar.render = counted  # type: ignore[method-assign]
        app.screen.refresh_bindings()
        await settle(pilot)
        assert drawn == []
        assert len(bar.children) == 0
        await press(pilot, "space")
        assert drawn
        assert "space Live" in frame(app)
