"""`tocsin notify` and `tocsin drill`: what a person sees of channels without waiting for an alert."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.model import Alert, AlertEventKind, AlertState, Notification, NotificationState, Severity
from engine.store.store import Store
from tests.tui.command_line import run, run_process
from tests.tui.test_cli import elsewhere as elsewhere
from tui.cli import main

RULES = """\
version: 1
environments: {local: {x: 1}}
channels:
  told: {file: {path: told.ndjson}, template: short}
  broken: {webhook: {url: "http://127.0.0.1:9/SECRET-PATH", secret: SECRET-SIGN, timeout: 5s}}
templates:
  short: {title: "{{ severity }} {{ subject }}", body: "{{ why }} ({{ threshold }})"}
workflows:
  - {id: shop, name: Shop, every: 1m, steps: [{id: s, wait: {for: 1s}}]}
"""
ALERT = Alert(1, "r|shop", "r", "Rule", "shop", Severity.ERROR, AlertState.FIRING, "it is slow", 10.0, 10.0)
ROW = Notification("1:fired:told", 1, "told", AlertEventKind.FIRED, Severity.ERROR, "title", "body", 10.0)
DEAD = replace(ROW, state=NotificationState.DEAD, error="nobody there", tries=9)


@pytest.fixture
def rules(elsewhere: Path) -> Path:
    path = elsewhere / "rules.yaml"
    path.write_text(RULES)
    return elsewhere


@pytest.fixture
def db(rules: Path) -> Path:
    path = rules / "t.db"

    async def fill() -> None:
        store = await Store.open(path, SystemClock())
        over = replace(ALERT, id=2, state=AlertState.RESOLVED, resolved_at=20.0)
        pointless = replace(DEAD, key="2:fired:told", alert_id=2)
        await store.writer.must(ALERT, over, DEAD, pointless)
        await store.close()

    asyncio.run(fill())
    return path


def test_a_test_message_gives_a_receipt(rules: Path) -> None:
    done = run("notify", "test", "told")
    assert done.returncode == 0
    assert done.stdout.startswith("told (file): taken in ")
    assert json.loads((rules / "told.ndjson").read_text())["title"] == "[TEST] Tocsin"


@pytest.mark.usefixtures("rules")
def test_a_channel_that_does_not_work_says_why_and_no_secret() -> None:
    done = run("notify", "test", "broken")
    assert done.returncode == 1
    assert "broken (webhook): not taken after " in done.stdout
    assert "connection refused" in done.stdout
    assert "SECRET" not in done.stdout + done.stderr


@pytest.mark.usefixtures("rules")
def test_a_receipt_is_a_record_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "notify", "test", "told"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["type"], record["channel"], record["kind"], record["error"]) == (
        "receipt",
        "told",
        "file",
        "",
    )


@pytest.mark.usefixtures("rules")
def test_words_can_be_seen_before_they_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("told", "short"):
        assert main(["notify", "preview", name]) == 0
        assert capsys.readouterr().out == "ERROR shop\n\nworkflow.failure_rate (62.5 %) > 50 % (> 50 %)\n"
    assert main(["notify", "preview", "broken", "--kind", "resolved"]) == 0
    assert capsys.readouterr().out.startswith("[RESOLVED] Sample rule · shop\n\n")


def test_words_can_be_those_for_an_alert_that_was(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "preview", "short", "--alert", "1", "--db", str(db)]) == 0
    assert capsys.readouterr().out == "ERROR shop\n\nit is slow ()\n"
    assert main(["--json", "notify", "preview", "told", "--alert", "1", "--db", str(db)]) == 0
    assert json.loads(capsys.readouterr().out)["alerts"][0]["rule_id"] == "r"


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["test"], "test needs a CHANNEL (there is told, broken)"),
        (["test", "tld"], "there is no channel tld"),
        (["preview", "shrt"], "there is no channel and no template shrt"),
        (["preview", "short", "--kind", "fird"], "the kind fird happens to an alert (did you mean fired?)"),
        (["retry"], "retry needs the KEY of a message, or --all-dead"),
        (["list", "x"], "list takes no NAME"),
    ],
)
def test_mistakes_are_told(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", *argv]) == 2
    assert words in capsys.readouterr().err


def test_what_was_told_is_listed(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "--db", str(db)]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["KEY", "STATE"]
    assert [line.split()[:2] for line in lines] == [["2:fired:told", "dead"], ["1:fired:told", "dead"]]
    assert main(["--json", "notify", "list", "--db", str(db)]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[1])
    assert (record["type"], record["error"], record["tries"]) == ("notification", "nobody there", 9)


def _states(db: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert main(["--json", "notify", "list", "--db", str(db)]) == 0
    return [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()]


def test_what_was_given_up_is_tried_again_by_hand(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["notify", "retry", "1:fired:told", "--db", str(db)]) == 0
    assert capsys.readouterr().out == "Queued 1:fired:told for told.\n"
    assert _states(db, capsys) == ["dead", "queued"]
    assert main(["notify", "retry", "1:fired:told", "--db", str(db)]) == 2
    assert "is queued" in capsys.readouterr().err


def test_all_that_was_given_up_is_tried_again_but_the_pointless(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", "retry", "--all-dead", "--db", str(db)]) == 1
    pointless, queued = capsys.readouterr().out.splitlines()
    assert "alert 2 has ended" in pointless
    assert queued == "Queued 1 message."
    assert _states(db, capsys) == ["dead", "queued"]


def test_a_drill_prints_the_receipt_of_each_hop(rules: Path) -> None:
    done = run_process("drill", "--channel", "told")
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["ok", hop] for hop in ("check", "rule", "route", "deliver", "close")
    ]
    messages = map(json.loads, (rules / "told.ndjson").read_text().splitlines())
    assert [message["title"] for message in messages] == ["CRITICAL drill", "CRITICAL drill"]


@pytest.mark.usefixtures("rules")
def test_a_drill_that_reaches_nobody_fails() -> None:
    done = run("--json", "drill", "--channel", "broken")
    assert done.returncode == 1
    hops = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(hop["name"], hop["done"]) for hop in hops][-1] == ("deliver", False)
    assert "SECRET" not in done.stdout + done.stderr
