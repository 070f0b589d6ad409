"""How a person wants the console: `console.toml` with keys of their own and the colours of environments."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.files import read_regular
from engine.text import nearest, plain
from tui.keymap import Keymap, read_keys

_LARGEST = 64 * 1024
COLOURS = {"red": "error", "yellow": "warning", "green": "success", "blue": "primary", "none": ""}
"""The colours an environment can have, and which of the theme's each is."""
ENVIRONMENTS = {"prod": "red", "production": "red"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `console.toml` says.

    Args:
        keys: by the ids of actions.
        environments: the colour of an environment's frame, by its name in lower case; names of `COLOURS`.
        faults: what of the file cannot be used, a sentence each.
    """

    keys: Keymap = field(default_factory=Keymap)
    environments: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRONMENTS))
    faults: tuple[str, ...] = ()

    def colour(self, environment: str) -> str:
        """Which of the theme's colours frames an environment; empty for none."""
        return COLOURS[self.environments.get(environment.strip().lower(), "none")]


def load_settings(path: Path) -> Settings:
    """The settings at `path`; what cannot be used stays as it usually is, and is told in `faults`."""
    try:
        return _settings(path.name, tomllib.loads(read_regular(path, _LARGEST).decode()))
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        return Settings(faults=(f"{path} cannot be read: {error.strerror}",))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Settings(faults=(f"{path} is no TOML: {plain(str(error), 120)}",))
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, tables within tables without end.
        return Settings(faults=(f"{path} cannot be used: {plain(str(error), 120)}",))


def _settings(name: str, said: Mapping[str, Any]) -> Settings:
    keys, faults = read_keys(_table(said, "keys"))
    environments, wrong = _environments(_table(said, "environments"))
    unknown = [
        f"there is no section {plain(section, 40)!r}; there are keys and environments"
        for section in said
        if section not in ("keys", "environments")
    ]
    told = tuple(f"{name}: {fault}" for fault in (*unknown, *faults, *wrong))
    return Settings(keys, environments, told)


def _table(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = said.get(name, {})
    return table if isinstance(table, dict) else {name: table}


def _environments(said: Mapping[str, Any]) -> tuple[Mapping[str, str], list[str]]:
    colours, faults = dict(ENVIRONMENTS), []
    for name, colour in said.items():
        if isinstance(colour, str) and colour in COLOURS:
            colours[name.lower()] = colour
        else:
            near = nearest(str(colour), COLOURS)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(COLOURS)}"
            faults.append(f"environment {plain(name, 40)!r} cannot be {plain(str(colour), 40)!r}: {hint}")
    return colours, faults
