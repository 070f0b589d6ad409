"""The registry of step types: one file and one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import create_model

from engine.config.types import Strict
from engine.workflows.steps.base import StepBase
from engine.workflows.steps.http_spec import HttpSpec

SPECS: dict[str, type[Strict]] = {"http": HttpSpec}

if TYPE_CHECKING:
    StepSpec = StepBase
else:
    _fields: dict[str, Any] = {name: (spec | None, None) for name, spec in SPECS.items()}
    StepSpec = create_model("StepSpec", __base__=StepBase, **_fields)
