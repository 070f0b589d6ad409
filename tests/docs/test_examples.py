"""The YAML in README.md and docs/ is what the product takes: it loads, and its channels lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.config.destinations import check_destinations
from engine.config.loader import load_config
from engine.rehearsal.cases import load as load_tests

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORKFLOW = (
    "workflows:\n  - {id: w, name: W, every: 1m, tags: [database], steps: [{id: s, wait: {for: 1s}}]}\n"
)
TESTED = """\
version: 1
environments: {local: {x: 1}}
channels: {ops: {log: {}}}
workflows:
  - {id: user-login, name: User login, every: 1m, steps: [{id: s, wait: {for: 1s}}]}
rules:
  - id: slow-login
    name: Slow
    conditions: [{type: THRESHOLD, metric: workflow.duration, operator: ">", value: 1s}]
"""
VARIABLES = {
    "OPS_URL": "json://127.0.0.1:9/",
    "SENTRY_DSN": "https://key@sentry.example/1",
    "PHONE_URL": "ntfy://127.0.0.1:9/topic",
    "SLACK_TOKENS": "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
}


def blocks(page: Path) -> list[str]:
    """The YAML blocks of a page, without the indentation that a list gives them."""
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def files(page: Path) -> list[str]:
    """The files that a page writes: blocks with a version, and the other ones joined together."""
    found = [text for text in blocks(page) if not text.startswith("rule_file:")]
    whole = [text for text in found if re.search(r"^version:", text, re.MULTILINE)]
    rest = "".join(text for text in found if text not in whole)
    if rest and "workflows:" not in rest:
        rest += WORKFLOW
    return [*whole, *([f"version: 1\n{rest}"] if rest else [])]


def environment(text: str) -> dict[str, str]:
    names = re.findall(r"\$\{env:([A-Z_]+)", text)
    return {name: VARIABLES.get(name, "s3cret-of-thirty-two-letters-0123") for name in names}


WITH_FILES = [page for page in PAGES if files(page)]


@pytest.mark.parametrize("page", WITH_FILES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_example_passes_the_check(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(files(page)):
        path = tmp_path / f"example-{number}.yaml"
        path.write_text(text)
        loaded = load_config(path, env=environment(text))
        assert check_destinations(loaded) == []


def test_there_are_examples() -> None:
    assert len(WITH_FILES) > 30


def test_the_tests_of_rules_are_ones_that_can_run(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(TESTED)
    texts = [text for page in PAGES for text in blocks(page) if text.startswith("rule_file:")]
    assert texts
    for text in texts:
        path = tmp_path / "tests.yaml"
        path.write_text(text)
        assert load_tests(path, {}).file.tests
