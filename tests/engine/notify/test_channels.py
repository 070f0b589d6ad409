from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.notify.delivery import DeliveryError, Message
from engine.notify.kinds.destination import HANGING_LIMIT, HIDDEN, AppriseSender, redact
from tests.engine.notify.receiver import receiving

CANARY = "S3CR3T-canary"


async def _problem(url: str, deadline: float = 20.0) -> str:
    with pytest.raises(DeliveryError) as caught:
        await AppriseSender(deadline).send("ops", url, Message("1:fired:ops", "title", "body", ()))
    return str(caught.value)


async def _ended(name: str) -> None:
    """Wait until the threads of a channel have ended and said so to the loop."""
    for thread in threading.enumerate():
        if thread.name == name:
            await asyncio.to_thread(thread.join, 10)


async def test_a_message_arrives_whole_with_its_key() -> None:
    async with receiving() as receiver:
        await AppriseSender().send(
            "ops", receiver.url(), Message("1:fired:ops", "[ERROR] ä · x", "one\n<b>two</b> *3*", ())
        )
        (payload,) = receiver.got
        assert payload["title"] == "[ERROR] ä · x"
        assert payload["message"] == "one\n<b>two</b> *3*\n(1:fired:ops)"


async def test_refusals_give_the_reason() -> None:
    async with receiving() as receiver:
        problem = await _problem(receiver.url("fail"))
        assert "500" in problem
        assert "\x1b" not in problem
        assert await _problem(receiver.url("garbage"))


async def test_nobody_there_is_a_reason() -> None:
    async with receiving() as receiver:
        url = receiver.url()
    assert "127.0.0.1" in await _problem(url)


@pytest.mark.parametrize("mode", ["hang", "trickle"])
async def test_no_server_holds_a_message_past_the_deadline(mode: str) -> None:
    async with receiving() as receiver:
        assert await _problem(receiver.url(mode), 0.2) == "no answer within 0.2 s"


@pytest.mark.parametrize("url", ["nonsense", "foo://bar", "http://", "json://"])
async def test_a_bad_url_is_told(url: str) -> None:
    assert "not a URL apprise understands" in await _problem(url)


async def test_one_channel_is_one_destination() -> None:
    assert "several destinations" in await _problem("json://127.0.0.1:1,json://127.0.0.1:2")


async def test_threads_left_behind_are_counted_and_bounded() -> None:
    async with receiving() as receiver:
        sender = AppriseSender(0.2)
        for _ in range(HANGING_LIMIT):
            with pytest.raises(DeliveryError, match="no answer"):
                await sender.send("slow", receiver.url("trickle"), Message("k", "t", "b", ()))
        assert sender.hanging == HANGING_LIMIT
        with pytest.raises(DeliveryError, match="still hang"):
            await sender.send("slow", receiver.url("trickle"), Message("k", "t", "b", ()))
        await AppriseSender().send("good", receiver.url(), Message("k", "t", "b", ()))
        receiver.released.set()
        await _ended("notify-slow")
        await asyncio.sleep(0)
        assert sender.hanging == 0


async def test_a_cancelled_send_is_counted_until_its_thread_ends() -> None:
    async with receiving() as receiver:
        sender = AppriseSender()
        task = asyncio.create_task(sender.send("ops", receiver.url("hang"), Message("k", "t", "b", ())))
        await asyncio.wait_for(receiver.seen.get(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sender.hanging == 1
        receiver.released.set()
        await _ended("notify-ops")
        await asyncio.sleep(0)
        assert sender.hanging == 0


async def test_secrets_of_the_url_stay_out_of_the_reason() -> None:
    async with receiving() as receiver:
        user, query = f"{CANARY}1:{CANARY}2@", f"/{CANARY}3?+X-Token={CANARY}4&rto=1"
        for mode in ("fail", "garbage"):
            assert CANARY not in await _problem(receiver.url(mode + query, user=user))
    assert CANARY not in await _problem(f"slack://{CANARY}/bad")
    assert CANARY not in await _problem(f"json://{CANARY}1:{CANARY}2@127.0.0.1:1/{CANARY}3")


async def test_whatever_a_plugin_says_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"json://u:{CANARY}1@hooks.example.org/{CANARY}2"
    said = f"refused {url}, {CANARY}1 and {CANARY}2\x1b[31m"
    monkeypatch.setattr(AppriseSender, "_deliver", lambda *_: said)
    problem = await _problem(url)
    assert problem.startswith("refused ")
    assert CANARY not in problem
    assert "\x1b" not in problem


@pytest.mark.parametrize(
    "said",
    [
        "POST https://hooks.example.org/services/T0AAAAAA/B0BBBBBB?key=qu3ry-s3cret failed",
        "user us3r with p%40ss refused",
        "user us3r with p@ss refused",
        "no route to slack T0AAAAAA, B0BBBBBB",
        "key qu3ry-s3cret unknown",
    ],
)
def test_every_part_that_may_be_secret_is_hidden(said: str) -> None:
    url = "https://us3r:p%40ss@hooks.example.org/services/T0AAAAAA/B0BBBBBB?key=qu3ry-s3cret"
    shown = redact(said, url)
    assert HIDDEN in shown
    for secret in ("us3r", "p%40ss", "p@ss", "T0AAAAAA", "B0BBBBBB", "qu3ry-s3cret"):
        assert secret not in shown


def test_a_token_in_place_of_the_host_is_hidden_and_a_host_is_not() -> None:
    assert redact("sent to T0kenA failed", "slack://T0kenA/B/C") == f"sent to {HIDDEN} failed"
    assert "hooks.example.org" in redact("sent to hooks.example.org failed", "json://hooks.example.org/x")


@given(st.text(), st.text())
def test_redacting_never_fails(text: str, url: str) -> None:
    assert len(redact(text, url)) < 500
    shown = redact(f"{text} {url}", url)
    assert len(url) < 8 or url not in shown


def test_a_trickling_server_does_not_hold_up_the_exit() -> None:
    """A real process ends at once although a thread of its sender still reads."""
    program = """
import asyncio, socket, threading
from engine.notify.delivery import DeliveryError, Message
from engine.notify.kinds.destination import AppriseSender

def trickle(listener):
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100000\\r\\n\\r\\n")
    while True:
        connection.sendall(b"x")
        threading.Event().wait(0.2)

async def alone():
    try:
        await AppriseSender().send("ops", "json://127.0.0.1:1", Message("k", "t", "b", ()))  # loads apprise
    except DeliveryError:
        pass
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=trickle, args=(listener,), daemon=True).start()
    try:
        url = f"json://127.0.0.1:{listener.getsockname()[1]}/"
        await AppriseSender(0.8).send("ops", url, Message("k", "t", "b", ()))
    except DeliveryError as error:
        print(error, flush=True)

asyncio.run(alone())
"""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "no answer within 0.8 s\n"
    assert done.returncode == 0
    assert time.monotonic() - started < 15


def test_apprise_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, engine.notify.channels; print('apprise' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout == "False False\n"
