"""The YAML examples in the docstrings of step types, read as a configuration file is."""

from __future__ import annotations

import re
from types import ModuleType

import yaml

from engine.workflows.steps import StepSpec


def example_of(module: ModuleType) -> StepSpec:
    """The step in the module's first YAML block, checked by the schema."""
    return StepSpec.model_validate(yaml.safe_load(block_of(module)))


def block_of(module: ModuleType) -> str:
    """The module's first YAML block as it is written."""
    block = re.search(r"```yaml\n(.*?)```", module.__doc__ or "", re.DOTALL)
    assert block is not None, f"{module.__name__} has no example"
    return block[1]
