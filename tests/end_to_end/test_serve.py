"""`tocsin serve`: real consoles in the tabs of a browser, beside one engine."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.browser import CHROMIUM, Page, chromium
from tests.end_to_end.support import PYTHON_TOCSIN, Place, Site, is_execution, workflow

DEADLINE = 30.0
# Bytes of a picture: an empty page has 5,000, a dashboard 70,000.
DRAWN = 40_000
TRIES = 100
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]{43}/\n")


class Served:
    """A running `tocsin serve` and one who looks at it."""

    def __init__(self, process: subprocess.Popen[str], address: str, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.address = address
        self._session = session
        self._tabs: list[Tab] = []

    async def tab(self) -> Tab:
        """Another console, 100 by 30."""
        headers = {"Origin": "/".join(self.address.split("/")[:3])}
        address = f"{self.address}ws?width=100&height=30"
        self._tabs.append(Tab(await self._session.ws_connect(address, headers=headers)))
        return self._tabs[-1]

    async def close_tabs(self) -> None:
        for tab in self._tabs:
            await tab.close()

    def children(self) -> dict[int, int]:
        """The processes that it started, each with a file by which its end is seen."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid): os.pidfd_open(int(pid)) for pid in listed}

    async def finish(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, DEADLINE)


class Tab:
    """What a page does, without the page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.text = ""

    async def type(self, keys: str) -> None:
        await self._socket.send_json(["stdin", keys])

    async def read_until(self, *words: str) -> None:
        """Read until all `words` have been drawn since the last call."""
        self.text = ""
        async with asyncio.timeout(DEADLINE):
            while not all(word in self.text for word in words):
                self.text += (await self._socket.receive_bytes()).decode()

    async def read_to_end(self) -> None:
        async with asyncio.timeout(DEADLINE):
            async for _ in self._socket:
                pass

    async def close(self) -> None:
        await self._socket.close()


@asynccontextmanager
async def serve(place: Place, *options: str) -> AsyncIterator[Served]:
    process = await asyncio.to_thread(
        subprocess.Popen,
        [*PYTHON_TOCSIN, *options, "serve", "--port", "0", "--db", str(place.db)],
        cwd=place.home, env=place.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            line = await asyncio.to_thread(process.stdout.readline)
            assert _ADDRESS.fullmatch(line), line + process.communicate(timeout=DEADLINE)[1]
            async with aiohttp.ClientSession() as session:
                served = Served(process, line.strip(), session)
                yield served
                await served.close_tabs()
        finally:
            process.kill()


async def ended(processes: Sequence[int]) -> bool:
    """Whether all these files of processes say within the deadline that they have ended."""
    for file in processes:
        seen, *_ = await asyncio.to_thread(select.select, [file], [], [], DEADLINE)
        if not seen:
            return False
    return True


@pytest.fixture
def shop(place: Place, site: Site) -> Place:
    rule = (
        "[{id: down, name: Down, conditions: [{type: THRESHOLD, metric: workflow.status,"
        ' operator: "==", value: failed}]}]'
    )
    place.configure(f"[{workflow('front', site.url + '/ok')}, {workflow('back', site.url + '/fail')}]", rule)
    return place


async def test_tabs_share_an_engine_and_a_closed_one_takes_only_its_console_along(shop: Place) -> None:
    async with serve(shop) as served:
        first, second = await served.tab(), await served.tab()
        await first.read_until("Health", "front")
        await second.read_until("Health", "front")
        consoles = served.children()
        assert len(consoles) == 2
        # What one of them does, the other hears of without being touched.
        for tab in (first, second):
            await tab.type("3")
            await tab.read_until("0 resolved", "Raised by")
        await first.type("a")
        await first.read_until("Acknowledge")
        await first.type("on it\r")
        await second.read_until("acknowledged")
        await first.close()
        ready, *_ = await asyncio.to_thread(select.select, list(consoles.values()), [], [], DEADLINE)
        assert len(ready) == 1
        await second.type("1")
        await second.read_until("Health")
        await second.type("q")  # it leaves without asking: nothing stops with it
        await second.read_to_end()
        assert await ended(list(consoles.values()))
        before = shop.query("SELECT max(id) FROM executions")[0][0]
        third = await served.tab()
        await third.read_until("front")
        assert shop.query("SELECT max(id) FROM executions")[0][0] > before, "the engine goes on"
        last = served.children()
        assert await served.finish(signal.SIGTERM) == 0
        assert await ended(list(last.values()))
        assert served.process.stderr is not None
        assert served.process.stderr.read() == ""
        for file in (*consoles.values(), *last.values()):
            os.close(file)
    shop.assert_sound()


async def test_consoles_do_not_outlive_a_server_that_was_killed(shop: Place) -> None:
    async with serve(shop) as served:
        tab = await served.tab()
        await tab.read_until("Health")
        ((_, console),) = served.children().items()
        assert await served.finish(signal.SIGKILL) == -signal.SIGKILL
        assert await ended([console])
        os.close(console)
    assert not list(shop.home.glob("state/**/crash.log"))


async def test_beside_an_engine_that_runs_it_serves_that_one(shop: Place) -> None:
    with shop.start("--no-ui", "--json") as running:
        await asyncio.to_thread(running.wait_for, is_execution)
        async with serve(shop, "--read-only") as served:
            tab = await served.tab()
            await tab.read_until("Health", "front")
            await tab.type("R")
            await tab.read_until("read-only")
            assert await served.finish(signal.SIGINT) == 0
        await asyncio.to_thread(running.wait_for, is_execution, 3)
        refused = shop.run("--config", "rules.yaml", "serve", "--port", "0")
        assert refused.returncode == 2
        assert "an engine runs on" in refused.stderr
        running.signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.finish) == 0


async def drawn(page: Page) -> bytes:
    """The picture of the page, as soon as there is much to see on it."""
    for _ in range(TRIES):
        if len(picture := await page.picture()) > DRAWN:
            return picture
    raise AssertionError("the page shows next to nothing")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
async def test_a_browser_shows_it_and_takes_keys(shop: Place, tmp_path: Path) -> None:
    async with serve(shop) as served, chromium(1400, 860) as page:
        await page.ask("Page.navigate", url=served.address)
        await page.wait_for("document.body && document.body.classList.contains('-first-byte')")
        await page.value("document.querySelector('.xterm-helper-textarea').focus()")
        picture = await drawn(page)
        (tmp_path / "dashboard.png").write_bytes(picture)  # for whoever wants to look
        await page.press("q")
        await page.wait_for("document.body.classList.contains('-closed')")
        assert not [each for each in page.complaints if "Content Security Policy" in each], page.complaints
        assert not [each for each in page.complaints if "exception" in each], page.complaints
        assert await served.finish(signal.SIGTERM) == 0
