"""`tocsin check`: what it takes and what it finds beyond the loading of the file."""

from pathlib import Path

import pytest

from tui.cli import main

FILE = """\
version: 1
environments: {a: {x: "http://h", y: 1}, b: {x: "http://i", y: 1}}
overlays: {b: {channels: {ops: {url: "ntfi://s3cr3t-topic/x"}}}}
channels:
  ops: {url: "%s"}
  ok: {url: "json://127.0.0.1:9/"}
workflows:
  - {id: w, name: W, every: 30s, steps: [{id: a, http: {url: "{{ env.x }}/{{ env.y }}"}}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE % "json://127.0.0.1:9/")
    return path


def test_a_channel_that_leads_nowhere_is_told_with_its_place(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE % "notascheme://s3cr3t-token")
    assert main(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out.startswith(f"{file}:5:14: there is no kind of destination `notascheme://` (such as")
    assert "s3cr3t" not in out + err
    file.write_text(FILE % "slack://s3cr3t")
    assert main(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == f"{file}:5:14: not a URL apprise understands (check the url: of the channel)\n"
    assert err == ""


@pytest.mark.parametrize("arguments", [["--env", "b", "check"], ["check", "--env", "b"]])
def test_the_environment_is_named_before_or_after(
    file: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, str(file)]) == 2
    place = f"{file}:3:38: "
    assert (
        capsys.readouterr().out
        == f"{place}there is no kind of destination `ntfi://` (did you mean `ntfy`?)\n"
    )


def test_an_environment_that_is_not_there_is_one_problem(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--env", "c", str(file)]) == 2
    assert capsys.readouterr().out == f"{file}:2:1: there is no environment `c` (the file has a, b)\n"
