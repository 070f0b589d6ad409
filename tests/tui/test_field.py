"""A field to type in: what is pasted into it cannot be obeyed by the terminal."""

from __future__ import annotations

from textual import events

from tests.tui.fake_data import HOSTILE
from tests.tui.hosts import Host, frame, is_safe
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
