"""Responses are kept bounded and without secrets, and changed expectations are tried on them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock, VirtualClock
from engine.config.loader import load_config
from engine.config.schema import Workflow
from engine.engine import Engine
from engine.model import StoredResponse
from engine.redaction import Redactor
from engine.store.migrations import MIGRATIONS, migrate, prepare
from engine.store.store import Store
from engine.workflows.replay import replay
from engine.workflows.responses import FIELD_LIMIT, INTERVAL, Keeper, fields_of, is_whole
from engine.workflows.runner import Runner
from engine.workflows.steps.workflow import WorkflowStep
from tests.engine.workflows.test_flow import Bench, flow, get
from tests.servers import Target, http_target
from tui.cli import main

SECRET = "hunter2-hunter2"


def file(target: Target, *, expect: str = '["status == 200"]', keep: int = 100) -> str:
    return f"""
version: 1
settings: {{responses: {keep}}}
environments: {{here: {{wanted: 7}}}}
workflows:
  - id: shop
    name: Shop
    every: 1h
    retry: {{max_attempts: 1}}
    steps:
      - id: login
        http: {{url: "{target.url}"}}
        extract: {{number: json.number}}
      - id: page
        http: {{url: "{target.url}"}}
        expect: {expect}
"""


async def fill(path: Path, db: Path, times: int, env: Mapping[str, str] | None = None) -> None:
    """Run the workflows of `path` so many times; each engine keeps one response of each step."""
    for _ in range(times):
        engine = Engine(load_config(path, env=env or {}), db, SystemClock())
        await engine.start(scheduled=False)
        await engine.run_once()
        await engine.stop()


async def stored(db: Path, **asked: Any) -> tuple[StoredResponse, ...]:
    store = await Store.open(db, SystemClock())
    try:
        return await store.reader.responses(**asked)
    finally:
        await store.close()


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "rules.yaml", tmp_path / "x.db"


async def test_what_came_back_is_kept_and_judged_anew(paths: tuple[Path, Path]) -> None:
    path, db = paths
    async with http_target() as target:
        target.body, target.headers = b'{"number": 7, "name": "a"}', {"X-Kind": "shop"}
        path.write_text(file(target))
        await fill(path, db, 2)
        target.status = 503
        await fill(path, db, 1)
        target.status, target.body = 200, b'{"number": 8, "name": "b"}'
        await fill(path, db, 1)
        path.write_text(
            file(
                target,
                expect='["json.number == {{ login.number }}", "headers.X-Kind == shop", "json.name == a"]',
            )
        )
    workflow = load_config(path, env={}).config.workflows[0]
    found = {
        one.step_id: one for one in replay(workflow, await stored(db, workflow_id="shop"), {"wanted": 7})
    }
    login, page = found["login"], found["page"]
    assert (login.total, login.failed, login.before, login.newly_failed) == (4, 1, 1, 0)
    # The step after a login that failed got nothing back.
    assert (page.total, page.failed, page.newly_failed, page.unknown) == (3, 1, 1, 0)
    assert page.examples == [(4, "json.name (b) == a")]


async def test_the_command_says_how_many_would_have_failed(
    paths: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    import asyncio

    path, db = paths
    async with http_target() as target:
        target.body = b'{"number": 7}'
        path.write_text(file(target))
        await fill(path, db, 3)
        path.write_text(file(target, expect='["status == 201"]'))

        async def check(*argv: str) -> tuple[int, list[str]]:
            code = await asyncio.to_thread(main, ["check", str(path), "--db", str(db), *argv])
            printed = capsys.readouterr()
            return code, (printed.out or printed.err).splitlines()

        assert await check("--replay", "last:500") == (
            1,
            [
                "shop/login: 0 of 3 would have failed",
                "shop/page: 3 of 3 would have failed (3 of them succeeded then)",
                "  execution 3: status (200) == 201",
                "  execution 2: status (200) == 201",
                "  execution 1: status (200) == 201",
            ],
        )
        code, lines = await check("--replay", "2", "--json")
        assert (code, [json.loads(line)["total"] for line in lines]) == (1, [1, 1])
        assert (await check("--replay", "99"))[0] == 2
        code, (sentence,) = await check("--replay", "yesterday")
        assert (code, "that is no execution" in sentence) == (2, True)
        path.write_text(file(target))
        assert (await check("--replay", "last:2"))[0] == 0


async def test_secrets_are_never_stored(paths: tuple[Path, Path]) -> None:
    path, db = paths
    async with http_target() as target:
        target.body = json.dumps({"number": 7, "echo": SECRET, "session_token": "abcdefgh"}).encode()
        target.headers = {"Set-Cookie": "sid=zyxwvuts", "X-Echo": SECRET}
        text = file(target, expect='["json.echo == {{ env.key }}", "cookies.sid != null"]')
        path.write_text(text.replace("wanted: 7", 'wanted: 7, key: "${env:KEY}"'))
        await fill(path, db, 1, {"KEY": SECRET})
    responses = await stored(db, workflow_id="shop")
    seen = [json.dumps(fields_of(response)) for response in responses]
    assert len(seen) == 2
    assert not [word for text in seen for word in (SECRET, "zyxwvuts", "abcdefgh") if word in text]
    assert fields_of(responses[0])["json"]["number"] == 7
    workflow = load_config(path, env={"KEY": SECRET}).config.workflows[0]
    page = replay(workflow, responses, {"wanted": 7, "key": SECRET})[1]
    assert (page.total, page.failed, page.unknown) == (1, 0, 1)


async def test_an_extracted_secret_that_was_not_kept_cannot_be_told(paths: tuple[Path, Path]) -> None:
    path, db = paths
    async with http_target() as target:
        target.body = b'{"number": 7}'
        target.headers = {"Set-Cookie": "sid=zyxwvuts; path=/", "X-Kind": "shop"}
        text = file(target)
        path.write_text(text)
        await fill(path, db, 1)
    responses = await stored(db, workflow_id="shop")

    def login(extract: str, expect: str = '"status == 200"') -> tuple[int, int, int]:
        changed = text.replace("{number: json.number}", extract, 1)
        path.write_text(
            changed.replace("        extract:", f"        expect: [{expect}]\n        extract:", 1)
        )
        found = replay(load_config(path, env={}).config.workflows[0], responses, {"wanted": 7})[0]
        return found.failed, found.newly_failed, found.unknown

    assert login("{sid: {cookie: sid}}") == (0, 0, 1)
    assert login("{sid: {header: set-cookie, regex: 'sid=(.*);'}}") == (0, 0, 1)
    assert login("{sid: cookies.sid}") == (0, 0, 1)
    assert login("{kind: {header: x-kind}, number: json.number}") == (0, 0, 0)
    assert login("{other: json.other}") == (1, 1, 0)
    assert login("{sid: {cookie: sid}}", '"status == 201"') == (1, 1, 0)


async def test_a_document_that_a_secret_was_cut_out_of_cannot_be_told(paths: tuple[Path, Path]) -> None:
    path, db = paths
    async with http_target() as target:
        target.body = b'{"number": 7, "seen": "cookie: sid=abc"}'
        text = file(target)
        path.write_text(text)
        await fill(path, db, 1)
        path.write_text(file(target, expect='["json.number == 7"]'))
    responses = await stored(db, workflow_id="shop")
    found = replay(load_config(path, env={}).config.workflows[0], responses, {"wanted": 7})
    assert [(one.failed, one.unknown) for one in found] == [(0, 1), (0, 1)]


class Hall:
    """A keeper with what it offered."""

    def __init__(self, amount: int = 3) -> None:
        self.clock = VirtualClock()
        self.offered: list[Any] = []
        self.keeper = Keeper(self.clock, amount, Redactor([SECRET]), self.offered.append, {("w", "s"): 1})

    def tell(self, fields: dict[str, Any], *, succeeded: bool = True) -> None:
        from engine.model import Outcome, StepResult
        from engine.resilience.retry import DEFAULT
        from engine.workflows.plan import plan_workflow
        from engine.workflows.stepping import Stepped
        from engine.workflows.steps.base import Reply

        (plan,) = plan_workflow(WORKFLOW, lambda retry: DEFAULT).steps
        outcome = Outcome.OK if succeeded else Outcome.FAILED
        result = StepResult("s", "http", outcome, 0.0, 0.1)
        self.keeper("w", 5, plan, Stepped(result, {}, None, reply=Reply(fields)))


WORKFLOW = Workflow.model_validate(
    {
        "id": "w",
        "name": "W",
        "every": "1m",
        "steps": [{"id": "s", "http": {"url": "http://a"}, "expect": ["body contains x", "json.a == 1"]}],
    }
)


async def test_slots_go_round_and_successes_are_thinned_out() -> None:
    hall = Hall()
    for succeeded in (True, True, False, False, True, True):
        hall.tell({"status": 200}, succeeded=succeeded)
    await hall.clock.advance(INTERVAL)
    hall.tell({"status": 200})
    assert [(one.slot, one.succeeded) for one in hall.offered] == [
        (2, True),
        (0, False),
        (1, False),
        (2, True),
        (0, True),
    ]


def test_a_secret_is_not_cut_in_two() -> None:
    hall = Hall()
    for before in range(FIELD_LIMIT - len(SECRET), FIELD_LIMIT + 1):
        hall.tell({"body": "x" * before + SECRET + "y" * 10_000}, succeeded=False)
    for response in hall.offered:
        assert re.fullmatch(r"x+\*{0,3}y*", fields_of(response)["body"])


def test_what_is_too_long_is_cut_and_cannot_be_told() -> None:
    hall = Hall()
    hall.tell({"status": 200, "body": "x" * 10_000, "json": {"a": 1}, "rows": [["y" * 10_000]]})
    (response,) = hall.offered
    fields = fields_of(response)
    assert (len(fields["body"]), "rows" in fields, response.cut) == (FIELD_LIMIT, False, ("body", "rows"))
    assert [is_whole(response, root) for root in ("status", "body", "json", "rows")] == [
        True,
        False,
        False,
        False,
    ]
    (found,) = replay(WORKFLOW, hall.offered, {})
    assert (found.total, found.failed, found.unknown) == (1, 0, 1)


def test_a_damaged_response_cannot_be_told() -> None:
    hall = Hall()
    hall.tell({"status": 200, "body": "x"})
    (good,) = hall.offered
    from dataclasses import replace

    (found,) = replay(WORKFLOW, [replace(good, fields=b"not packed")], {})
    assert (found.total, found.unknown) == (1, 1)


def test_what_cannot_be_packed_is_told_and_hurts_nobody() -> None:
    hall = Hall()
    hall.tell({"status": {(1, 2): "a key that JSON does not have"}})
    (line,) = hall.offered
    assert line.message.startswith("w/s: its response cannot be kept: keys must be")


async def test_the_store_keeps_no_more_than_it_is_told(paths: tuple[Path, Path]) -> None:
    path, db = paths
    async with http_target() as target:
        target.body = b'{"number": 7}'
        path.write_text(file(target, keep=2))
        await fill(path, db, 3)
        assert {response.execution_id for response in await stored(db, workflow_id="shop")} == {2, 3}
        path.write_text(file(target, keep=0))
        await fill(path, db, 1)
    assert {response.execution_id for response in await stored(db)} == {2, 3}


def test_a_file_of_the_version_before_learns_of_responses(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    prepare(db, 0.0)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DROP TABLE responses")
        connection.execute("PRAGMA user_version = 3")
        migrate(connection, MIGRATIONS[:4])
        assert connection.execute("SELECT count(*) FROM responses").fetchone() == (0,)


async def keep(workflow: Workflow, *others: Workflow, store: list[StoredResponse]) -> None:
    """Run a workflow once against `Site`; its responses, and those of what it calls, are put into `store`."""
    bench = Bench()
    bench.site.json = {"items": ["x", "y"], "n": 3}
    bench.site.body = json.dumps(bench.site.json)
    keeper = Keeper(bench.clock, 100, Redactor(), lambda row: store.append(row), {})  # type: ignore[arg-type]
    bench.runner = Runner(
        clock=bench.clock,
        variables={},
        retries={},
        on_log=bench.logs.append,
        workflows=[workflow, *others],
        types={"http": lambda _: bench.site, "workflow": WorkflowStep},
        keep=keeper,
    )
    await bench.run(workflow)


def expecting(workflow: Workflow, step: int, *texts: str) -> Workflow:
    """The workflow with other expectations of one of its steps."""
    steps = list(workflow.steps)
    steps[step] = steps[step].model_copy(update={"expect": texts})
    return workflow.model_copy(update={"steps": tuple(steps)})


async def test_rounds_over_what_was_found_are_judged_with_their_items() -> None:
    rounds = get("page", "/{{ item.value }}", foreach="{{ list.json.items }}")
    workflow = flow(get("list"), rounds)
    rows: list[StoredResponse] = []
    await keep(workflow, store=rows)
    changed = expecting(workflow, 1, "json.n == 3", "{{ item.value }} == 'x'")
    (page,) = [one for one in replay(changed, rows, {}) if one.step_id == "page"]
    assert (page.total, page.newly_failed, page.unknown) == (2, 1, 0)
    assert page.examples == [(1, "{{ item.value }} (y) == 'x'")]
    # Without the response that had the list, nothing is known of the items.
    alone = [row for row in rows if row.step_id != "list"]
    (page,) = replay(changed, alone, {})
    assert (page.total, page.unknown) == (2, 2)


async def test_a_called_workflow_is_judged_under_its_own_id() -> None:
    called = Workflow.model_validate(
        {
            "id": "pay",
            "name": "Pay",
            "on_call": True,
            "variables": {"path": "card", "wanted": 3},
            "steps": [get("card", "{{ vars.path }}")],
        }
    )
    calling = flow({"id": "s", "workflow": {"id": "pay", "with": {"path": "cash"}}})
    rows: list[StoredResponse] = []
    await keep(calling, called, store=rows)
    own = [row for row in rows if row.workflow_id == "pay"]
    assert [row.step_id for row in own] == ["card"]
    (card,) = replay(expecting(called, 0, "json.n == {{ vars.wanted }}"), own, {}, [calling, called])
    assert (card.total, card.failed, card.unknown) == (1, 0, 0)
    # What a caller put in the place of a variable is not known any more.
    (card,) = replay(expecting(called, 0, "{{ vars.path }} == 'card'"), own, {}, [calling, called])
    assert (card.total, card.failed, card.unknown) == (1, 0, 1)


async def test_a_workflow_in_python_says_why_it_is_not_replayed(
    paths: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    import asyncio

    path, db = paths
    code = """
from engine.authoring import Run, workflow

@workflow(every="1h", retry={"max_attempts": 1})
async def shop(run: Run) -> None:
    await run.step("one", http={"url": "http://127.0.0.1:1"})
"""
    (path.parent / "checks.py").write_text(code)
    path.write_text("version: 1\npython: [checks.py]\n")
    await fill(path, db, 1)
    argv = ["check", str(path), "--db", str(db), "--replay", "last:10"]
    assert await asyncio.to_thread(main, argv) == 2
    told = capsys.readouterr().err
    assert "shop is written in Python: what it expects is known only while it runs" in told
    assert not await stored(db)
