"""`tocsin db`: what it says, what it leaves behind, and with which exit code."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.paths import default_db
from engine.store.lock import InstanceLock
from engine.store.migrations import prepare
from tui.cli import main


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with one log line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    db = default_db()
    prepare(db, 1_700_000_000.0)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("INSERT INTO logs (id, at, level, message) VALUES (1, 1.0, 9, 'here')")
        connection.execute("INSERT INTO logs_fts (logs_fts) VALUES ('rebuild')")
    return db


def lines(db: Path) -> int:
    with closing(sqlite3.connect(db)) as connection:
        return int(connection.execute("SELECT count(*) FROM logs").fetchone()[0])


def test_backup_and_restore(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "backup", "copy.db"]) == 0
    assert "copy.db" in capsys.readouterr().out
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM logs")
    assert main(["db", "restore", "copy.db"]) == 0
    assert "is kept in" in capsys.readouterr().out
    assert lines(db) == 1


def test_backup_works_beside_an_engine_and_restore_does_not(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = InstanceLock(db)
    lock.acquire()
    try:
        assert main(["db", "backup", "copy.db"]) == 0
        for action in (["restore", "copy.db"], ["vacuum"]):
            assert main(["db", *action]) == 2
            assert f"is in use by an engine (process {os.getpid()})" in capsys.readouterr().err
    finally:
        lock.release()
    assert lines(db) == 1


def test_damage_is_told_with_exit_code_1(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check"]) == 0
    with db.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 4)
    assert main(["db", "check", "--thorough"]) == 1
    assert "is damaged" in capsys.readouterr().out


def test_stats_count_rows_and_bytes(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "stats", "--json"]) == 0
    uses = {use["name"]: use for use in map(json.loads, capsys.readouterr().out.splitlines())}
    assert uses["logs"]["rows"] == 1
    assert uses["logs"]["bytes"] >= 4096
    assert main(["db", "stats"]) == 0
    assert "newest backup: none" in capsys.readouterr().out


def test_vacuum_says_what_it_won(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "vacuum"]) == 0
    assert "KiB before" in capsys.readouterr().out
    assert lines(db) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "ACTION"),
        (("fly",), "fly"),
        (("restore",), "there is no backup in"),
        (("backup", "missing/copy.db"), "No such file or directory"),
        (("check", "--db", "nowhere.db"), "there is no database nowhere.db"),
    ],
)
def test_mistakes_get_one_sentence(
    db: Path, arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", *arguments]) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
