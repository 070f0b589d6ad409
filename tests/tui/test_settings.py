"""A person's own keys and colours: what the file says, what of it cannot be, and what the console does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.fakes import FakeClient
from tests.tui.harness import frame, press, settle, showing
from tui.actions import ACTIONS
from tui.app import TocsinApp
from tui.keymap import Keymap, read_keys
from tui.modals.help import help_text
from tui.settings import COLOURS, Settings, load_settings
from tui.widgets.row_table import RowTable
from tui.widgets.status_bar import FRAMES, StatusBar


def _load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "console.toml"
    path.write_text(text)
    return load_settings(path)


def test_keys_are_read_as_people_write_them(tmp_path: Path) -> None:
    said = '[keys]\n"global.help" = ["K", "f1"]\n"global.range" = "ctrl+t"\n"global.zoom" = "|"\n'
    settings = _load(tmp_path, said)
    assert settings.faults == ()
    assert settings.keys.changed == {
        "global.help": "K,f1", "global.range": "ctrl+t", "global.zoom": "vertical_line"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('[keys]\n"global.hlep" = "H"', "did you mean global.help?"),
        ('[keys]\n"global.help" = "ctrl+nothing"', "is no key"),
        ('[keys]\n"global.help" = 3', "is no key"),
        ('[keys]\n"global.help" = []', "is no key"),
        ('[keys]\n"global.help" = "T"', "global.help keeps its usual key: T is global.theme"),
        ('[keys]\n"global.help" = "j"', "j is lists.down"),
        ('[keys]\n"global.checks" = "P"', "through the palette only"),
        ('[keys]\n"global.help" = "ctrl+c"', "keeps its usual key"),
        ("[keyss]\n", "no section 'keyss'"),
        ("keys = 3\n", "no action 'keys'"),
        ('[environments]\nstaging = "purple"', "there are red"),
        ('[environments]\nstaging = "rde"', "did you mean red?"),
        ("nonsense", "is no TOML"),
        ("a = " + "[" * 5_000, "cannot be used"),
        ('[keys]\n"global.help" = ' + "9" * 5_000, "cannot be used"),
        ('[keys]\n"global.help" = 0x' + "f" * 20_000, "cannot be used"),
        ("[environments]\nstaging = 0x" + "f" * 20_000, "cannot be used"),
        ('[keys]\n"global.help" = " "', "is no key"),
        ('[keys]\n"[/foo]" = "H"', "no action '[/foo]'"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence_and_changes_nothing(
    said: str, fault: str, tmp_path: Path
) -> None:
    settings = _load(tmp_path, said)
    assert len(settings.faults) == 1
    assert fault in settings.faults[0]
    assert settings.keys == Keymap()


def test_no_file_and_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "console.toml") == Settings()
    assert "cannot be read" in load_settings(tmp_path).faults[0]
    os.mkfifo(tmp_path / "pipe.toml")
    assert "no regular file" in load_settings(tmp_path / "pipe.toml").faults[0]


def test_two_actions_may_swap_their_keys_and_views_may_share_one() -> None:
    keymap, faults = read_keys(
        {"global.theme": "z", "global.zoom": "T", "alerts.all": "d", "logs.facets": "d"}
    )
    assert faults == []
    assert len(keymap.changed) == 4
    assert read_keys({"global.theme": "H", "global.zoom": "H"})[1] != []


@given(
    st.dictionaries(
        st.sampled_from([action.id for action in ACTIONS]), st.sampled_from("adgjTzH"), max_size=6
    )
)
def test_what_is_accepted_never_gives_one_key_two_meanings(said: dict[str, str]) -> None:
    keymap, _ = read_keys(said)
    again, faults = read_keys(keymap.changed)
    assert (again, faults) == (keymap, [])


def test_every_colour_is_one_the_header_has() -> None:
    assert set(COLOURS.values()) - {""} == set(FRAMES)


async def test_help_footer_and_palette_show_the_keys_that_count(tmp_path: Path) -> None:
    keys = {
        "global.help": "K",
        "dashboard.run": "f7",
        "view.alerts": "A",
        "lists.down": "f5",
        "global.range": "f6",
    }
    app = TocsinApp(FakeClient(), crash_log=tmp_path / "crash.log", settings=Settings(Keymap(keys)))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settle(pilot)
        assert "K Help" in frame(app)
        await press(pilot, "question_mark")
        assert showing(app) == "DashboardView"
        await press(pilot, "K")
        assert "f7          Run now" in frame(app)
        assert "f6          Range" in help_text(keymap=app.settings.keys).plain
        await press(pilot, "escape", "ctrl+p", *"range")
        assert "(f6)" in frame(app)
        await press(pilot, "escape", "A")
        assert app.current_mode == "alerts"
        first = app.screen.query_one("#timeline", RowTable).cursor_key
        await press(pilot, "j")
        assert app.screen.query_one("#timeline", RowTable).cursor_key == first
        await press(pilot, "f5")
        assert app.screen.query_one("#timeline", RowTable).cursor_key != first


async def test_faults_are_told_at_the_start(tmp_path: Path) -> None:
    settings = _load(tmp_path, '[keys]\n"[/foo]" = "H"')
    app = TocsinApp(FakeClient(), crash_log=tmp_path / "crash.log", settings=settings)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await settle(pilot)
        assert "no action '[/foo]'" in frame(app)


@pytest.mark.parametrize(
    ("said", "colour"),
    [
        ("", "error"),
        ('production = "none"', ""),
        ('PRODUCTION = "yellow"', "warning"),
        ('other = "red"', "error"),
    ],
)
async def test_the_environment_frames_the_header(said: str, colour: str, tmp_path: Path) -> None:
    settings = _load(tmp_path, f"[environments]\n{said}\n")
    app = TocsinApp(FakeClient(), crash_log=tmp_path / "crash.log", settings=settings)
    async with app.run_test(size=(60, 24)) as pilot:
        await settle(pilot)
        bar = app.screen.query_one(StatusBar)
        assert [one for one in FRAMES if bar.has_class(f"-{one}")] == ([colour] if colour else [])
        assert ("PRODUCTION" in frame(app)) is bool(colour)
