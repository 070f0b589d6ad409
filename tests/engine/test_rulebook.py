"""What a running engine says of its rules, from within and through its socket; and backtests on its file."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.attached import FileClient
from engine.config.loader import load_config
from engine.engine import Engine
from engine.errors import EngineUnavailableError, NotFoundError, TocsinError
from engine.model import Alert, AlertEventKind, AlertState, Decision, Gate, Recording
from engine.model.rules import RuleState
from engine.rulebook import rehearsed
from engine.store.alerting import decisions, last_decisions
from tests.engine.test_engine import Watch, running
from tests.servers import http_target

SECRET = "hunter2-hunter2"
CONFIG = """\
version: 1
channels:
  notes: {{file: {{path: {notes}}}}}
  nowhere: {{url: "json://127.0.0.1:1/{secret}"}}
workflows:
  - id: shop
    name: Shop
    every: 50ms
    timeout: 2s
    retry: {{max_attempts: 1}}
    breaker: false
    steps: [{{id: front, http: {{url: "{url}/front"}}, expect: ["status == 200"]}}]
rules:
  - id: down
    name: Shop is down
    conditions:
      - {{type: THRESHOLD, metric: workflow.status, operator: "==", value: failed}}
  - id: slow
    name: Slow
    description: the password is {secret}
    enabled: false
    conditions: [{{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 5s}}]
"""


@asynccontextmanager
async def attached(home: Path, status: int = 503) -> AsyncIterator[tuple[Engine, FileClient, Watch]]:
    """An engine whose shop answers with `status`, and somebody who asks through its socket."""
    async with http_target() as target:
        target.status = status
        text = CONFIG.format(url=target.url, notes=home / "notes.txt", secret=SECRET)
        (home / "rules.yaml").write_text(text)
        loaded = load_config(home / "rules.yaml")
        loaded = replace(loaded, secrets=loaded.secrets | {SECRET})
        async with running(loaded, home / "t.db") as (engine, watch):
            client = await FileClient.open(home / "t.db")
            try:
                yield engine, client, watch
            finally:
                client.close()


OWN = ("monitor-store", "monitor-notifier", "monitor-rules")


def _fires(row: object) -> bool:
    return isinstance(row, Alert) and row.state is AlertState.FIRING


async def test_rules_are_told_alike_within_and_through_the_socket(tmp_path: Path) -> None:
    async with attached(tmp_path) as (engine, client, watch):
        await watch.for_row(_fires)
        inside, outside = await engine.rules.statuses(), await client.rules()
        assert [one.id for one in outside] == ["down", "slow", *OWN]
        assert replace(outside[0], last=None) == replace(inside[0], last=None)
        down, slow, *_ = outside
        assert (down.state, down.firing, slow.state) == (RuleState.FIRING, 1, RuleState.DISABLED)
        assert down.last is not None
        assert (down.last.rule_id, down.last.subject, down.last.result) == ("down", "shop", True)
        assert all(isinstance(gate, Gate) for gate in down.last.gates)
        with pytest.raises(NotFoundError):
            await client.rule("gone")


async def test_rules_of_then_are_told_through_the_socket(tmp_path: Path) -> None:
    before = time.time() - 60
    async with attached(tmp_path) as (_, client, watch):
        await watch.for_row(_fires)
        down = (await client.rules(before))[0]
        assert (down.id, down.state, down.firing, down.last) == ("down", RuleState.QUIET, 0, None)
        assert (await client.rules(time.time() + 1))[0].firing == 1
        then, now = await client.rule("down", before), await client.rule("down")
        assert (then.subjects, then.decisions, then.excerpt) == ((), (), now.excerpt)
        with pytest.raises(NotFoundError):
            await client.rule("gone", before)


async def test_a_rule_is_told_with_its_lines_and_without_secrets(tmp_path: Path) -> None:
    async with attached(tmp_path) as (engine, client, watch):
        await watch.for_row(_fires)
        down, slow = await client.rule("down"), await client.rule("slow")
        assert down.excerpt.file == str(tmp_path / "rules.yaml")
        lines = (tmp_path / "rules.yaml").read_text().split("\n")
        assert lines[down.excerpt.line - 1] == "  - id: down"
        assert lines[down.excerpt.places[0] - 1].strip().startswith("- {type: THRESHOLD")
        (state,) = down.subjects
        assert (state.subject, state.result, state.alert) == ("shop", True, AlertState.FIRING)
        assert state.conditions[0].value == "failed"
        assert down.decisions[0].rule_id == "down"
        assert SECRET not in str(slow)
        assert "the password is" in slow.excerpt.text
        assert slow.settings == ("threshold=5s", "for=0s", "cooldown=5m")
        (own,) = (one for one in (await engine.rules.detail("monitor-store"),))
        assert own.excerpt.file == ""


async def test_what_is_put_in_force_is_what_is_told(tmp_path: Path) -> None:
    async with attached(tmp_path, 200) as (engine, client, _watch):
        assert (await client.rule("down")).excerpt.line == 14
        path = tmp_path / "rules.yaml"
        path.write_text(path.read_text().replace("rules:\n", "rules:\n  # one more line\n"))
        await engine.reload()
        assert (await client.rule("down")).excerpt.line == 15


async def test_a_test_message_goes_out_and_what_is_refused_is_told(tmp_path: Path) -> None:
    async with attached(tmp_path, 200) as (_engine, client, _watch):
        taken, refused = await client.try_channel("notes"), await client.try_channel("nowhere")
        assert (taken.channel, taken.error) == ("notes", "")
        assert "[TEST]" in (tmp_path / "notes.txt").read_text()
        assert refused.error
        assert SECRET not in refused.error
        with pytest.raises(NotFoundError, match="there is no channel gone"):
            await client.try_channel("gone")


async def test_a_note_is_written_down_through_the_socket(tmp_path: Path) -> None:
    async with attached(tmp_path) as (_engine, client, watch):
        fired = await watch.for_row(_fires)
        await client.note(fired.id, "ann", "look at the cache")
        event = (await client.alert(fired.id)).events[-1]
        assert (event.kind, event.author, event.note) == (AlertEventKind.NOTED, "ann", "look at the cache")


async def test_a_rule_is_tried_on_what_happened(tmp_path: Path) -> None:
    async with attached(tmp_path) as (_engine, client, watch):
        failed = await watch.for_row(lambda row: isinstance(row, Recording))
        await watch.for_row(_fires)
        since = failed.execution.started_at - 60
        shares: list[float] = []
        live, patient = await client.backtest(
            "down", since, since + 600, ["for=1h"], lambda share, _count: shares.append(share)
        )
        assert len(live.rehearsed.fires) == 1
        assert patient.rehearsed.fires == ()
        assert len(patient.gone) == 1
        assert all(0 <= share <= 1 for share in shares)
        with pytest.raises(TocsinError, match="has no `colour` to change"):
            await client.backtest("down", since, since + 600, ["colour=5"])
    with pytest.raises(EngineUnavailableError):
        await client.rules()


async def test_a_backtest_that_nobody_waits_for_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(*_: object, progress: object, **__: object) -> None:
        assert callable(progress)
        try:
            while True:
                progress(5.0, 1)
                begun.set()
        finally:
            ended.set()

    monkeypatch.setattr("engine.rehearsal.backtest.backtest", endless)
    config = load_config(_minimal(tmp_path)).config
    task = asyncio.create_task(
        rehearsed(config, tmp_path / "t.db", "r", 0, 10, [], lambda share, count: None)
    )
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 10)


def _minimal(home: Path) -> Path:
    path = home / "rules.yaml"
    path.write_text("version: 1\n")
    return path


async def test_the_newest_decisions_of_rules_are_found_by_their_index(tmp_path: Path) -> None:
    async with attached(tmp_path, 200) as (engine, _client, _watch):
        # Of now: the keeper of a running engine takes what is older than is kept.
        now = time.time()
        made = [
            Decision(now + number, f"rule-{number % 3}", "s", True, number, "", f"words {number}")
            for number in range(20)
        ]
        await engine._store.writer.must(*made)
        pool = engine.reader.pool
        newest = {name: one.value for name, one in (await last_decisions(pool)).items()}
        assert newest == {"rule-0": 18, "rule-1": 19, "rule-2": 17}
        assert [one.value for one in await decisions(pool, "rule-2", 3)] == [17, 14, 11]
        assert await decisions(pool, "gone", 3) == ()
        plan = await pool.fetch(
            "EXPLAIN QUERY PLAN SELECT * FROM decisions WHERE rule_id = 'a' ORDER BY id DESC LIMIT 3", ()
        )
        assert "decisions_rule" in str(plan)
