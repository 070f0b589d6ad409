"""Keys typed faster than a question can stand: they are for the question, never for the view behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, key_of, press, settle, showing

_NAMES = {"\r": "enter", ":": "colon", "?": "question_mark", "/": "slash"}


async def _type(pilot: Pilot[int], keys: str) -> None:
    """All in one burst, as a terminal sends what is pasted or typed while it was busy."""
    for key in keys:
        name = _NAMES.get(key, key)
        pilot.app.post_message(events.Key(name, None if key == "\r" else key))
    await settle(pilot)


@pytest.mark.parametrize(
    ("keys", "field", "modal"),
    [
        ("arx2T", "Input", "NoteModal"),
        ("s12qX", "#reason", "SilenceModal"),
        ("xm2q", "Input", "ExportModal"),
        (":2af", "Input", "JumpModal"),
    ],
)
async def test_what_is_typed_behind_a_key_that_asks_reaches_the_question(
    tmp_path: Path, keys: str, field: str, modal: str
) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, key_of("alerts"))
        await _type(pilot, keys)
        assert showing(app) == modal
        assert app.screen.query_one(field, Input).value.endswith(keys[1:])
        assert app.current_mode == "alerts"
        assert not [call for call in client.calls if call[0] in ("acknowledge", "resolve", "silence")]


async def test_the_help_and_what_is_searched_in_it_are_typed_in_one_go(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await _type(pilot, "?/a/b")
        field = app.screen.query_one(Input)
        assert (field.value, field.display) == ("a/b", True)


async def test_a_whole_answer_typed_at_once_is_the_answer(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, key_of("alerts"))
        await _type(pilot, "armed\r")
        assert showing(app) == "AlertsView"
        assert [call for call in client.calls if call[0] in ("acknowledge", "resolve")] == [
            ("acknowledge", (1, "rmed"))
        ]


async def test_keys_behind_one_that_changes_the_view_are_for_the_new_view(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await _type(pilot, key_of("workflows") + key_of("alerts") + "f")
        assert app.current_mode == "alerts"
        assert app.memory.toggles == {"alerts.open_only": True}
