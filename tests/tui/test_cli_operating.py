"""Operating a running engine from the command line: workflows, breakers, and what retrying was good for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.model import MaintenanceWish, Outcome, Recording
from tests.engine.test_engine import Watch, running
from tests.servers import Target, http_target
from tests.tui.command_line import other_process, tocsin
from tests.tui.test_cli import elsewhere as elsewhere
from tui.cli import main

RULES = """\
version: 1
retries: {{quick: {{max_attempts: 2, initial_delay: 1ms, jitter: 0}}}}
workflows:
  - id: shop
    name: Shop
    every: {every}
    retry: quick
    breaker: {{threshold: 4, reset: 1h}}
    steps: [{{id: front, http: {{url: "{url}/"}}}}]
"""


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with http_target() as server:
        yield server


async def until(watch: Watch, outcome: Outcome) -> None:
    await watch.for_row(lambda row: isinstance(row, Recording) and row.execution.outcome is outcome)


async def test_workflows_are_listed_run_paused_and_resumed(target: Target, elsewhere: Path) -> None:
    (elsewhere / "rules.yaml").write_text(RULES.format(url=target.url, every="1h"))
    db = str(elsewhere / "t.db")
    async with running(load_config(elsewhere / "rules.yaml"), Path(db)) as (engine, watch):
        assert (await other_process("workflows", "run", "shop", "--db", db)).stdout == "Started shop.\n"
        await until(watch, Outcome.OK)
        await engine._store.writer.flush()
        header, line = (await tocsin("workflows", "--db", db)).stdout.splitlines()
        assert header.split()[:3] == ["WORKFLOW", "STATE", "LAST"]
        assert line.split()[:3] == ["shop", "waiting", "ok"]
        assert (await tocsin("workflows", "pause", "shop", "--db", db)).stdout == "Paused shop.\n"
        record = json.loads((await tocsin("--json", "workflows", "list", "--db", db)).stdout)
        assert (record["state"], record["paused"], record["schedule"]) == ("paused", True, "every 1h")
        done = json.loads((await tocsin("workflows", "resume", "shop", "--json", "--db", db)).stdout)
        assert done == {"type": "workflow", "workflow": "shop", "done": "resumed"}
        assert not (await engine.workflow_statuses(0, 1))[0].paused
        assert (await tocsin("workflows", "pause", "--all", "--db", db)).stdout == "Paused everything.\n"
        assert (await engine.info()).paused
        await engine.set_paused(False)
        await engine.alerts.maintain(MaintenanceWish(("shop",), (), "stop", "eva", "new disks", lasting=600))
        assert (await tocsin("workflows", "--db", db)).stdout.splitlines()[1].split()[:2] == [
            "shop",
            "stopped",
        ]
        refused = await tocsin("workflows", "pause", "nobody", "--db", db)
        assert (refused.returncode, refused.stderr) == (2, "tocsin: there is no workflow nobody\n")
    idle = await tocsin("workflows", "--db", db)
    assert "shop" in idle.stdout
    assert idle.stderr == "No engine runs on this database: this is what the last one left.\n"
    alone = await tocsin("workflows", "run", "shop", "--db", db)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert alone.stderr.startswith("tocsin: no engine runs on this database (start one")


async def test_breakers_are_listed_and_reset_and_retries_told(target: Target, elsewhere: Path) -> None:
    (elsewhere / "rules.yaml").write_text(RULES.format(url=target.url, every="50ms"))
    db, address = str(elsewhere / "t.db"), f"http://127.0.0.1:{target.port}"
    target.status = 503
    async with running(load_config(elsewhere / "rules.yaml"), Path(db)) as (engine, watch):
        await until(watch, Outcome.SKIPPED)
        await engine._store.writer.flush()
        header, line = (await tocsin("breakers", "--db", db)).stdout.splitlines()
        assert header.split() == ["STATE", "FAILURES", "SINCE", "NEXT", "TRIAL", "TARGET"]
        assert line.split()[:2] == ["open", "4"]
        assert line.endswith(address)
        shown = (await tocsin("metrics", "--db", db)).stdout
        assert "RETRIES OF" in shown
        (retried,) = [text for text in shown.splitlines() if text.startswith("target")]
        assert retried.split()[1:3] == ["2", "0"]
        assert retried.endswith(address)
        wrong = await tocsin("breakers", "reset", "http://nobody", "--db", db)
        assert (wrong.returncode, wrong.stderr) == (
            2, "tocsin: there is no circuit breaker of http://nobody\n",
        )  # fmt: skip
        target.status = 200
        done = await other_process("breakers", "reset", address, "--db", db)
        assert done.stdout == f"Closed the circuit breaker of {address}.\n"
        record = json.loads((await tocsin("breakers", "--json", "--db", db)).stdout)
        assert (record["state"], record["target"]) == ("CLOSED", address)
    idle = await tocsin("breakers", "--db", db)
    assert (idle.stdout, idle.stderr) == (
        "No circuit breaker was left open.\n",
        "No engine runs on this database: this is what the last one left.\n",
    )
    figures = json.loads((await tocsin("metrics", "--json", "--db", db)).stdout)["retries"]
    assert [(one["subject"], one["retried"], one["given_up"]) for one in figures["workflows"]] == [
        ("shop", 2, 2)
    ]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["workflows", "pause"], "pause needs the ID of one workflow (tocsin workflows lists them; --all"),
        (["workflows", "run"], "run needs the ID of one workflow (tocsin workflows lists them)"),
        (["workflows", "run", "--all"], "--all goes with pause and resume"),
        (["workflows", "pause", "x", "--all"], "pause needs the ID of one workflow"),
        (["workflows", "list", "x"], "list takes no ID (tocsin workflows run x)"),
        (["breakers", "reset"], "reset needs a TARGET"),
        (["breakers", "list", "x"], "list takes no TARGET (tocsin breakers reset x)"),
        (["breakers", "reset", "x"], "there is no database"),
    ],
)
def test_mistakes_get_one_sentence(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert len(err.splitlines()) == 1
