"""The example in the docstring of each step type of the flow is one that a file may hold."""

import re
from types import ModuleType
from typing import Any

import pytest

from engine.config.yaml_guard import Node, parse_yaml
from engine.workflows.steps import StepSpec, assertion, wait, workflow


def plain_value(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: plain_value(inner) for key, inner in node.value.items()}
    return [plain_value(inner) for inner in node.value] if isinstance(node.value, list) else node.value


@pytest.mark.parametrize("module", [assertion, wait, workflow])
def test_examples_are_valid(module: ModuleType) -> None:
    example = re.search(r"```yaml\n(.*?)```", module.__doc__ or "", re.DOTALL)
    assert example is not None
    root, problems = parse_yaml(example[1], "example")
    assert problems == []
    step = StepSpec.model_validate(plain_value(root))
    assert step.kind in module.__name__ or step.kind == "assert"
