"""What a fresh process has loaded after an import: the static contracts cannot see late imports."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UI = {"textual", "rich", "tui"}
HEAVY = {"apprise", "httpx", "plotext", "pydantic", "aiosqlite"}


def loaded_after(statements: str) -> set[str]:
    """The packages in `sys.modules` of a child that ran `statements`."""
    report = "print('\\x1f'.join(sorted(sys.modules)))"
    child = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statements}\n{report}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return {name.partition(".")[0] for name in child.stdout.rsplit("\n", 2)[-2].split("\x1f")}


@pytest.mark.parametrize(
    ("statements", "forbidden"),
    [
        ("import engine.client, engine.model, engine.errors, engine.text, engine.paths", UI | HEAVY),
        ("import engine.engine", UI | {"apprise", "plotext"}),
        ("import engine.config.loader", UI | {"apprise", "httpx", "plotext", "aiosqlite"}),
        ("import tui.cli", {"textual", "rich"} | HEAVY),
        (
            "import tui.cli\ntry:\n    code = tui.cli.main(['--help'])\n"
            "except SystemExit as stop:\n    code = stop.code\nassert not code",
            {"textual", "rich"} | HEAVY,
        ),
    ],
    ids=["shared words", "engine", "configuration", "command line", "help"],
)
def test_imports_load_only_what_they_need(statements: str, forbidden: set[str]) -> None:
    assert loaded_after(statements) & forbidden == set()
