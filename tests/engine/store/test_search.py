"""The language of log searches."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import QueryError
from engine.model import LogLevel
from engine.store.search import parse
from engine.store.store import Store
from engine.text import plain
from tests.effort import tried
from tests.engine.store.samples import START, execution, log, trace_of

NOV_21 = 1_795_219_200.0
DAY = 86_400.0
LINES = (
    log(
        "connection refused by 10.0.0.1:5432", level=LogLevel.ERROR, workflow_id="user-login", execution_id=42
    ),
    log("connection reset", level=LogLevel.WARNING, workflow_id="user", at=START + 990),
    log("login ok for o'brien", level=LogLevel.INFO, workflow_id="user-login-2", at=START + 995),
    log("GET /api/v1/users trace_id=abc 100% done_now", level=LogLevel.DEBUG),
    log("Größe überschritten: col:x", level=LogLevel.FATAL, trace_id=trace_of(9)),
)
FOUND = {
    "": [4, 3, 2, 1, 0],
    "connection": [1, 0],
    "CONNECTION": [1, 0],
    "connection refused": [0],
    '"connection refused"': [0],
    '"refused connection"': [],
    '"refused conn"*': [],
    '"connection ref"*': [0],
    "conn*": [1, 0],
    "conn": [],
    # A word of a message, though all are of workflows that have it in their names.
    "login": [2],
    "connection -refused": [1],
    'connection -"connection refused" -nothing': [1],
    "level:error -nothing": [0],
    "level:error -refused": [],
    "10.0.0.1": [0],
    "10.0.0.1:5432": [0],
    "o'brien": [2],
    "/api": [3],
    "trace_id=abc": [3],
    "100%": [3],
    "done_now": [3],
    "col:x": [4],
    "grosse": [],
    "große": [4],
    "grösse": [],
    "GRÖßE": [4],
    "level:error": [0],
    "level:warning+": [4, 1, 0],
    "level:warn": [1],
    "LEVEL:Fatal": [4],
    "level:debug": [3],
    "workflow:user": [1],
    "workflow:user-login": [0],
    'workflow:"user-login" refused': [0],
    "workflow:nobody": [],
    "workflow:user-login -refused": [],
    "execution:42": [0],
    "execution:43": [],
    f"trace:{trace_of(42)}": [0],
    f"trace:{trace_of(9)}": [4],
    f"trace:{trace_of(8)}": [],
    "since:1m": [2, 1],
    "since:7s": [2],
    "since:1h connection": [1, 0],
    "NEAR(connection refused)": [],
    "connection AND refused": [],
    '"unclosed': [],
    'connection"refused': [0],
    '"connection refused': [0],
    "a-b": [],
    "{v}:x": [],
    "^connection": [1, 0],
}
REFUSED = (
    "-connection",
    "-connection -refused",
    '""',
    "*",
    "🚨",
    "=",
    "- connection",
    "level:loud",
    "level:",
    "-level:error",
    "level:error level:debug",
    "workflow:",
    "trace:abc",
    "execution:four",
    "execution:99999999999999999999",
    "execution:²",
    "since:the day before",
    "since:",
    "since:25:00",
    "since:2026-02-30",
    "since:0001-01-01",
    "until:never",
    "since:1h until:2h",
    "since:today until:yesterday",
    "trace:abcdefg1",
    "trace:" + "a" * 7,
    "trace:" + "a" * 33,
    "span:ab",
    "source:",
    "-/refused/",
    "/(refused/",
    "/(?<=a)b/",
    "//",
    "/a{1001}/",
    "x" * 257,
    "a " * 17,
)


async def fill(store: Store) -> None:
    await store.writer.must(execution(42), *LINES)


async def test_each_search_finds_its_lines(store: Store) -> None:
    await fill(store)
    found = {}
    for query in FOUND:
        found[query] = [line.id - 1 for line in (await store.reader.logs(query)).records]
    assert found == FOUND


@pytest.mark.parametrize("query", REFUSED)
def test_what_cannot_be_asked_comes_with_a_hint(query: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query, START, UTC)
    assert caught.value.hint.startswith(f"instead of {plain(query[:60]).split()[0]}")
    assert ", type " in caught.value.hint or ", add " in caught.value.hint


def test_a_misspelt_level_is_told_the_right_one() -> None:
    with pytest.raises(QueryError, match="type level:error, or"):
        parse("level:eror", START)


def test_phrases_are_what_to_highlight() -> None:
    assert parse('conn* "reset by" -peer level:error conn*', START).phrases == ('"conn"*', '"reset by"')


def test_filters_are_taken_out_of_the_words() -> None:
    asked = parse("since:1h30m level:error+ execution:42 trace:" + "AB" * 16, START)
    assert (asked.match, asked.phrases) == (None, ())
    assert asked.since == START - 5400
    assert (asked.level, asked.and_above) == (LogLevel.ERROR, True)
    assert (asked.execution_id, asked.trace_id) == (42, "ab" * 16)


def test_what_is_wrong_with_a_pattern_is_told_to_who_typed_it_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(QueryError, match=r"missing \)"):
        parse("/(refused|reset/", START)
    assert capfd.readouterr() == ("", "")


def test_a_trace_may_be_named_by_its_beginning() -> None:
    assert parse("trace:ABCDEF01", START).trace_prefix == "abcdef01"
    assert parse("trace:ABCDEF01", START).trace_id is None


def test_filters_of_place_and_time() -> None:
    asked = parse('span:00000000000000AB source:"a b" since:2026-11-20 until:2026-11-21T03:00', START, UTC)
    assert (asked.span_id, asked.source, asked.match) == ("00000000000000ab", "a b", None)
    assert (asked.since, asked.until) == (NOV_21 - DAY, NOV_21 + 3 * 3600)


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("since:yesterday until:yesterday", NOV_21 - DAY, NOV_21),
        ("until:2026-11-19", None, NOV_21 - DAY),
        ("since:2h until:1h", NOV_21 + 10 * 3600, NOV_21 + 11 * 3600),
        ("since:09:00 until:10:30", NOV_21 + 9 * 3600, NOV_21 + 10.5 * 3600),
        # It is noon: 23:00 was yesterday's, and a night has its end after its beginning.
        ("since:23:00 until:01:00", NOV_21 - 3600, NOV_21 + 3600),
        ("since:11:00 until:10:00", NOV_21 + 11 * 3600, NOV_21 + DAY + 10 * 3600),
    ],
)
def test_a_range_has_its_days_whole(query: str, since: float | None, until: float) -> None:
    asked = parse(query, NOV_21 + DAY / 2, UTC)
    assert (asked.since, asked.until) == (since, until)


@pytest.mark.parametrize(
    ("query", "accepted"),
    [
        ("/refused|reset/", {0, 1}),
        ("/REFUSED/", set()),
        ("/REFUSED/i", {0}),
        (r"/api\/v\d/", {3}),
        ("/connection re/ -/refused$/", {0, 1}),
        ("/connection/ -/refused/", {1}),
        ("/größe/i", {4}),
    ],
)
def test_patterns_are_tried_on_lines(query: str, accepted: set[int]) -> None:
    asked = parse(query, START)
    assert (asked.match, asked.has_patterns) == (None, True)
    assert {number for number, line in enumerate(LINES) if asked.accepts(line.message)} == accepted


@pytest.mark.parametrize("path", ["/api", "/api/v1/users", "/api/v1/", "/var/log /etc"])
def test_paths_are_words(path: str) -> None:
    asked = parse(path, START)
    assert asked.phrases
    assert not asked.has_patterns


async def test_pages_join_without_gap_or_overlap(store: Store) -> None:
    await store.writer.must(*(log(f"word {number}") for number in range(25)))
    for query in ("", "word"):
        seen: list[int] = []
        before: int | None = None
        more = True
        while more:
            page = await store.reader.logs(query, before_id=before, limit=10)
            seen += [line.id for line in page.records]
            before, more = seen[-1], page.more
        assert seen == list(range(25, 0, -1))
        newer = await store.reader.logs(query, after_id=22)
        assert [line.id for line in newer.records] == [25, 24, 23]


async def test_since_bounds_the_lines_by_their_time(store: Store) -> None:
    await store.writer.must(*(log(f"word {number}", at=START + 100 * number) for number in range(200)))
    for since in (START, START + 4_950, START + 15_000, START + 19_900, START + 99_999):
        expected = [number for number in range(199, -1, -1) if START + 100 * number >= since]
        for query in ("", "word"):
            page = await store.reader.logs(query, since=since)
            assert [line.id - 1 for line in page.records] == expected


async def test_a_late_line_of_an_earlier_time_is_found(store: Store) -> None:
    times = [*range(0, 10_000, 100), 9_500, 9_990, 10_000]
    await store.writer.must(*(log("word", at=START + at) for at in times))
    page = await store.reader.logs(since=START + 9_800)
    assert sorted(line.at - START for line in page.records) == [9_800, 9_900, 9_990, 10_000]


ALPHABET = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="abc\"*-:()^{}+ \0\ud800\udfff'", max_size=40),
    st.lists(
        st.sampled_from(
            ["level:", "error", '"', "-", "*", "since:", "1h", "workflow:", "a-b", "NOT", "NEAR(", "x"]
        )
    ).map(" ".join),
    st.lists(
        st.sampled_from(["level:", "error", '"', "-", "*", "since:1d", "workflow:", "-a", "é", "🚨"])
    ).map("".join),
)


@settings(
    max_examples=tried(150, 1_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(query=ALPHABET)
async def test_nothing_typed_raises_anything_but_a_query_error(store: Store, query: str) -> None:
    refusal: QueryError | None = None
    try:
        await store.reader.logs(query, limit=1)
    except QueryError as error:
        refusal = error
    # Refused by our grammar, with a hint; never by SQLite.
    assert refusal is None or (refusal.hint and refusal.__cause__ is None)
