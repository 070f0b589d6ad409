"""Files that cannot be read or are no configuration, and byte-level differences that do not matter."""

import os
import time
from pathlib import Path

import pytest

from engine.config.loader import MAX_BYTES, load_config
from engine.errors import ConfigError


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "1:1: the file is empty (`tocsin init` writes one to start from)"),
        (
            b"- a\n",
            "1:1: the file is a mapping of sections such as `workflows:` (`tocsin init` writes one to",
        ),
        (b"version: 2\n", "1:10: `version` wants 1, found the number 2"),
        (b"{}", "1:1: `version` is missing"),
        (b"version: 1\nworkflows: 5\n", "2:12: `workflows` wants a list, found the number 5"),
        (
            b"version: 1\nworkflows: [5]\n",
            "2:13: an entry of `workflows` wants a mapping, found the number 5",
        ),
        (b"version: 1\n---\nversion: 1\n", "2:1: a second document starts here"),
        (b"version: 1\nx: \x00\n", "2:4: the control character U+0000 cannot stand in the file"),
        (b"version: 1\nx: \x1b[31m\n", "2:4: the control character U+001B cannot stand in the file"),
        (b"version: 1\r\nx: \xff\n", "2:4: the byte 0xff is not UTF-8 (save the file as UTF-8)"),
        (b"version: 1\nx: \xed\xa0\x80\n", "2:4: the byte 0xed is not UTF-8"),
        ("version: 1".encode("utf-16"), "1:1: the file is UTF-16 (save it as UTF-8)"),
        (b"#" * (MAX_BYTES + 1), "1:1: the file is larger than 1 MB"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, raw: bytes, expected: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    assert str(caught.value.problems[0]).removeprefix(f"{path}:").startswith(expected)


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfversion: 1\n", b"version: 1\r\nrules:\r\n", b"version: 1"])
def test_byte_order_marks_and_line_ends_do_not_matter(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(raw)
    assert load_config(path, env={}).config.version == 1


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name, expected in {
        "missing": "there is no such file (`tocsin init` writes one to start from)",
        ".": "this is a directory (name a YAML file)",
        "pipe": "this is not a regular file (name a YAML file)",
        "loop": "the file cannot be read: Too many levels of symbolic links",
        "nul\x00": "the file cannot be read: embedded null byte",
        "n" * 300: "the file cannot be read: File name too long",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load_config(tmp_path / name, env={})
        assert str(caught.value.problems[0]).endswith(f":1:1: {expected}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("version: 1")
    path.chmod(0)
    with pytest.raises(ConfigError, match="the file cannot be read: Permission denied"):
        load_config(path, env={})


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\n" + "".join(f"k{number}: 1\n" for number in range(400)),
        "version: 1\nenvironments: {a: {" + ", ".join(f"k{number}: [1]" for number in range(8_000)) + "}}\n",
    ],
    ids=["unknown keys", "wrong values"],
)
def test_many_faults_cost_no_more_than_each_of_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    assert caught.value.problems[-1].message in ("and 200 more from here on", "and 7,800 more from here on")
    # A tenth of a millisecond each; a cost that grows with their square, or a schema made anew for each, is
    # over three seconds.
    assert time.process_time() - started < 2.0
