"""`tocsin doctor`: its lines and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tui.cli import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def test_a_new_machine_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "rules.yaml does not exist" in shown
    assert "→ tocsin init writes one" in shown
    assert "0 wrong" in shown or "All is well" in shown


def test_a_bad_configuration_is_wrong(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "rules.yaml").write_text("version: 1\nworkflow: []\nrule: []\n")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "rules.yaml:2:1" in shown
    assert "and 1 more" in shown
    assert "1 wrong" in shown


def test_a_damaged_database_is_wrong_in_json_too(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "x.db").write_bytes(b"")
    assert main(["doctor", "--db", "x.db", "--json"]) == 1
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"database"} == {finding["area"] for finding in findings if finding["verdict"] == "error"}
    assert all(finding["type"] == "finding" for finding in findings)
