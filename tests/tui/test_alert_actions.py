"""What is done to alerts from the keyboard: silences, notes, and all that are marked at once."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

from engine.alerts.matchers import labels_of, met, parse_all
from engine.config.muting import MaintenanceSpec
from engine.errors import TocsinError
from engine.model import AlertState, MaintenanceWish, Silence
from tests.tui.fake_data import HOSTILE, NOW
from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, press, showing
from tui.modals.silence import matchers_for, reach
from tui.present import clock_text

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\ud800-\udfff]")


async def test_an_alert_is_silenced_with_a_reason_in_few_keys(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "s")
        assert "rule=critical-workflow-failure subject=checkout" in frame(app)
        assert "For 1 hour, until 17:00:00" in frame(app)
        await press(pilot, "enter")
        assert "a silence says why" in frame(app)
        await press(pilot, "up", *"move", "enter")
        (made,) = client.made.values()
        assert made.matchers == ("rule=critical-workflow-failure", "subject=checkout")
        assert (made.reason, made.ends_at) == ("move", NOW + 14_400)
        assert made.author == app.author
        assert "silenced for 4 hours" in frame(app)


async def test_matchers_are_read_as_a_shell_reads_words(tmp_path: Path) -> None:
    client = FakeClient()
    client.all_alerts[0] = replace(client.all_alerts[0], subject="my job")
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "s")
        assert "'subject=my job'" in frame(app)
        await press(pilot, "x", "shift+tab", "end", "quotation_mark", "enter")
        assert "a quotation mark is open" in frame(app)
        await press(pilot, "backspace", "enter")
        assert client.made[1].matchers == ("rule=critical-workflow-failure", "subject=my job")
        await press(pilot, "s", "x", "shift+tab", "ctrl+a", "ctrl+k", "home", "ctrl+k", "enter")
        assert "a matcher is missing" in frame(app)


async def test_silences_are_listed_and_ended(tmp_path: Path) -> None:
    client = FakeClient()
    client.made[1] = Silence(1, ("rule=slow-*",), "ann", "deploy", NOW - 60, NOW - 60, NOW + 600)
    client.made[-1] = Silence(-1, ("tag=batch",), "file", "nights", NOW, NOW + 60, NOW + 900)
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "3", "S")
        assert re.search(r"active +in 10 m +rule=slow-\* +ann +deploy", frame(app))
        assert "waiting" in frame(app)
        assert "from in 1 m: nights" in frame(app)
        await press(pilot, "j", "x")
        assert "stands in the configuration" in frame(app)
        await press(pilot, "k", "x")
        assert "End this silence now?" in frame(app)
        await press(pilot, "enter")
        assert client.made[1].expired_by == app.author
        assert "silence 1 has ended" in frame(app)
        assert "slow-*" not in frame(app)
        await press(pilot, "escape")
        assert showing(app) == "AlertsView"


async def test_maintenance_is_listed_beside_silences_and_ended(tmp_path: Path) -> None:
    client = FakeClient()
    spec = MaintenanceSpec.model_validate({"id": "nightly", "cron": "0 2 * * *", "duration": "1h"})
    client.windows.adopt((spec,))
    wish = MaintenanceWish(("*",), ("web",), "stop", "ann", "new disks", lasting=600)
    await client.maintain(wish)
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "3", "S")
        shown = frame(app)
        assert re.search(r"active +in 10 m +maintenance \(stop\) of tag=web +ann +until", shown)
        assert re.search(r"waiting .*maintenance \(mute\) of workflow=\* +nightly +cron 0 2", shown)
        await press(pilot, "j", "x")
        assert "this maintenance stands in the configuration" in frame(app)
        await press(pilot, "k", "x", "enter")
        assert "maintenance 1 has ended" in frame(app)
        assert client.windows.find(1).ended_by == app.author
        assert "tag=web" not in frame(app)


async def test_no_silences_are_said(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "3", "S", "x")
        assert "nothing is silenced" in frame(app)


async def test_a_note_is_kept_but_never_an_empty_one(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "n", "enter")
        assert "Note on alert" in frame(app)
        await press(pilot, *"mine", "enter")
        assert ("note", (1, "mine")) in client.calls
        assert "noted: Critical workflow failure" in frame(app)


async def test_what_is_marked_is_done_at_once_and_asked_once(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "m", "m", "m")
        assert "3 marked" in frame(app)
        assert frame(app).count("▪ ") == 3
        await press(pilot, "a")
        assert "Acknowledge 3 alerts" in frame(app)
        await press(pilot, *"ok", "enter")
        assert {call for call in client.calls if call[0] == "acknowledge"} == {
            ("acknowledge", (1, "ok")),
            ("acknowledge", (2, "ok")),
        }
        assert "acknowledged: 2 alerts" in frame(app)
        assert "marked" not in frame(app).splitlines()[1]


async def test_marks_are_taken_back_one_by_one_and_all_at_once(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "m", "k", "m")
        assert "marked" not in frame(app).splitlines()[1]
        await press(pilot, "m", "escape")
        assert "marked" not in frame(app).splitlines()[1]
        assert showing(app) == "AlertsView"
        await press(pilot, "t", "2", "G", "m")
        assert "only an open alert can be marked" in frame(app)


async def test_what_is_refused_is_counted_and_the_rest_is_done(tmp_path: Path) -> None:
    client = FakeClient()
    real = client.resolve

    async def resolve(alert_id: int, author: str, note: str = "") -> object:
        if alert_id == 2:
            raise TocsinError("the disk is full")
        return await real(alert_id, author, note)

    client.resolve = resolve  # type: ignore[assignment, method-assign]
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "m", "m", "r", "enter")
        assert client.all_alerts[0].state is AlertState.RESOLVED
        assert "resolved: 1 alert" in frame(app)
        assert "1 alert not: the disk is full" in frame(app)


async def test_several_alerts_are_silenced_by_what_they_share(tmp_path: Path) -> None:
    client = FakeClient()
    one, two, three = client.all_alerts[:3]
    assert matchers_for([one]) == (f"rule={one.rule_id}", "subject=checkout")
    assert matchers_for([one, two]) == (
        "rule=~critical-workflow-failure|high-failure-rate",
        "subject=checkout",
    )
    assert matchers_for([one, three]) == ("id=~1|3",)
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "3", "m", "m", "s")
        assert "Silence 2 alerts" in frame(app)
        await press(pilot, *"why", "enter")
        assert client.made[1].matchers == matchers_for([one, two])


def test_the_matchers_proposed_mute_what_is_marked_and_nothing_else() -> None:
    one = FakeClient().all_alerts[0]
    every = [
        replace(one, id=number, rule_id=rule, subject=subject)
        for number, (rule, subject) in enumerate(
            product(("slow", "a.b", "axb"), ("shop", "my j*b", "my job")), 1
        )
    ]
    for count in range(1, len(every) + 1):
        for marked in combinations(every, count):
            read = parse_all(matchers_for(marked))
            assert [each for each in every if met(read, labels_of(each, None))] == list(marked)


def test_so_many_that_their_numbers_do_not_fit_are_told_apart_from_what_is_muted_besides() -> None:
    one = FakeClient().all_alerts[0]
    many = [
        replace(one, id=10_000 + number, rule_id=f"r{number % 3}", subject=f"s{number % 2}")
        for number in range(300)
    ]
    marked = [each for each in many if (each.rule_id, each.subject) != ("r1", "s1")]
    other = replace(one, id=1, rule_id="r9", subject="s0")
    matchers = matchers_for(marked)
    assert matchers[0].startswith("rule=~")
    assert "not chosen here" in reach(matchers, marked, many).plain
    assert reach(("subject=s0",), [other], ()).plain == "Mutes 1 alert of now"
    assert "not 1 of those chosen" in reach(("subject=s1",), [other], many).plain
    assert reach(("tag=x",), [other], many).plain == ""


async def test_whom_a_silence_mutes_besides_is_said_as_it_is_typed(tmp_path: Path) -> None:
    async with console(FakeClient(), tmp_path) as (app, pilot):
        await press(pilot, "3", "s")
        assert "Mutes 1 alert of now" in frame(app)
        await press(pilot, "shift+tab", "end", "ctrl+u", *"id=", "asterisk")
        assert re.search(r"Mutes \d+ alerts of now, \d+ of them not chosen here", frame(app))


async def test_who_is_muted_and_why_is_seen(tmp_path: Path) -> None:
    client = FakeClient()
    client.mutes = {1: "silence 4 by ann until 2026-11-21 18:00 UTC: deploy", 3: "it depends on workflow db"}
    client.all_alerts[2] = replace(client.all_alerts[2], ack_until=NOW + 600)
    async with console(client, tmp_path, (120, 40)) as (app, pilot):
        await press(pilot, "3")
        assert "⊘ muted" in frame(app)
        assert "Muted       silence 4 by ann until" in frame(app)
        await press(pilot, "G")
        assert "◐ acked" in frame(app)
        assert "until 16:10:00, in 10 m: then it fires again" in frame(app)


async def test_hostile_words_in_every_question(tmp_path: Path) -> None:
    client = FakeClient(hostile=True)
    client.mutes = dict(enumerate(HOSTILE, 1))
    client.made = {
        n: Silence(n, (text,), text, text, NOW, NOW, NOW + 60 * n) for n, text in enumerate(HOSTILE, 1)
    }
    async with console(client, tmp_path) as (app, pilot):
        for keys in (("3",), ("m", "m", "s"), ("escape", "n"), ("escape", "S"), ("x",), ("n", "j", "x")):
            await press(pilot, *keys)
            for line in frame(app).split("\n"):
                assert not _CONTROL.search(line), (keys, ascii(line))
        assert not app.crash_sentence


async def test_a_key_for_an_open_alert_says_so_where_there_is_none(tmp_path: Path) -> None:
    async with console(FakeClient(empty=True), tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "3", "a")
        assert showing(app) == "AlertsView"
        assert "no open alert is selected" in frame(app)


async def test_what_is_done_while_the_display_is_held_is_seen(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path, (120, 30)) as (app, pilot):
        await press(pilot, "3", "space")
        await client.clock.advance(300)
        await press(pilot, "s")
        assert f"until {clock_text(NOW + 300 + 3600)}" in frame(app)
        await press(pilot, *"move", "enter")
        assert (app.live, app.past, app.moment()) == (False, None, NOW + 300)
        await client.clock.advance(60)
        await press(pilot, "S")
        assert re.search(r"active +in \S+ m .*move", frame(app))


async def test_a_display_held_still_stands_while_something_is_written_to_a_file(tmp_path: Path) -> None:
    client = FakeClient()
    async with console(client, tmp_path) as (app, pilot):
        await press(pilot, "space")
        await client.clock.advance(300)
        assert app.view is not None
        app.view.command(client.info, "written", changes=False)
        await press(pilot, "2")
        assert app.moment() == NOW
