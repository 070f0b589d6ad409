"""The registry of actions: complete, free of clashes, and told in full by bindings and help."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press
from tui.actions import ACTIONS, Scope, bindings, in_scope, key_sign
from tui.modals.help import help_text
from tui.widgets.row_table import RowTable


def test_ids_are_unique_and_every_action_explains_itself() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert action.label, action.id
        assert action.help.endswith("."), action.id
        assert action.key or action.command, action.id


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope not in (Scope.LISTS, Scope.GLOBAL)])
@pytest.mark.parametrize("live", [True, False])
def test_no_key_means_two_things_in_one_view(scope: Scope, live: bool) -> None:
    keys = [
        key
        for action in (*in_scope(scope), *in_scope(Scope.GLOBAL))
        if action.command and action.while_live in (None, live) and not action.instead_of
        for key in action.key.split(",")
        if key
    ]
    assert len(keys) == len(set(keys))


def test_lists_bind_the_keys_the_registry_promises() -> None:
    bound = {
        key
        for binding in RowTable.BINDINGS
        for key in (binding.key if isinstance(binding, Binding) else binding[0]).split(",")
    }
    promised = {key for action in in_scope(Scope.LISTS) for key in action.key.split(",")}
    assert promised <= bound


def test_bindings_carry_the_registry() -> None:
    made = {binding.id: binding for binding in bindings(Scope.GLOBAL) if isinstance(binding, Binding)}
    for action in in_scope(Scope.GLOBAL):
        if action.key:
            assert made[action.id].action == action.command
            assert made[action.id].show is action.footer


def test_help_has_every_action_and_starts_with_the_asked_scope() -> None:
    text = help_text(Scope.LOGS).plain
    assert text.startswith(Scope.LOGS.value)
    for action in ACTIONS:
        assert action.help in text
        assert key_sign(action) in text


@pytest.mark.parametrize("width", [46, 60, 72])
def test_sentences_of_the_help_stay_in_their_column(width: int) -> None:
    for line in help_text(Scope.LOGS, width).plain.splitlines():
        is_heading = line in {"", *(scope.value for scope in Scope)}
        assert is_heading or (line[29] == " " and line[30] != " " and len(line) <= width)


async def test_the_help_is_as_wide_as_its_box_and_g_goes_to_its_end(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path, size=(80, 24)) as (app, pilot):
        await press(pilot, "question_mark")
        page = app.screen.query_one(VerticalScroll)
        wanted = help_text(Scope.DASHBOARD, page.query_one(Static).size.width).plain.splitlines()
        shown = frame(app)
        assert all(line in shown for line in wanted[:8])
        await press(pilot, "G")
        assert page.scroll_y == page.max_scroll_y > 0
        await press(pilot, "g")
        assert page.scroll_y == 0
