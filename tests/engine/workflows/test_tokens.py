"""Tokens that steps extract are hidden in all that the execution leaves behind."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import SystemClock
from engine.config.loader import load_config
from engine.engine import Engine
from engine.model import Outcome
from engine.redaction import MASK
from engine.workflows.responses import fields_of
from engine.workflows.tokens import TOKEN_LIMIT, Tokens
from tests.engine.test_secrets import list_files
from tests.engine.workflows.test_flow import Bench, flow, get
from tests.engine.workflows.test_replay import stored
from tests.servers import http_target

TOKEN = "Zq8/kept+nowhere=77"
FILE = """
version: 1
workflows:
  - id: shop
    name: Shop
    every: 1h
    retry: {{max_attempts: 1}}
    steps:
      - id: login
        http: {{url: "{url}"}}
        extract: {{key: {{from: json.session_token}}}}
      - id: page
        http:
          url: "{url}/{{{{ login.key }}}}?k={{{{ login.key }}}}"
          headers: {{X-Key: "{{{{ login.key }}}}"}}
        expect: ["json.echo == 'x'", "body == 'y'", "headers.x-echo == 1", "reason == fine"]
"""


async def test_an_extracted_token_is_neither_told_nor_kept(tmp_path: Path) -> None:
    path, db = tmp_path / "rules.yaml", tmp_path / "t.db"
    async with http_target() as target:
        target.body = json.dumps({"session_token": TOKEN, "echo": f"you are {TOKEN}"}).encode()
        target.reason = f"no {TOKEN}"
        target.headers = {"X-Echo": base64.b64encode(f"me:{TOKEN}".encode()).decode()}
        path.write_text(FILE.format(url=target.url))
        engine = Engine(load_config(path, env={}), db, SystemClock())
        told: list[Any] = []
        await engine.start(scheduled=False)
        engine.on_rows(told.extend)
        executions = await engine.run_once()
        await engine.stop()
    assert executions[0].outcome is Outcome.FAILED
    assert executions[0].error.count(MASK) >= 2
    kept = b"".join(file.read_bytes() for file in list_files(tmp_path))
    seen = repr([executions, told])
    for form in (TOKEN, "Zq8", "nowhere", base64.b64encode(TOKEN.encode()).decode()[:16]):
        assert form not in seen
        assert form.encode() not in kept
    responses = await stored(db, workflow_id="shop")
    assert {response.step_id for response in responses} == {"login", "page"}
    assert all(TOKEN not in repr(fields_of(response)) for response in responses)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone()[0] == 1


def showing(source: object, name: str = "value") -> dict[str, Any]:
    return get("login", extract={name: source})


@pytest.mark.parametrize(
    ("name", "source", "is_hidden"),
    [
        ("value", "json.plain", False),
        ("token", "json.plain", True),
        ("api_key", "json.plain", True),
        ("value", "json.password", True),
        ("value", {"header": "Authorization"}, True),
        ("value", {"cookie": "sid"}, True),
        ("value", {"from": "json.plain", "secret": True}, True),
        ("token", {"from": "json.plain", "secret": False}, False),
    ],
)
async def test_what_is_a_secret_is_said_by_its_name_or_its_place(
    name: str, source: object, is_hidden: bool
) -> None:
    bench = Bench()
    value = "abc-12345"
    bench.site.json = {"plain": value, "password": value}
    bench.site.headers, bench.site.cookies = {"authorization": value}, {"sid": value}
    later = get("page", expect=["json.plain == 'other'"])
    recording = await bench.run(flow(showing(source, name), later))
    shown = MASK if is_hidden else value
    assert recording.execution.error == f"page: json.plain ({shown}) == 'other'"
    assert (value in repr(recording)) is not is_hidden


async def test_one_execution_knows_nothing_of_the_tokens_of_another() -> None:
    bench = Bench()
    bench.site.json = {"plain": "abc-12345"}
    await bench.run(flow(showing("json.plain", "token")))
    recording = await bench.run(flow(get("page", expect=["json.plain == 'other'"])))
    assert "abc-12345" in recording.execution.error


async def test_items_under_names_of_secrets_are_hidden() -> None:
    bench = Bench()
    bench.site.json = {"users": [{"name": "eve", "password": "hunter-22"}]}
    page = get("page", "down/{{ item.password }}", foreach="{{ list.json.users }}")
    echo = get("last", "{{ env.x }}", needs=[], expect=["json.users == 1", "json.users[0].password == 'x'"])
    recording = await Bench.run(bench, flow(get("list", needs=[]), page, echo | {"needs": ["list"]}))
    assert recording.execution.error.startswith("page[eve]: ")
    assert "hunter-22" not in repr(recording)


@given(st.text(min_size=6, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_no_text_keeps_a_hidden_value(secret: str, before: str, after: str) -> None:
    tokens = Tokens()
    tokens.add([secret])
    hidden = tokens.hide({"a": [before + secret + after], "b": (secret,)})
    assert secret not in hidden["a"][0] or secret in MASK * 30
    assert hidden["b"] == (MASK,)


def test_there_is_an_end_to_what_is_hidden_by_its_value() -> None:
    tokens = Tokens()
    tokens.add(f"value-{number:04}" for number in range(TOKEN_LIMIT + 3))
    tokens.add(["value-0000", True, None, 1.5])
    assert tokens.dropped == 3
    unchanged: Mapping[str, str] = {"a": "b"}
    assert Tokens().hide(unchanged) is unchanged


async def test_what_cannot_be_hidden_is_told() -> None:
    bench = Bench()
    bench.site.json = {"users": [{"password": f"hunter-{number:05}"} for number in range(TOKEN_LIMIT + 2)]}
    page = get("page", "x", foreach="{{ list.json.users }}", max_rounds=500)
    recording = await bench.run(flow(get("list", needs=[]), page))
    assert recording.logs[0].message == "w has 2 more secrets than can be hidden by their values"
