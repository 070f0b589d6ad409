"""The registry of step types: one file and one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from engine.clock import Clock
from engine.config.types import Strict
from engine.workflows.steps.base import StepBase, StepType
from engine.workflows.steps.http import HttpStep
from engine.workflows.steps.http_spec import HTTP_FIELDS, HttpSpec


@dataclass(frozen=True, slots=True)
class StepKind:
    """A step type: what a file may say, the fields of its replies, and what makes the one that serves all."""

    spec: type[Strict]
    fields: frozenset[str]
    make: Callable[[Clock], StepType]


STEP_KINDS: dict[str, StepKind] = {
    "http": StepKind(HttpSpec, frozenset(HTTP_FIELDS), HttpStep),
}

if TYPE_CHECKING:
    StepSpec = StepBase
else:
    _fields: dict[str, Any] = {name: (kind.spec | None, None) for name, kind in STEP_KINDS.items()}
    StepSpec = create_model("StepSpec", __base__=StepBase, **_fields)
