"""Every view, letter by letter, on terminals of three sizes; and at 80×24 while there is nothing to show.

`pytest tests/tui/test_goldens.py --update-goldens` writes them anew: look at what `git diff` shows then.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.fakes import FakeClient
from tests.tui.harness import console, frame, key_of, press
from tui.views import VIEWS

GOLDENS = Path(__file__).with_name("goldens")
SIZES = ((80, 24), (120, 40), (200, 60))


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are shown in the zone of the machine."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
async def test_every_view_looks_as_it_did(
    size: tuple[int, int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await compare(FakeClient(), size, "", tmp_path, request)


async def test_every_empty_view_says_why_and_which_key_helps(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await compare(FakeClient(empty=True), SIZES[0], "-empty", tmp_path, request)


async def compare(
    client: FakeClient, size: tuple[int, int], suffix: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each view in turn against its file, or into it."""
    width, height = size
    differences: list[str] = []
    async with console(client, tmp_path, size) as (app, pilot):
        for entry in VIEWS:
            await press(pilot, key_of(entry.name))
            shown = "".join(f"{line.rstrip()}\n" for line in frame(app).splitlines())
            golden = GOLDENS / f"{entry.name}-{width}x{height}{suffix}.txt"
            if request.config.getoption("update_goldens", default=False):
                golden.write_text(shown, encoding="utf-8")
                continue
            expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
            differences += difflib.unified_diff(
                expected.splitlines(), shown.splitlines(), golden.name, "the console", lineterm=""
            )
    assert not differences, "\n".join(differences)


def test_there_is_no_golden_of_a_view_that_is_gone() -> None:
    sizes = [f"{width}x{height}" for width, height in SIZES]
    known = {f"{entry.name}-{size}.txt" for entry in VIEWS for size in (*sizes, f"{sizes[0]}-empty")}
    assert {path.name for path in GOLDENS.iterdir()} == known
