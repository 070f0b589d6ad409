"""Each kind of channel against the real thing: servers on loopback, processes, files."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock, VirtualClock
from engine.config.routing import Channel
from engine.model import AlertEventKind, LogLevel, LogRecord, Notice, Notification, Severity
from engine.notify.channels import Deliverer
from engine.notify.delivery import DeliveryError, Message
from engine.notify.kinds.console import KEPT, NoticeBoard
from tests.engine.notify.listening import Listening, listening

SECRET = "S3CR3T-canary"
FACTS = {"fingerprint": "slow|shop", "rule_id": "slow", "subject": "shop", "started_at": 1.5, "value": 3.25}
ROW = Notification(
    "7:fired:ops", 7, "ops", AlertEventKind.FIRED, Severity.ERROR, "title ä", "body\nline", 1_700_000_000.0,
    facts=json.dumps(FACTS),
)  # fmt: skip
ENDED = replace(ROW, key="7:resolved:ops", transition=AlertEventKind.RESOLVED)


def _deliverer(board: NoticeBoard | None = None, log: list[LogRecord] | None = None) -> Deliverer:
    return Deliverer(VirtualClock(), (log if log is not None else []).append, board)


async def _send(channel: dict[str, Any], *rows: Notification, deliverer: Deliverer | None = None) -> None:
    first = rows[0] if rows else ROW
    message = Message(first.key, first.title, first.body, rows or (ROW,))
    await (deliverer or _deliverer()).send("ops", Channel.model_validate(channel), message)


async def _refused(channel: dict[str, Any]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await _send(channel)
    return caught.value


def _webhook(server: Listening, **more: Any) -> dict[str, Any]:
    return {"webhook": {"url": server.url(), **more}}


async def test_a_webhook_gets_the_documented_json() -> None:
    async with listening() as server:
        await _send(_webhook(server, headers={"X-Team": "a"}))
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-team"] == "a"
    sent = request.json
    assert {key: sent[key] for key in ("version", "channel", "severity", "title", "body")} == {
        "version": 1, "channel": "ops", "severity": "ERROR", "title": "title ä", "body": "body\nline",
    }  # fmt: skip
    (alert,) = sent["alerts"]
    assert {"id": 7, "kind": "fired", "at": 1_700_000_000.0, **FACTS}.items() <= alert.items()


async def test_a_webhook_is_signed_over_time_and_body() -> None:
    async with listening() as server:
        await _send(_webhook(server, secret=SECRET))
    (request,) = server.requests
    stamp, given = (part.partition("=")[2] for part in request.headers["x-tocsin-signature"].split(","))
    signed = f"{stamp}.".encode() + request.body
    assert int(stamp) == 1_700_000_000
    assert given == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


async def test_a_webhook_without_a_secret_is_not_signed() -> None:
    async with listening() as server:
        await _send(_webhook(server))
    assert "x-tocsin-signature" not in server.requests[0].headers


async def test_a_message_tried_again_is_the_same_to_the_byte() -> None:
    async with listening() as server:
        server.status = 503
        for _ in range(2):
            await _refused(_webhook(server))
        server.status = 200
        await _send(_webhook(server), replace(ROW, created_at=ROW.created_at + 1))
    first, second, other = server.requests
    key = first.headers["idempotency-key"]
    assert (first.body, key) == (second.body, second.headers["idempotency-key"])
    assert first.json["key"] == key != other.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("status", "is_permanent"),
    [
        (301, True),
        (400, True),
        (401, True),
        (404, True),
        (410, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
async def test_statuses_say_whether_to_try_again(status: int, is_permanent: bool) -> None:
    async with listening() as server:
        server.status, server.headers = status, {"Retry-After": "42", "Location": server.url("/other")}
        server.body = b"go \x1b[31maway"
        error = await _refused(_webhook(server))
    assert len(server.requests) == 1
    assert error.permanent is is_permanent
    assert str(status) in error.message
    assert "\x1b" not in error.message
    assert error.retry_after == (42.0 if status >= 400 else None)


async def test_a_silent_webhook_is_given_up_in_time() -> None:
    async with listening() as server:
        server.silent = True
        error = await _refused(_webhook(server, timeout=0.2))
    assert "no answer within 200 ms" in error.message
    assert not error.permanent


@pytest.mark.parametrize(
    ("headers", "body"),
    [({}, b"x" * 70_000), ({"Content-Encoding": "gzip"}, b"no gzip")],
)
async def test_a_message_is_taken_by_its_status_whatever_else_the_answer_is(
    headers: dict[str, str], body: bytes
) -> None:
    async with listening() as server:
        server.headers, server.body = headers, body
        await _send(_webhook(server))
        server.status = 410
        gone = await _refused(_webhook(server))
        server.status = 500
        broken = await _refused(_webhook(server))
    assert gone.permanent
    assert not broken.permanent
    assert len(server.requests) == 3


async def test_nothing_secret_of_a_webhook_is_in_what_is_said() -> None:
    async with listening() as server:
        server.status, server.body = 403, f"no {SECRET}-in-path or {SECRET}-in-query".encode()
        url = server.url(f"/{SECRET}-in-path?token={SECRET}-in-query")
        error = await _refused({"webhook": {"url": url}})
    assert SECRET not in str(error)
    assert SECRET not in str(await _refused({"webhook": {"url": url}}))


async def test_pagerduty_is_triggered_acknowledged_and_resolved_under_one_key() -> None:
    async with listening() as server:
        channel = {"pagerduty": {"routing_key": "k" * 32, "endpoint": server.url("/v2/enqueue")}}
        acked = replace(ROW, transition=AlertEventKind.ACKNOWLEDGED)
        for row in (ROW, replace(ROW, transition=AlertEventKind.REMINDED), acked, ENDED):
            await _send(channel, row)
        await _send(channel, replace(ROW, facts=json.dumps(FACTS | {"started_at": 2.5})))
    *events, other = (request.json for request in server.requests)
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert len({event["dedup_key"] for event in events}) == 1
    assert other["dedup_key"] != events[0]["dedup_key"]
    assert events[0]["routing_key"] == "k" * 32
    told = events[0]["payload"]
    assert (told["summary"], told["source"], told["severity"]) == ("title ä", "shop", "error")
    assert told["custom_details"]["value"] == 3.25


async def test_pagerduty_gets_an_event_for_each_alert() -> None:
    async with listening() as server:
        channel = {"pagerduty": {"routing_key": "k" * 32, "endpoint": server.url()}}
        await _send(channel, ROW, replace(ROW, alert_id=8))
    assert len({request.json["dedup_key"] for request in server.requests}) == 2


async def test_sentry_gets_an_event_in_an_envelope() -> None:
    async with listening() as server:
        dsn = server.url("/base/42").replace("http://", "http://public@")
        await _send({"sentry": {"dsn": dsn, "environment": "live"}})
        await _send({"sentry": {"dsn": dsn}}, ENDED)
    first, second = server.requests
    assert first.path == "/base/api/42/envelope/"
    assert "sentry_key=public" in first.headers["x-sentry-auth"]
    header, item, event = map(json.loads, first.body.decode().splitlines())
    assert item == {"type": "event"}
    assert header["event_id"] == event["event_id"]
    assert (event["level"], event["environment"], event["tags"]["rule_id"]) == ("error", "live", "slow")
    ended = json.loads(second.body.decode().splitlines()[2])
    assert ended["level"] == "info"
    assert ended["fingerprint"] == event["fingerprint"]
    assert ended["event_id"] != event["event_id"]


def _program(text: str, *arguments: str, **more: Any) -> dict[str, Any]:
    return {"command": {"run": [sys.executable, "-c", text, *arguments], **more}}


async def test_a_command_reads_the_json_and_a_chosen_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_FOR_CHILDREN", SECRET)
    monkeypatch.setenv("FOR_CHILDREN", "yes")
    text = "import json,os,sys; json.dump([json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'))"
    out = tmp_path / "out"
    await _send(_program(text, str(out), env={"EXTRA": "1"}, inherit=["FOR_CHILDREN"]))
    told, env = json.loads(out.read_text())
    assert told["alerts"][0]["rule_id"] == "slow"
    assert (env["EXTRA"], env["FOR_CHILDREN"], env["TOCSIN_TITLE"]) == ("1", "yes", "title ä")
    assert env["TOCSIN_KEY"] == told["key"]
    assert SECRET not in env.values()


@pytest.mark.parametrize(("status", "is_permanent"), [(1, False), (64, True), (75, False), (127, True)])
async def test_a_command_says_by_its_status_whether_to_try_again(status: int, is_permanent: bool) -> None:
    error = await _refused(_program(f"import sys; sys.stderr.write('because'); sys.exit({status})"))
    assert error.permanent is is_permanent
    assert f"exited with {status}: because" in error.message


async def test_a_command_that_is_not_there_is_hopeless() -> None:
    error = await _refused({"command": {"run": ["/no/such/program"]}})
    assert error.permanent
    assert "there is no command" in error.message


async def test_a_command_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    reading = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    text = "import subprocess,sys; subprocess.Popen(['sleep', '60'], stdout=open(sys.argv[1], 'w')).wait()"
    try:
        error = await _refused(_program(text, str(held), timeout=1.0))
        assert "did not end within 1 s" in error.message
        os.set_blocking(reading, True)
        assert os.read(reading, 1) == b""  # nobody holds the other end any more
    finally:
        os.close(reading)


async def test_a_file_gets_a_line_for_each_message(tmp_path: Path) -> None:
    path = tmp_path / "told.ndjson"
    channel = {"file": {"path": str(path)}}
    await _send(channel)
    await _send(channel, ENDED)
    kinds = [json.loads(line)["alerts"][0]["kind"] for line in path.read_text().splitlines()]
    assert kinds == ["fired", "resolved"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_may_be_moved_away_and_cut(tmp_path: Path) -> None:
    path, deliverer = tmp_path / "told.ndjson", _deliverer()
    channel = {"file": {"path": str(path)}}
    await _send(channel, deliverer=deliverer)
    path.rename(tmp_path / "told.1")
    await _send(channel, deliverer=deliverer)
    assert path.read_bytes() == (tmp_path / "told.1").read_bytes()
    path.write_bytes(b'{"torn')
    await _send(channel, deliverer=deliverer)
    torn, line = path.read_bytes().splitlines()
    assert torn == b'{"torn'
    assert json.loads(line)["version"] == 1


async def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert "is a directory" in (await _refused({"file": {"path": str(tmp_path)}})).message
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in (await _refused({"file": {"path": str(tmp_path / "pipe")}})).message
    assert "no such file" in (await _refused({"file": {"path": str(tmp_path / "no" / "x")}})).message


async def test_the_log_gets_a_record_at_the_level_of_the_severity() -> None:
    log: list[LogRecord] = []
    deliverer = _deliverer(log=log)
    await _send({"log": {}}, deliverer=deliverer)
    await _send({"log": {}}, ENDED, deliverer=deliverer)
    assert [record.level for record in log] == [LogLevel.ERROR, LogLevel.INFO]
    assert log[0].message == "title ä\nbody\nline"


async def test_the_console_is_told_by_the_board() -> None:
    board = NoticeBoard()
    heard: list[Notice] = []
    unlisten = board.listen(heard.append)
    deliverer = _deliverer(board)
    for _ in range(KEPT + 5):
        await _send({"console": {"bell": False}}, deliverer=deliverer)
    unlisten()
    await _send({"console": {}}, deliverer=deliverer)
    assert len(heard) == KEPT + 5
    assert [notice.number for notice in board.after(KEPT + 4)] == [KEPT + 5, KEPT + 6]
    assert (heard[0].title, heard[0].severity, heard[0].bell) == ("title ä", Severity.ERROR, False)
    assert len(board.after(0)) == KEPT


async def test_what_apprise_knows_is_still_a_channel() -> None:
    async with listening() as server:
        deliverer = Deliverer(SystemClock(), lambda record: None)
        url = server.url("/x").replace("http://", "json://")
        await _send({"url": url}, deliverer=deliverer)
    assert server.requests[0].json["title"] == "title ä"
