"""Another configuration in a running engine: what goes on, what begins, what ends."""

from __future__ import annotations

import asyncio
import itertools
import socket
from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import NotFoundError
from engine.model import AlertEventKind, AlertState, NotificationState, Outcome
from tests.engine.reload_stand import configuration, flow, running, slow


async def test_an_unchanged_workflow_keeps_its_slots_and_its_pause(tmp_path: Path) -> None:
    text = configuration(flow("a", every="1m"), flow("b", every="1m"))
    async with running(tmp_path, text) as stand:
        await stand.pass_by(5)
        scheduler = stand.engine._rooms.scheduler
        await stand.engine.set_paused(True, "b")
        due = scheduler.next_at("a")
        report = await stand.reload(configuration(flow("a", every="1m"), flow("b", every="1m"), flow("c")))
        assert (report.summary, report.changes) == ("+1 workflow", ("+ workflow c",))
        assert scheduler.next_at("a") == due
        assert scheduler.is_paused("b")
        assert not scheduler.is_paused("c")
        assert len(await stand.executions("a")) == 1


async def test_a_new_workflow_starts_at_once_and_a_changed_one_at_its_next_slot(tmp_path: Path) -> None:
    async with running(tmp_path, configuration(flow("a", every="1m"))) as stand:
        await stand.pass_by(5)
        await stand.reload(configuration(flow("a", "2s", every="1m"), flow("new", every="1m")))
        await stand.pass_by(3)
        assert [each.duration for each in await stand.executions("a")] == [1.0]
        assert [each.outcome for each in await stand.executions("new")] == [Outcome.OK]
        await stand.pass_by(62)
        assert [each.duration for each in await stand.executions("a")] == [2.0, 1.0]
        assert [status.id for status in await stand.engine.workflow_statuses(0, stand.clock.now())] == [
            "a",
            "new",
        ]


async def test_a_changed_schedule_counts_from_now_on(tmp_path: Path) -> None:
    async with running(tmp_path, configuration(flow("a", every="1h"))) as stand:
        await stand.pass_by(5)
        await stand.reload(configuration(flow("a", every="5s")))
        await stand.pass_by(21)
        assert 4 <= len(await stand.executions("a")) <= 6


async def test_what_runs_ends_as_it_began(tmp_path: Path) -> None:
    text = configuration(flow("gone", "30s", every="1h"), flow("kept", "30s", every="1h"))
    async with running(tmp_path, text) as stand:
        await stand.pass_by(5)
        assert stand.engine._rooms.scheduler.running == 2
        await stand.reload(configuration(flow("kept", "1s", every="1h")))
        assert stand.engine._rooms.scheduler.running == 2
        with pytest.raises(NotFoundError):
            await stand.engine.run_now("gone")
        await stand.pass_by(30)
        for name in ("gone", "kept"):
            (execution,) = await stand.executions(name)
            assert (execution.outcome, execution.duration) == (Outcome.OK, 30.0)
        parts = {part.name for part in (await stand.engine.current_health()).components}
        assert "workflow:kept" in parts
        assert "workflow:gone" not in parts


async def test_one_that_comes_back_while_it_still_runs_does_not_run_twice(tmp_path: Path) -> None:
    both = configuration(flow("a", every="1h"), flow("b", "30s", every="10s"))
    async with running(tmp_path, both) as stand:
        await stand.pass_by(2)
        await stand.reload(configuration(flow("a", every="1h")))
        await stand.reload(both)
        assert stand.engine._rooms.scheduler.is_running("b")
        await stand.pass_by(60, step=5.0)
        ran = [each for each in await stand.executions("b") if each.outcome is Outcome.OK]
        starts = sorted(each.started_at for each in ran)
        assert all(later - earlier >= 30 for earlier, later in itertools.pairwise(starts))
        assert len(ran) >= 1


async def test_a_firing_alert_stays_what_it_is(tmp_path: Path) -> None:
    text = configuration(flow("a", "5s", every="20s"), rules=(slow("r"),))
    async with running(tmp_path, text) as stand:
        await stand.pass_by(8)
        (before,) = await stand.alerts(AlertState.FIRING)
        await stand.reload(configuration(flow("a", "5s", every="20s"), flow("b"), rules=(slow("r", "4s"),)))
        await stand.pass_by(45)
        (after,) = await stand.alerts()
        assert (after.id, after.fired_at, after.state) == (before.id, before.fired_at, AlertState.FIRING)
        assert [notice.transition for notice in await stand.notices()] == [AlertEventKind.FIRED]


async def test_a_rule_that_is_removed_while_it_fires_closes_its_alert_and_says_so_once(
    tmp_path: Path,
) -> None:
    text = configuration(flow("a", "5s", every="20s"), rules=(slow("r"),))
    async with running(tmp_path, text) as stand:
        await stand.pass_by(8)
        (fired,) = await stand.alerts(AlertState.FIRING)
        await stand.reload(configuration(flow("a", "5s", every="20s")))
        await stand.pass_by(60)
        (closed,) = await stand.alerts()
        assert (closed.id, closed.state, closed.resolve_note) == (
            fired.id,
            AlertState.RESOLVED,
            "rule removed",
        )
        notices = await stand.notices()
        assert [notice.transition for notice in notices] == [AlertEventKind.FIRED, AlertEventKind.RESOLVED]
        assert {notice.state for notice in notices} == {NotificationState.SENT}


async def test_an_alert_about_a_removed_workflow_is_closed_and_its_last_run_makes_none(
    tmp_path: Path,
) -> None:
    text = configuration(flow("a", "5s", every="1h"), flow("b", every="1h"), rules=(slow("r"),))
    async with running(tmp_path, text) as stand:
        await stand.pass_by(8)
        assert len(await stand.alerts(AlertState.FIRING)) == 1
        await stand.engine.run_now("a")
        await stand.reload(configuration(flow("b", every="1h"), rules=(slow("r"),)))
        await stand.pass_by(30)
        (closed,) = await stand.alerts()
        assert (closed.state, closed.resolve_note) == (AlertState.RESOLVED, "rule no longer covers a")
        assert len(await stand.executions("a")) == 2


async def test_a_changed_threshold_counts_at_the_next_look(tmp_path: Path) -> None:
    text = configuration(flow("a", "5s", every="1h"), rules=(slow("r", "1h"),))
    async with running(tmp_path, text) as stand:
        await stand.pass_by(8)
        assert await stand.alerts() == []
        report = await stand.reload(configuration(flow("a", "5s", every="1h"), rules=(slow("r", "3s"),)))
        assert report.changes == ("~ rule r: conditions.1.value 3600 → 3",)
        await stand.clock.advance(1.0)
        assert len(await stand.until(lambda: stand.alerts(AlertState.FIRING))) == 1


async def test_a_longer_look_back_takes_in_what_the_file_knows(tmp_path: Path) -> None:
    def rule(window: str) -> str:
        condition = f'{{type: CUSTOM, expression: "count() >= 20", window: {window}}}'
        return f"{{id: r, name: r, conditions: [{condition}]}}"

    async with running(tmp_path, configuration(flow("a", every="1m"), rules=(rule("20s"),))) as stand:
        await stand.pass_by(1_500, step=20.0)
        assert not [alert for alert in await stand.alerts() if alert.rule_id == "r"]
        await stand.reload(configuration(flow("a", every="1m"), rules=(rule("2h"),)))
        await stand.clock.advance(1.0)

        async def fired() -> bool:
            return "r" in {alert.rule_id for alert in await stand.alerts(AlertState.FIRING)}

        await stand.until(fired)


DOWN = "channels: {ops: {url: 'json://127.0.0.1:9/'}, other: {log: {}}}"


async def test_messages_to_a_channel_that_is_gone_end_as_dead(tmp_path: Path) -> None:
    text = configuration(flow("a", "5s", every="20s"), rules=(slow("r"),), more=DOWN)
    async with running(tmp_path, text) as stand:
        await stand.pass_by(8)

        async def tried() -> bool:
            (notice,) = await stand.notices()
            return notice.tries == 1 and notice.state is NotificationState.QUEUED

        await stand.until(tried)
        other = slow("r", more="channels: [other]")
        more = "channels: {other: {log: {}}}"
        await stand.reload(configuration(flow("a", "5s", every="20s"), rules=(other,), more=more))

        async def dead() -> list[str]:
            return [it.error for it in await stand.notices() if it.state is NotificationState.DEAD]

        assert await stand.until(dead) == ["its channel is no longer configured"]


async def test_what_waits_for_a_channel_is_tried_at_once_when_that_is_mended(tmp_path: Path) -> None:
    text = configuration(flow("a", "5s", every="1h"), rules=(slow("r"),), more=DOWN)
    async with running(tmp_path, text) as stand:
        await stand.pass_by(8)

        async def states() -> list[NotificationState]:
            return [notice.state for notice in await stand.notices() if notice.tries]

        async def failed() -> bool:
            return await states() == [NotificationState.QUEUED]

        await stand.until(failed)
        more = "channels: {ops: {log: {}}, other: {log: {}}}"
        await stand.reload(configuration(flow("a", "5s", every="1h"), rules=(slow("r"),), more=more))

        async def sent() -> bool:
            return await states() == [NotificationState.SENT]

        await stand.until(sent)


JOB = "{id: job, name: job, every: 1h, steps: [{id: h, heartbeat: {token: 0123456789abcdef, period: 1h}}]}"


async def test_the_first_job_to_be_heard_opens_the_listener(tmp_path: Path) -> None:
    address = "settings: {heartbeats: '127.0.0.1:0'}"
    async with running(tmp_path, configuration(flow("a"), more=address)) as stand:
        book = stand.engine._rooms.hearing.book
        assert (stand.engine.heartbeat_port, len(book)) == (0, 0)
        await stand.reload(configuration(flow("a"), JOB, more=address))
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.engine.heartbeat_port)
        writer.write(b"GET /0123456789abcdef HTTP/1.1\r\nHost: h\r\n\r\n")
        answering = asyncio.create_task(reader.readline())

        async def answered() -> bool:
            return answering.done()

        await stand.until(answered)
        assert b"200" in answering.result()
        writer.close()
        beat = book.find("0123456789abcdef")
        assert beat is not None
        assert beat.succeeded_at is not None
        await stand.reload(configuration(flow("a"), JOB, flow("b"), more=address))
        assert book.find("0123456789abcdef") == beat


async def test_an_address_that_cannot_be_had_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"settings: {{heartbeats: '127.0.0.1:{taken.getsockname()[1]}'}}"
        async with running(tmp_path, configuration(flow("a"), more=address)) as stand:
            report = await stand.reload(configuration(flow("b"), JOB, more=address))
            assert "heartbeats cannot be heard" in report.problems[0]
            assert [workflow.id for workflow in stand.engine._config.workflows] == ["a"]


async def test_a_source_that_changes_goes_on_where_it_was(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("first line\n")

    def text(rate: int) -> str:
        files = f"files: ['{log}'], format: text, begin: start, max_rate: {rate}"
        return configuration(flow("a"), more=f"sources: [{{id: app, {files}}}]")

    async with running(tmp_path, configuration(flow("a"))) as stand:

        async def lines() -> list[str]:
            await stand.clock.advance(1.0)
            return await stand.lines("source:app")

        await stand.reload(text(100))
        assert await stand.until(lines) == ["first line"]
        await stand.reload(text(50))
        with log.open("a") as file:
            file.write("second line\n")

        async def both() -> bool:
            return len(await lines()) > 1

        await stand.until(both)
        assert await lines() == ["first line", "second line"]
        await stand.reload(configuration(flow("a")))
        with log.open("a") as file:
            file.write("third line\n")
        for _ in range(5):
            assert len(await lines()) == 2


async def test_settings_that_can_be_are_changed_live_and_the_others_wait(tmp_path: Path) -> None:
    before = "settings: {concurrency: 1, heartbeats: '127.0.0.1:0'}"
    flows = (flow("a", "1m", every="1h"), flow("b", "1m", every="1h"))
    async with running(tmp_path, configuration(*flows, more=before)) as stand:
        await stand.pass_by(2)
        rooms = stand.engine._rooms
        assert rooms.scheduler.running == 1
        after = "{concurrency: 2, retention: 2d, max_active_alerts: 7, heartbeats: '127.0.0.1:1'}"
        report = await stand.reload(configuration(*flows, more=f"settings: {after}"))
        assert report.changes == (
            "~ settings: concurrency 1 → 2, max_active_alerts 100 → 7, retention 30d → 2d, "
            "heartbeats takes a restart",
        )
        assert rooms.scheduler.running == 2
        assert rooms.store.keeper.limits.keep == 2 * 86_400
        assert rooms.alerts._judge.book.limit == 7
        assert stand.engine._config.settings.heartbeats == "127.0.0.1:0"


async def test_new_secrets_are_hidden_and_old_ones_stay_so(tmp_path: Path) -> None:
    def text(name: str) -> str:
        return configuration(flow("a"), more=f"channels: {{ops: {{url: 'json://h/${{env:{name}}}'}}}}")

    env = {"OLD": "old-and-secret", "NEW": "new-and-secret"}
    async with running(tmp_path, text("OLD"), env) as stand:
        report = await stand.reload(text("NEW"))
        assert report.changes == ("~ channel ops: url",)
        redact = stand.engine._redactor.text
        assert redact("old-and-secret new-and-secret") == "*** ***"


async def test_the_file_knows_since_when_which_configuration_is_in_force(tmp_path: Path) -> None:
    async with running(tmp_path, configuration(flow("a"))) as stand:
        await stand.pass_by(15)
        old, new = await stand.executions("a")
        await stand.reload(configuration(flow("a", "2s"), rules=(slow("r"), slow("q"))))
        await stand.pass_by(15)
        later = (await stand.executions("a"))[0]
        run, first = await stand.engine.reader.runs()
        assert run.digest == load_config(stand.path).digest != first.digest
        assert max(old.id, new.id) < run.first_execution <= later.id
        assert "for: 2s" in await stand.engine.reader.configuration(run.digest)
        assert await stand.lines("reloaded") == ["configuration reloaded: ~1 workflow, +2 rules"]
        assert "configuration: + rule q" in await stand.lines("configuration")


@pytest.mark.parametrize("fault", ["nonsense: 1", "  bad indent: [", "rules: [{id: x}]"])
async def test_a_faulty_file_changes_nothing_and_says_where(tmp_path: Path, fault: str) -> None:
    text = configuration(flow("a"))
    async with running(tmp_path, text) as stand:
        await stand.pass_by(2)
        config = stand.engine._config
        report = await stand.reload(configuration(flow("b")) + fault)
        assert not report.succeeded
        assert report.changes == ()
        assert report.problems[0].startswith(f"{stand.path}:")
        assert (await stand.engine.info()).config_fault.startswith(f"{stand.path}:")
        assert stand.engine._config is config
        assert len(await stand.engine.reader.runs()) == 1
        (line,) = await stand.lines('"stays as it was"')
        assert f"{stand.path}:" in line
        await stand.pass_by(15)
        assert len(await stand.executions("a")) == 2
        assert await stand.executions("b") == ()

        report = await stand.reload(text)
        assert (report.succeeded, report.summary) == (True, "nothing has changed")
        assert (await stand.engine.info()).config_fault == ""


async def test_a_store_that_does_not_answer_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.errors import StoreError

    async with running(tmp_path, configuration(flow("a"))) as stand:
        await stand.pass_by(2)

        async def broken() -> None:
            raise StoreError("the disk is on fire")

        with monkeypatch.context() as patch:
            patch.setattr(stand.engine._store.writer, "flush", broken)
            stand.path.write_text(configuration(flow("b")))
            report = await stand.engine.reload()
        assert report.problems == ("the disk is on fire",)
        assert [each.id for each in stand.engine._config.workflows] == ["a"]
        assert stand.engine._rooms.scheduler.next_at("a") is not None


async def test_who_asks_while_a_reload_goes_on_shares_the_next_one(tmp_path: Path) -> None:
    async with running(tmp_path, configuration(flow("a"))) as stand:
        first = asyncio.create_task(stand.engine.reload())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stand.path.write_text(configuration(flow("a"), flow("b")))
        others = [asyncio.create_task(stand.engine.reload()) for _ in range(10)]

        async def all_done() -> bool:
            await stand.clock.advance(0.1)
            return all(task.done() for task in (first, *others))

        await stand.until(all_done)
        reports = {id(task.result()) for task in others}
        assert len(reports) == 1
        assert others[0].result().succeeded
        assert [each.id for each in stand.engine._config.workflows] == ["a", "b"]
