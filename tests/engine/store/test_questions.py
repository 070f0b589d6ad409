"""Questions in SQL: what the views answer, and what is not allowed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.clock import VirtualClock
from engine.errors import NotFoundError, QueryError, StoreError
from engine.model import SpanLink
from engine.store.provenance import MAX_RUNS, Run, note
from engine.store.questions import Answer, ask, columns_of
from engine.store.store import Store
from engine.store.views import VIEWS
from tests.engine.store.samples import START, alert, log, recording, span, trace_of


@pytest.fixture
async def filled(db: Path, clock: VirtualClock) -> Path:
    """Two executions under two configurations, with their spans and lines, and an alert."""
    store = await Store.open(db, clock)
    for number in (1, 2):
        run = Run(0, START + number, "1.0", f"digest{number}", "prod", "rules.yaml", number)
        await note(store.writer, run, f"version: {number}\n")
        await store.writer.must(recording(number))
    await store.writer.must(log("on its own"), alert(1))
    await store.close()
    return db


def column(answer: Answer, name: str) -> list[object]:
    place = answer.columns.index(name)
    return [row[place] for row in answer.rows]


async def test_every_view_has_columns_and_answers(filled: Path) -> None:
    columns = columns_of(filled)
    for view in VIEWS:
        answer = ask(filled, f"SELECT * FROM {view.name}")
        assert answer.columns == columns[view.name]
        assert len(answer.columns) > 3
        may_be_empty = (
            "v_alert_events",
            "v_decisions",
            "v_notifications",
            "v_health",
            "v_silences",
            "v_maintenance",
        )
        assert answer.rows or view.name in may_be_empty


async def test_an_execution_names_its_configuration(filled: Path) -> None:
    answer = ask(filled, "SELECT id, config FROM v_executions ORDER BY id")
    assert answer.rows == ((1, "digest1"), (2, "digest2"))


async def test_what_is_packed_is_unpacked(filled: Path, clock: VirtualClock) -> None:
    store = await Store.open(filled, clock)
    try:
        expected = recording(2)
        spans = await store.reader.trace(expected.execution.trace_id)
        attempts = (await store.reader.execution(2)).attempts
    finally:
        await store.close()
    answer = ask(filled, "SELECT * FROM v_spans WHERE execution_id = 2 ORDER BY started_at")
    assert column(answer, "span_id") == [span.span_id for span in spans]
    assert column(answer, "name") == [span.name for span in spans]
    assert [json.loads(str(cell)) for cell in column(answer, "attributes")] == [
        dict(span.attributes) for span in spans
    ]
    tries = ask(filled, "SELECT * FROM v_attempts WHERE execution_id = 2 ORDER BY number")
    assert column(tries, "duration") == [attempt.duration for attempt in attempts]
    assert column(tries, "error") == [attempt.failure and attempt.failure.message for attempt in attempts]


async def test_links_and_events_read_alike_wherever_a_span_came_from(
    filled: Path, clock: VirtualClock
) -> None:
    link = SpanLink("d4" * 16, "e5" * 8, {"why": "batch"})
    own = replace(recording(3), spans=(span(30, trace_id=trace_of(3), execution_id=3, links=(link,)),))
    store = await Store.open(filled, clock)
    try:
        await store.writer.must(own, span(7, trace_id=trace_of(9), execution_id=None, links=(link,)))
        await store.writer.must(span(8, trace_id=trace_of(9), execution_id=None))
    finally:
        await store.close()
    answer = ask(
        filled, "SELECT links, events FROM v_spans WHERE span_id IN ('000000000000001e', '0000000000000007')"
    )
    expected = [{"trace_id": link.trace_id, "span_id": link.span_id, "attributes": {"why": "batch"}}]
    assert [json.loads(str(links)) for links, _ in answer.rows] == [expected, expected]
    first, second = (json.loads(str(events)) for _, events in answer.rows)
    assert (
        first
        == second
        == [{"at": START, "name": "assertion failed", "attributes": {"text": "status == 200"}}]
    )
    assert ask(filled, "SELECT links FROM v_spans WHERE span_id = '0000000000000008'").rows == (("[]",),)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("DELETE FROM logs", "only questions"),
        ("PRAGMA user_version", "only questions"),
        ("ATTACH 'x' AS y", "only questions"),
        ("SELECT load_extension('x')", "only questions"),
        ("CREATE TABLE t (a)", "only questions"),
        ("SELECT 1; SELECT 2", "no question"),
        ("SELEC", "syntax error"),
        ("SELECT absent FROM v_logs", "no such column"),
        ("", "asks for nothing"),
        ("SELECT zeroblob(1000000000)", "too big"),
        (
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
            "no answer",
        ),
        ("SELECT '\0'", "no question"),
    ],
)
async def test_what_is_no_question_gets_a_sentence_and_a_hint(
    filled: Path, question: str, sentence: str
) -> None:
    with pytest.raises(QueryError, match=sentence) as caught:
        ask(filled, question, deadline=0.2)
    assert caught.value.hint


async def test_rows_are_bounded(filled: Path) -> None:
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 50) SELECT x FROM c"
    assert ask(filled, many, limit=50).more is False
    answer = ask(filled, many, limit=49)
    assert answer.more is True
    assert len(answer.rows) == 49


async def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no")
    with pytest.raises(StoreError, match="not a Tocsin database"):
        ask(tmp_path / "x.db", "SELECT 1")


async def test_configurations_are_found_by_the_beginning_of_their_digest(
    filled: Path, clock: VirtualClock
) -> None:
    store = await Store.open(filled, clock)
    try:
        assert [run.digest for run in await store.reader.runs()] == ["digest2", "digest1"]
        assert await store.reader.configuration("digest1") == "version: 1\n"
        for unknown, sentence in (("digest", "several configurations"), ("zzz", "no configuration")):
            with pytest.raises(NotFoundError, match=sentence):
                await store.reader.configuration(unknown)
    finally:
        await store.close()


async def test_a_configuration_stays_as_long_as_a_run_that_used_it(db: Path, clock: VirtualClock) -> None:
    store = await Store.open(db, clock)
    try:
        for number in range(MAX_RUNS + 5):
            digest = "same" if number % 2 else f"digest{number}"
            await note(store.writer, Run(0, START, "1.0", digest, "", "", 1), "x")
        runs = await store.reader.runs()
        assert len(runs) == MAX_RUNS
        assert await store.reader.configuration("same") == "x"
        with pytest.raises(NotFoundError):
            await store.reader.configuration("digest0")
    finally:
        await store.close()
