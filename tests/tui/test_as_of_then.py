"""Panes that tell of one thing, while the console stands in the past: of then, or they say what is of now."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from tests.tui.fake_data import NOW
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, settle, showing

WIDE = (190, 44)


async def test_rules_stand_as_they_did_and_say_what_is_of_now(tmp_path: Path) -> None:
    """The newest decision of the first rule was made 65 s ago; before, it had made none."""
    async with console(FakeClient(), tmp_path, WIDE) as (app, pilot):
        app.travel(NOW - 60)
        await press(pilot, "7")
        text = frame(app)
        assert "Rules · 3 · 1 firing · defined as of now" in text
        assert "Definition · as of now" in text
        assert "what each condition said then is not kept" in text
        assert "6.2s now" not in text
        assert "stopped at cooldown" in text
        app.travel(NOW - 70)
        await settle(pilot)
        text = frame(app)
        assert "Rules · 3 · 0 firing" in text
        assert "by then it had decided nothing worth a record" in text
        assert "3 failed" not in text
        await press(pilot, "space")
        assert "as of now" not in frame(app)


async def test_an_explanation_names_the_moment_it_is_of(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, WIDE) as (app, pilot):
        app.travel(NOW - 60)
        await press(pilot, "3", "e")
        assert showing(app) == "ExplainedModal"
        assert " · as of " in frame(app)
        await press(pilot, "escape", "space", "e")
        assert showing(app) == "ExplainedModal"
        assert " · as of " not in frame(app)


async def test_the_jump_offers_what_was_there_then(tmp_path: Path) -> None:
    """1,500 s ago the newest alert had not begun, nor any execution after that."""
    client = FakeClient()
    newest = max(client.all_alerts, key=lambda one: one.started_at)
    async with console(client, tmp_path, WIDE) as (app, pilot):
        for past, is_offered in ((None, True), (NOW - 1_500, False)):
            if past is not None:
                app.travel(past)
            await press(pilot, "colon")
            app.screen.query_one(Input).value = f"alert {newest.rule_name.lower()}"
            await settle(pilot)
            assert (f"#{newest.id} {newest.rule_name}" in frame(app)) is is_offered
            await press(pilot, "escape")
        await press(pilot, "colon")
        app.screen.query_one(Input).value = "rule slow"
        await settle(pilot)
        assert "Slow answers, as defined now" in frame(app)
    asked = [detail for name, detail in client.calls if name == "notifications"]
    assert (NOW - 1_500, 200) in asked


async def test_replies_are_those_of_then(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (160, 60)) as (app, pilot):
        app.travel(NOW - 600)
        await press(pilot, "2", "j", "enter", "v", "j", "enter")
        assert showing(app) == "PageModal"
        assert "Response" in frame(app)
    assert ("replies", ("checkout", NOW - 600)) in client.calls
