"""Imported configurations, loaded and run as a person would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.clock import SystemClock
from engine.config.loader import LoadedConfig, load_config
from engine.importers import Imported
from engine.model import Execution
from engine.workflows.runner import Runner


def load(imported: Imported, directory: Path, env: Mapping[str, str] | None = None) -> LoadedConfig:
    """The file that would be written, read again."""
    path = directory / "imported.yaml"
    path.write_text(imported.yaml())
    return load_config(path, env=env or {})


async def run(imported: Imported, directory: Path) -> dict[str, Execution]:
    """Each workflow's execution, by its id."""
    loaded = load(imported, directory)
    runner = Runner(
        clock=SystemClock(),
        variables=loaded.variables,
        retries=loaded.config.retries,
        on_log=lambda record: None,
    )
    try:
        return {
            workflow.id: (await runner.run(workflow, number, 0.0)).execution
            for number, workflow in enumerate(loaded.config.workflows, 1)
        }
    finally:
        await runner.close()
