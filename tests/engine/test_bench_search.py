"""The peers of the search benchmark are asked for the same lines that the store finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import bench_search
from benchmarks.bench_search import Query

LINES = (
    "request for users from host29 took 352 ms line n0",
    "connection refused by host4 while token asked for orders line n1",
    "Refused: the connection to host4 line n2",
    "requests are not a request-free thing line n3",
)
ASKED: tuple[tuple[Query, set[int]], ...] = (
    (Query("request", r"\brequest\b"), {1, 4}),
    (Query('"connection refused"', r"\bconnection refused\b"), {2}),
    (Query("refused host4", r"\brefused\b.*\bhost4\b"), {2, 3}),
    (Query("kumquat", r"\bkumquat\b"), set()),
)


@pytest.mark.parametrize("peer", ["ripgrep", "grep", "lnav"])
def test_a_peer_says_which_lines_match(peer: str, tmp_path: Path) -> None:
    if shutil.which({"ripgrep": "rg"}.get(peer, peer)) is None:
        pytest.skip(f"{peer} is not installed")
    file = tmp_path / "lines.log"
    file.write_text("".join(f"{line}\n" for line in LINES), encoding="ascii")

    found = bench_search._FINDERS[peer]([query for query, _ in ASKED], file)

    assert found == [numbers for _, numbers in ASKED]
