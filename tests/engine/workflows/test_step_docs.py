"""The example in the docstring of each step type is one that a file may hold."""

import importlib

import pytest

from engine.config.yaml_guard import parse_yaml
from engine.workflows.steps import STEP_KINDS, StepKind
from tests.engine.workflows.examples import block_of, example_of


@pytest.mark.parametrize(("name", "kind"), STEP_KINDS.items(), ids=STEP_KINDS)
def test_every_type_has_an_example_that_loads(name: str, kind: StepKind) -> None:
    module = importlib.import_module(kind.spec.__module__)
    assert example_of(module).kind == name
    _, problems = parse_yaml(block_of(module), "example")
    assert problems == []
