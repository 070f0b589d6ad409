"""Room that is held and given up."""

from __future__ import annotations

from pathlib import Path

from engine.store.ballast import Ballast
from engine.store.limits import MEBIBYTE


def test_it_takes_real_room_until_it_is_released(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "t.db", MEBIBYTE)
    assert not ballast.release()
    assert ballast.hold()
    assert ballast.hold()
    found = ballast.path.stat()
    assert (found.st_size, found.st_mode & 0o777) == (MEBIBYTE, 0o600)
    assert found.st_blocks * 512 >= MEBIBYTE
    assert ballast.release()
    assert ballast.held == 0
    assert list(tmp_path.iterdir()) == []


def test_another_size_replaces_it_and_none_removes_it(tmp_path: Path) -> None:
    db = tmp_path / "t.db"
    assert Ballast(db, MEBIBYTE).hold()
    assert Ballast(db, MEBIBYTE // 2).hold()
    assert Ballast(db, 0).held == MEBIBYTE // 2
    assert Ballast(db, 0).hold()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_holds_none(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "missing" / "t.db", MEBIBYTE)
    assert not ballast.hold()
    assert not ballast.release()
