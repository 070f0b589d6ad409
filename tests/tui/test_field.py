"""A field to type in: what is pasted into it cannot be obeyed by the terminal."""

from __future__ import annotations

from textual import events

from tests.tui.fake_data import HOSTILE
from tests.tui.hosts import Ear, Host, frame, is_safe
from tui.widgets.field import Field


async def test_what_is_pasted_or_set_is_made_harmless() -> None:
    field = Field()
    async with Host(field).run_test(size=(60, 5)) as pilot:
        for text in HOSTILE:
            field.value = ""
            field.post_message(events.Paste(text))
            await pilot.pause()
            pasted = field.value
            field.value = text
            await pilot.pause()
            for value in (pasted, field.value):
                assert is_safe(value)
            assert is_safe(frame(pilot.app))
        field.value = "status:failed 日本語"
        assert field.value == "status:failed 日本語"


async def test_keys_that_come_at_once_take_effect_in_their_order() -> None:
    field, ear = Field(), Ear()
    async with Host(field).run_test(size=(60, 5), message_hook=ear) as pilot:
        field.value = "before"
        field.focus()
        await pilot.pause()
        for key in ("end", "ctrl+u", "b", "a", "left", "c", "enter", "backspace", "d"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await pilot.pause()
        assert field.value == "bda"
        assert [message.value for message in ear.of(Field.Submitted)] == ["bca"]
