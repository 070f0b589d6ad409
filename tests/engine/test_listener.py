import asyncio
import gc
import gzip
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from engine.clock import SystemClock, VirtualClock, settle
from engine.config.loader import LoadedConfig, load_config
from engine.engine import Engine
from engine.errors import EngineUnavailableError, StoreError
from engine.hearing import TELL_INTERVAL, Hearing
from engine.listener import MAX_CONNECTIONS, Listener
from engine.model import LogLevel, LogRecord, Outcome, Recording, Signal
from engine.store.store import Store
from engine.telemetry.otlp_reading import UnreadableError

TOKEN = "0123456789abcdef"


class Job:
    """Remembers what was heard; knows one token."""

    def __init__(self) -> None:
        self.said: list[tuple[Signal, bytes, int | None]] = []
        self.parents: list[str] = []
        self.is_stored = True

    async def hear(
        self, token: str, signal: Signal, note: bytes, exit_code: int | None, traceparent: str
    ) -> bool:
        if not self.is_stored:
            raise StoreError("the disk is full")
        if token != TOKEN:
            return False
        self.said.append((signal, note, exit_code))
        self.parents.append(traceparent)
        return True


@pytest.fixture
def job() -> Job:
    return Job()


@pytest.fixture
async def listener(job: Job) -> AsyncIterator[Listener]:
    made = Listener("127.0.0.1", 0, job.hear, deadline=0.3)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def client(listener: Listener) -> AsyncIterator[httpx.AsyncClient]:
    base = f"http://127.0.0.1:{listener.port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as made:
        yield made


async def raw(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("path", "signal", "code"),
    [
        ("", Signal.SUCCESS, None),
        ("/", Signal.SUCCESS, None),
        ("/success", Signal.SUCCESS, None),
        ("/start", Signal.START, None),
        ("/fail", Signal.FAIL, None),
        ("/log", Signal.LOG, None),
        ("/0", Signal.SUCCESS, 0),
        ("/137", Signal.FAIL, 137),
        ("/start?rid=7", Signal.START, None),
    ],
)
async def test_each_path_is_a_signal(
    client: httpx.AsyncClient, job: Job, path: str, signal: Signal, code: int | None
) -> None:
    answer = await client.get(f"/{TOKEN}{path}")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert job.said == [(signal, b"", code)]


async def test_a_job_may_say_which_span_it_is(
    listener: Listener, client: httpx.AsyncClient, job: Job
) -> None:
    """Sent twice, it is as good as not sent."""
    await client.get(f"/{TOKEN}", headers={"traceparent": "00-a-b-01"})
    twice = b"host: h\r\ntraceparent: 00-a-b-01\r\ntraceparent: 00-a-c-01\r\n\r\n"
    await raw(listener.port, f"GET /{TOKEN} HTTP/1.1\r\n".encode() + twice)
    assert job.parents == ["00-a-b-01", ""]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
async def test_methods_that_speak(client: httpx.AsyncClient, job: Job, method: str) -> None:
    assert (await client.request(method, f"/{TOKEN}")).status_code == 200
    assert len(job.said) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/another-token-000/start", 404),
        ("GET", f"/{TOKEN}/256", 404),
        ("GET", f"/{TOKEN}/-1", 404),
        ("GET", f"/{TOKEN}/stop", 404),
        ("GET", f"/{TOKEN}/start/again", 404),
        ("GET", f"/../{TOKEN}", 404),
        ("DELETE", f"/{TOKEN}", 405),
    ],
)
async def test_what_is_no_signal_is_refused(
    listener: Listener, job: Job, method: str, path: str, status: int
) -> None:
    answer = await raw(listener.port, f"{method} {path} HTTP/1.1\r\nhost: h\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert job.said == []


async def test_of_a_long_note_the_beginning_is_kept(client: httpx.AsyncClient, job: Job) -> None:
    assert (await client.post(f"/{TOKEN}/fail", content=b"x" * 200_000)).status_code == 200
    assert [len(note) for _, note, _ in job.said] == [10_000]


async def test_curl_waits_to_be_told_to_go_on(listener: Listener, job: Job) -> None:
    head = f"POST /{TOKEN} HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(b"hi")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    assert job.said == [(Signal.SUCCESS, b"hi", None)]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x00\xffnonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000, b"431"),
        (b"POST /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 1100000\r\n\r\n" + b"z" * 1_100_000, b"413"),
    ],
)
async def test_nonsense_is_answered_and_hung_up_on(
    listener: Listener, job: Job, data: bytes, status: bytes
) -> None:
    assert (await raw(listener.port, data)).split(b" ")[1] == status
    assert job.said == []


async def test_what_could_not_be_stored_is_to_be_said_again(client: httpx.AsyncClient, job: Job) -> None:
    job.is_stored = False
    assert (await client.get(f"/{TOKEN}")).status_code == 503


async def test_who_does_not_come_to_the_point_is_hung_up_on(listener: Listener, job: Job) -> None:
    for data in (b"", f"GET /{TOKEN} HTTP/1.1\r\n".encode()):
        assert await raw(listener.port, data) == b""
    assert job.said == []


async def test_a_crowd_leaves_nothing_behind(job: Job) -> None:
    gc.collect()  # what earlier tests left behind is not ours to count
    files, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    listener = Listener("127.0.0.1", 0, job.hear)
    await listener.start()
    pairs = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(100)]
    await settle()
    await listener.close()
    for reader, writer in pairs:
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    await settle()
    assert len(asyncio.all_tasks()) == tasks
    assert len(os.listdir("/proc/self/fd")) <= files


async def test_an_address_that_is_taken_is_named(listener: Listener, job: Job) -> None:
    with pytest.raises(EngineUnavailableError, match=f"127.0.0.1:{listener.port}"):
        await Listener("127.0.0.1", listener.port, job.hear).start()


# Spans


class Spans:
    """Takes documents; the token is that of the job."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.refused = 0

    async def heard(self, token: str, body: bytes, *, is_protobuf: bool = False) -> int | None:
        if token != TOKEN:
            return None
        if body == b"nonsense":
            raise UnreadableError("this is no JSON")
        self.bodies.append(body)
        return self.refused


@pytest.fixture
async def spans(job: Job) -> AsyncIterator[tuple[httpx.AsyncClient, Spans]]:
    taker = Spans()
    made = Listener("127.0.0.1", 0, job.hear, taker.heard)
    await made.start()
    headers = {"content-type": "application/json"}
    base = f"http://127.0.0.1:{made.port}/{TOKEN}"
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
        yield client, taker
    await made.close()


async def test_spans_are_taken_as_an_exporter_sends_them(spans: tuple[httpx.AsyncClient, Spans]) -> None:
    client, taker = spans
    long = b'{"resourceSpans": "' + b"x" * 500_000 + b'"}'
    answer = await client.post("/v1/traces", content=long)
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    await client.post("/v1/traces", content=gzip.compress(long), headers={"content-encoding": "gzip"})
    assert taker.bodies == [long, long]
    taker.refused = 3
    said = (await client.post("/v1/traces", content=b"{}")).json()["partialSuccess"]
    assert said["rejectedSpans"] == "3"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"nonsense", {}, 400),
        (b"x", {"content-type": "text/plain"}, 415),
        (b"x", {"content-encoding": "br"}, 400),
        (b"x", {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"xyz" * 100, mtime=0)[:-6], {"content-encoding": "gzip"}, 400),
        (gzip.compress(b" " * 50_000_000, mtime=0), {"content-encoding": "gzip"}, 400),
        (b"z" * 1_100_000, {}, 413),
    ],
)
async def test_what_is_no_document_of_spans_is_refused(
    spans: tuple[httpx.AsyncClient, Spans], content: bytes, headers: dict[str, str], status: int
) -> None:
    client, taker = spans
    assert (await client.post("/v1/traces", content=content, headers=headers)).status_code == status
    assert taker.bodies == []


async def test_spans_need_the_token(
    spans: tuple[httpx.AsyncClient, Spans], client: httpx.AsyncClient
) -> None:
    sender, taker = spans
    other = str(sender.base_url).replace(TOKEN, "f" * 16)
    assert (await sender.post(f"{other}v1/traces", content=b"{}")).status_code == 404
    assert (await sender.get("/v1/traces")).status_code == 405
    assert (await client.post(f"/{TOKEN}/v1/traces", content=b"{}")).status_code == 404
    assert taker.bodies == []


# With the engine

CONFIG = f"""
version: 1
settings: {{heartbeats: "127.0.0.1:0"}}
workflows:
  - id: backup
    name: Backup
    every: 1h
    retry: {{max_attempts: 1}}
    steps:
      - id: nightly
        heartbeat: {{token: {TOKEN}, period: 1d, grace: 1h}}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    path = tmp_path / "rules.yaml"
    path.write_text(CONFIG)
    return load_config(path)


async def test_what_a_job_says_is_judged_at_once_and_outlives_the_engine(
    loaded: LoadedConfig, tmp_path: Path
) -> None:
    db = tmp_path / "engine.db"
    outcomes: asyncio.Queue[tuple[Outcome, str]] = asyncio.Queue()

    def listen(rows: object) -> None:
        assert isinstance(rows, (list, tuple))
        for row in rows:
            if isinstance(row, Recording):
                outcomes.put_nowait((row.execution.outcome, row.execution.error))

    engine = Engine(loaded, db, SystemClock())
    await engine.start(scheduled=False)
    engine.on_rows(listen)
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(10):
            url = f"http://127.0.0.1:{engine.heartbeat_port}/{TOKEN}"
            assert (await client.post(f"{url}/7", content=b"no space left")).status_code == 200
            outcome, error = await outcomes.get()
            assert outcome is Outcome.FAILED
            assert error.startswith("nightly: the job said ")
            assert error.endswith("that it failed with exit code 7: no space left")
            assert (await client.get(url)).status_code == 200
            assert await outcomes.get() == (Outcome.OK, "")
    finally:
        await engine.stop()
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT succeeded_at > failed_at, note FROM heartbeats").fetchall()
        lines = connection.execute("SELECT message FROM logs WHERE message LIKE 'heartbeat%'").fetchall()
    assert rows == [(1, "")]
    assert ("heartbeat fail: no space left",) in lines
    assert TOKEN.encode() not in db.read_bytes()
    again = Engine(loaded, db, SystemClock())
    await again.start(scheduled=False)
    try:
        (execution,) = await again.run_once()
    finally:
        await again.stop()
    assert execution.outcome is Outcome.OK
    result = execution.attempts[0].steps[0]
    assert result.attributes["heartbeat.status"] == "up"


async def test_idle_connections_keep_no_job_from_being_heard(loaded: LoadedConfig, tmp_path: Path) -> None:
    clock, logs = VirtualClock(), list[LogRecord]()
    store = await Store.open(tmp_path / "t.db", SystemClock())
    hearing = await Hearing.open(loaded.config, store, clock, logs.append)
    await hearing.start(lambda _: None, lambda _: None)
    idle = [await half_sent(hearing.port) for _ in range(MAX_CONNECTIONS)]
    url = f"http://127.0.0.1:{hearing.port}/{TOKEN}"
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(4):
            assert (await client.get(url)).status_code == 200
            assert await idle[0][0].read() == b""
            idle += [await half_sent(hearing.port) for _ in range(5)]
            assert (await client.get(url)).status_code == 200
            await clock.advance(TELL_INTERVAL)
            idle += [await half_sent(hearing.port) for _ in range(2)]
            assert (await client.get(url)).status_code == 200
        told = [record.message for record in logs if record.level is LogLevel.WARNING]
    finally:
        await hearing.close()
        await store.close()
        for _, writer in idle:
            writer.close()
    assert [message.rpartition(": ")[2] for message in told[:2]] == [
        "hung up on 1 of them",
        "hung up on 6 of them",
    ]
    assert len(told) == 2


async def half_sent(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has begun to say something, and goes no further."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /")
    return reader, writer
