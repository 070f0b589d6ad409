"""What is written for a person takes nobody's place, and what is read is a file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from engine.errors import TocsinError
from engine.files import private_file, read_regular


def _write(path: Path, text: str = "new") -> None:
    with private_file(path) as out:
        out.write(text)


def test_a_file_appears_whole_private_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with private_file(path) as out:
        out.write("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a.csv"]


def test_what_has_the_name_of_a_draft_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv.part").write_text("precious")
    os.mkfifo(tmp_path / "b.csv.part")
    _write(tmp_path / "a.csv")
    _write(tmp_path / "b.csv")
    assert (tmp_path / "a.csv.part").read_text() == "precious"
    assert (tmp_path / "b.csv").read_text() == "new"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_came_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    path = tmp_path / "a.csv"
    writing = private_file(path)
    writing.__enter__().write("new")
    path.write_text("old")
    with pytest.raises(TocsinError, match="exists already"):
        writing.__exit__(None, None, None)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_a_file_system_without_links_takes_it_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    _write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "new"
    assert os.listdir(tmp_path) == ["a.csv"]


def _no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_link_that_leads_nowhere_is_a_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TocsinError, match="exists already"):
        _write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").is_symlink()


@pytest.mark.parametrize("name", ["a" * 300 + ".csv", "nowhere/a.csv", "file/a.csv"])
def test_a_name_that_cannot_be_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TocsinError, match="cannot write"):
        _write(tmp_path / name)
    assert os.listdir(tmp_path) == ["file"]


def test_only_files_are_read_and_not_more_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    assert read_regular(tmp_path / "file", 3) == b"123"
    for other, why in (
        (tmp_path / "pipe", "no regular"),
        (Path("/dev/zero"), "no regular"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(OSError, match=why):
            read_regular(other, 3)
