"""The JSON Schema of the file: valid files fit it, common mistakes do not, and keys are explained."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from engine.config.json_schema import file_schema
from engine.config.nodes import plain_data
from engine.config.starter import STARTER
from engine.config.yaml_guard import parse_yaml
from engine.workflows import steps
from engine.workflows.steps import STEP_KINDS

ROOT = Path(__file__).parents[3]
USE = """
version: 1
fragments: {sign-in: {params: {user: demo}, steps: [{id: a, http: {url: "http://127.0.0.1"}}]}}
workflows:
  - {id: w, name: 5, every: 1m30s, priority: HIGH, steps: [{use: sign-in, id: x, with: {user: 1}}]}
rules:
channels:
"""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return file_schema()


def faults(schema: dict[str, Any], text: str) -> list[str]:
    validator = jsonschema_rs.validator_for(schema)
    return [str(error) for error in validator.iter_errors(plain_data(parse_yaml(text, "x")[0]))]


def examples() -> list[str]:
    """Each step type's own example, in a file."""
    found = []
    for path in sorted(Path(steps.__file__).parent.glob("*.py")):
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL):
            step = "\n".join(f"        {line}" for line in block.splitlines())[8:]
            head = "version: 1\nworkflows:\n  - id: w\n    name: W\n    every: 1m\n    steps:\n"
            found.append(f"{head}      - {step}\n")
    return found


def test_valid_files_fit(schema: dict[str, Any]) -> None:
    shipped = (ROOT / "rules.yaml").read_text()
    assert [faults(schema, text) for text in (STARTER, shipped, USE)] == [[], [], []]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("every: 1m30s", "evry: 1m30s"),
        ("every: 1m30s", "every: 1 minute"),
        ("priority: HIGH", "priority: urgent"),
        ("{use: sign-in, id: x, with: {user: 1}}", "{id: x}"),
        ("{use: sign-in, id: x, with: {user: 1}}", "{id: x, wait: {for: 1s}, http: {url: a}}"),
        ("version: 1", "version: 2"),
    ],
)
def test_mistakes_do_not(schema: dict[str, Any], old: str, new: str) -> None:
    assert faults(schema, USE) == []
    assert faults(schema, USE.replace(old, new))


def test_every_step_type_is_in_it_with_words_about_its_keys(schema: dict[str, Any]) -> None:
    step = schema["$defs"]["StepSpec"]
    assert step["properties"].keys() >= STEP_KINDS.keys()
    assert schema["$defs"]["HttpSpec"]["properties"]["proxy"]["description"].startswith("`http://[user:")
    assert "caps one execution" in schema["$defs"]["Workflow"]["properties"]["timeout"]["description"]
    assert '"title"' not in json.dumps(schema["$defs"]).replace('"properties": {"title"', "")


def test_the_examples_of_step_types_fit(schema: dict[str, Any]) -> None:
    texts = examples()
    assert len(texts) >= len(STEP_KINDS) - 2
    assert [found for text in texts for found in faults(schema, text)] == []


def test_the_keys_that_all_steps_have_are_explained(schema: dict[str, Any]) -> None:
    keys = schema["$defs"]["StepSpec"]["properties"]
    for key in ("needs", "when", "foreach", "parallel", "max_rounds", "retry", "degraded", "extract"):
        assert len(keys[key].get("description", "")) > 20, key


def test_lists_are_bounded_by_items() -> None:
    windows = file_schema()["$defs"]["BurnRateCondition"]["properties"]["windows"]
    assert (windows["minItems"], windows["maxItems"]) == (1, 10)
    assert '"maxLength"' not in json.dumps(windows)
