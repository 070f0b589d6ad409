"""docs/ is whole: made pages are as the product makes them, all kinds have pages, links lead somewhere."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from engine.config.conditions import SimpleCondition
from engine.config.routing import KINDS
from engine.workflows.steps import STEP_KINDS
from tests.docs.test_examples import PAGES, ROOT, blocks
from tui.cli import COMMANDS

DOCS = ROOT / "docs"
CONDITIONS = [
    get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(SimpleCondition)[0])
]


@pytest.fixture(scope="module")
def script() -> Mapping[str, Any]:
    return runpy.run_path(str(DOCS / "reference.py"))


@pytest.fixture(scope="module")
def made(script: Mapping[str, Any]) -> Mapping[str, str]:
    pages: Mapping[str, str] = script["pages"]()
    return pages


def test_made_pages_are_what_the_product_makes(made: Mapping[str, str]) -> None:
    stale = [name for name, text in made.items() if (DOCS / name).read_text() != text]
    assert not stale, f"run `make docs`: {', '.join(stale)}"


def test_every_key_of_the_file_is_explained(script: Mapping[str, Any]) -> None:
    sections = script["Sections"](script["file_schema"]())
    bare = [
        f"{name}.{key}"
        for name, section in sections.sections()
        for key in section["properties"]
        if not sections.meaning(section, key)
    ]
    assert not bare


def test_every_command_has_a_section(made: Mapping[str, str]) -> None:
    for name in COMMANDS:
        assert f"\n## tocsin {name}\n" in made["reference/commands.md"]


@pytest.mark.parametrize("kind", STEP_KINDS)
def test_every_step_type_has_a_page_with_an_example_and_its_fields(kind: str) -> None:
    page = DOCS / "steps" / f"{kind}.md"
    assert any(re.search(rf"\b{kind}:", block) for block in blocks(page))
    text = page.read_text()
    assert [field for field in STEP_KINDS[kind].fields if f"`{field}`" not in text] == []


@pytest.mark.parametrize("kind", CONDITIONS)
def test_every_condition_type_has_a_page_with_an_example(kind: str) -> None:
    page = DOCS / "rules" / f"{kind.lower().replace('_', '-')}.md"
    assert any(f"type: {kind}" in block for block in blocks(page))


@pytest.mark.parametrize("kind", KINDS)
def test_every_channel_kind_has_a_page_with_an_example(kind: str) -> None:
    page = DOCS / "channels" / f"{kind}.md"
    assert any(re.search(rf"\b{kind}:", block) for block in blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in [
                re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings
            ]


def test_every_argument_of_every_command_is_explained(made: Mapping[str, str]) -> None:
    rows = re.findall(r"^\| (`.+`) \| (.*) \|$", made["reference/commands.md"], re.MULTILINE)
    assert len(rows) > 100
    assert [written for written, meaning in rows if not meaning and "|" not in written] == []
