"""Drawn lines make their caches when they need them, and are otherwise as Textual makes them."""

from __future__ import annotations

import sys

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.cache import FIFOCache
from textual.strip import Strip

from tui.strips import use_late_caches

SEGMENTS = [Segment("every "), Segment("check", Style(bold=True)), Segment(" is 日本")]
ITS_OWN = Strip(SEGMENTS)


@pytest.fixture(autouse=True)
def late_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    # What it changes is put back after each test.
    monkeypatch.setattr(Strip, "__init__", Strip.__init__)
    monkeypatch.setattr(Strip, "__getattr__", None, raising=False)
    use_late_caches()


def made(line: Strip) -> set[str]:
    """What is there without asking for it."""
    return {name for name in Strip.__slots__ if is_there(line, name)}


def is_there(line: Strip, name: str) -> bool:
    try:
        object.__getattribute__(line, name)
    except AttributeError:
        return False
    return True


def test_a_line_has_all_that_textual_gives_it() -> None:
    line = Strip(SEGMENTS)
    for name in Strip.__slots__:
        own, ours = getattr(ITS_OWN, name), getattr(line, name)
        assert isinstance(ours, type(own)), name
        if isinstance(own, FIFOCache):
            assert own._maxsize == ours._maxsize, name
        else:
            assert own == ours, name


def test_caches_are_made_when_they_are_asked() -> None:
    line = Strip(SEGMENTS, 17)
    assert not {name for name in made(line) if isinstance(getattr(ITS_OWN, name), FIFOCache)}
    cropped = line.crop(2, 8)
    assert cropped.text == "ery ch"
    assert line.crop(2, 8) is cropped
    assert [part.text for part in line.divide([6, 11])] == ["every ", "check"]
    assert made(line) - made(Strip(SEGMENTS, 17)) == {"_crop_cache", "_divide_cache"}


def test_a_line_that_is_left_whole_does_not_keep_itself() -> None:
    line = Strip(SEGMENTS)
    before = sys.getrefcount(line)
    assert line.divide([line.cell_length]) == [line]
    assert sys.getrefcount(line) == before


def test_what_a_line_does_not_have_is_still_an_error() -> None:
    with pytest.raises(AttributeError, match="_no_such_thing"):
        Strip(SEGMENTS)._no_such_thing  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(Strip(SEGMENTS), "__rich__")
