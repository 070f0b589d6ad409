"""What a search of the log finds in the file, page by page, and what is said about how much there is."""

from __future__ import annotations

import pytest

from engine.clock import VirtualClock
from engine.errors import QueryError
from engine.model import LogLevel
from engine.store import log_figures, log_search
from engine.store.highlight import hits
from engine.store.log_search import LOG_SLACK
from engine.store.search import parse
from engine.store.store import Store
from tests.engine.store.samples import START, execution, log


async def numbers(store: Store, query: str, **more: int) -> list[int]:
    return [line.id for line in (await store.reader.logs(query, **more)).records]


async def test_until_leaves_out_what_came_then_or_later(store: Store) -> None:
    # The clock of the store stands at START + 1,000 s; every line is written late, by a different amount.
    ages = [1_000, 300, 800, 200, 600, 100, 100]
    await store.writer.must(*(log(f"word {age}", at=START + 1_000 - age) for age in ages))
    for age in (900, 600, 200, 100, 1):
        expected = [n for n, each in reversed(list(enumerate(ages, 1))) if each > age]
        assert await numbers(store, f"until:{age}s") == expected
        assert await numbers(store, f"word until:{age}s") == expected


async def test_a_range_is_found_among_lines_of_many_hours(store: Store) -> None:
    step = LOG_SLACK / 3
    await store.writer.must(*(log("word", at=START + 1_000 - 86_400 + step * n) for n in range(288)))
    found = await numbers(store, "since:10h until:9h")
    times = [line.at for line in (await store.reader.logs("since:10h until:9h")).records]
    assert len(found) == 12
    assert all(START + 1_000 - 36_000 <= at < START + 1_000 - 32_400 for at in times)


async def test_a_trace_is_found_by_its_beginning(store: Store) -> None:
    await store.writer.must(
        execution(1, trace_id="abcdef01" + "0" * 24),
        execution(2, trace_id="abcdef02" + "0" * 24),
        execution(3, trace_id="abcdef02" + "1" * 24),
        log("one", execution_id=1),
        log("two", execution_id=2),
        log("three", execution_id=3),
        log("four", trace_id="abcdef01" + "0" * 24),
        log("five", trace_id="abcdef03" + "f" * 24),
    )
    assert await numbers(store, "trace:ABCDEF01") == [4, 1]
    assert await numbers(store, "trace:abcdef021") == [3]
    assert await numbers(store, "trace:abcdef03f") == [5]
    assert await numbers(store, "trace:abcdef04") == []
    with pytest.raises(QueryError, match="several traces begin with abcdef02") as caught:
        await store.reader.logs("trace:abcdef02")
    assert "abcdef02" + "1" * 24 in caught.value.hint


async def test_spans_and_sources_are_filters(store: Store) -> None:
    await store.writer.must(
        log("a", span_id="00000000000000ab"), log("a", source="nginx"), log("a", source="a b")
    )
    assert await numbers(store, "span:00000000000000AB") == [1]
    assert await numbers(store, "source:nginx a") == [2]
    assert await numbers(store, 'source:"a b"') == [3]
    assert await numbers(store, "source:ngin") == []
    assert (await store.reader.logs("source:nginx")).records[0].source == "nginx"


async def test_patterns_are_tried_on_the_newest_lines_that_fit(store: Store) -> None:
    await store.writer.must(*(log(f"word {n}" if n % 2 else f"other {n}") for n in range(1, 61)))
    assert await numbers(store, "/ .5$/") == [55, 45, 35, 25, 15]
    assert await numbers(store, "word /5$/ -/[135]5/") == [45, 25, 5]
    page = await store.reader.logs("/5$/", limit=2)
    assert ([line.id for line in page.records], page.more, page.looked_at) == ([55, 45], True, (36, 60))


async def test_more_than_the_candidates_is_said_and_can_be_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "_CHUNK", 10)
    monkeypatch.setattr(log_search, "PATTERN_CANDIDATES", 30)
    await store.writer.must(*(log(f"word {n}") for n in range(1, 101)))
    page = await store.reader.logs("/word (7|99)$/")
    assert ([line.id for line in page.records], page.more, page.looked_at) == ([99], True, (71, 100))
    pages = [page]
    while pages[-1].more:
        pages.append(await store.reader.logs("/word (7|99)$/", before_id=pages[-1].oldest))
    assert [line.id for page in pages for line in page.records] == [99, 7]
    assert pages[-1].looked_at == (1, 10)
    assert len(pages) == 4


async def test_pages_say_where_the_search_hit(store: Store) -> None:
    await store.writer.must(log("größe 7 connection"), log("Größe 8"))
    page = await store.reader.logs("GRÖßE /[78]/")
    assert page.hits == (((0, 5), (6, 7)), ((0, 5), (6, 7)))
    assert (await store.reader.logs("level:info")).hits == ()


async def test_the_places_are_those_of_the_line_itself(store: Store) -> None:
    messages = ["plain b", "\x02a\x03 b", "naïve b, B and é"]
    await store.writer.must(*(log(message, workflow_id="b") for message in messages))
    for query in ("b", "b*", "b workflow:b", "b -nothing", "b /./"):
        page = await store.reader.logs(query)
        assert page.hits == tuple(hits(record.message, parse(query, START)) for record in page.records), query
        assert len(page.hits) == 3


async def test_counts_are_exact_or_say_that_they_are_not(
    store: Store, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.writer.must(*(log(f"word {n}" if n % 2 else f"other {n}") for n in range(1, 101)))
    for query, expected in {"": 100, "word": 50, "word -1": 49, "/5$/": 10, "level:error": 0}.items():
        counted = await store.reader.log_count(query)
        assert (counted.lines, counted.exact) == (expected, True), query
    monkeypatch.setattr(log_figures, "_WINDOW", 10)
    monkeypatch.setattr(log_figures, "_PATTERN_WINDOW", 10)
    assert (await store.reader.log_count("word")).lines == 50
    monkeypatch.setattr(log_figures, "BUDGET", -1.0)
    for query in ("word", "word /./"):
        counted = await store.reader.log_count(query)
        assert (counted.lines, counted.exact) == (5, False)


async def test_facets_add_up_over_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_figures, "_WINDOW", 7)
    lines = [
        log("word", at=START + 10 * n, level=LogLevel.ERROR if n % 4 == 0 else LogLevel.INFO,
            workflow_id="login" if n % 2 else None, source="nginx" if n % 5 == 0 else None)
        for n in range(100)
    ]  # fmt: skip
    await store.writer.must(*lines)
    for query in ("word", "word /w/"):
        found = await store.reader.log_facets(query, buckets=10)
        assert (found.since, found.until, found.exact) == (START, START + 1_000, True)
        assert found.total.buckets == (10,) * 10
        assert [(facet.name, facet.lines) for facet in found.levels] == [("error", 25), ("info", 75)]
        assert [(facet.name, facet.buckets) for facet in found.workflows] == [("login", (5,) * 10)]
        assert [(facet.name, facet.lines) for facet in found.sources] == [("nginx", 20)]
    found = await store.reader.log_facets("nothing", buckets=3)
    assert (found.total.lines, found.total.buckets, found.levels) == (0, (0, 0, 0), ())


async def test_figures_of_an_empty_log(store: Store) -> None:
    assert (await store.reader.log_count()).lines == 0
    assert (await store.reader.log_facets("since:1h until:30m")).total.lines == 0
