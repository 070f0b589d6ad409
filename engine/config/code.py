"""Workflows that are written in Python, and the modules that a configuration names for them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.config.report import Report
from engine.config.schema import Workflow
from engine.text import own_words, plain
from engine.workflows.steps import StepSpec

_OURS = str(Path(__file__).parents[1]) + os.sep
_LIBRARY = sysconfig.get_path("stdlib") + os.sep

Body = Callable[[Any], Awaitable[None]]


class CodeWorkflow(Workflow):
    """A workflow whose steps are calls in an async function; made by `engine.authoring.workflow`."""

    body: Any
    steps: tuple[StepSpec, ...] = ()


_sources: dict[str, str] = {}
"""Modules that were loaded, by name, each with a digest of the text it was made of."""


def module_files(names: object, base: Path) -> frozenset[Path]:
    """The files of modules that `load_modules` has loaded."""
    listed = map(str, names) if isinstance(names, Sequence) and not isinstance(names, str) else ()
    found = (base / name if name.endswith(".py") else _file_of(name) for name in listed)
    return frozenset(path for path in found if path is not None)


def load_modules(names: object, base: Path, report: Report) -> list[tuple[int, CodeWorkflow]]:
    """Import the modules of `python:` and find their workflows, each with the place of its module.

    One that was imported before is imported anew when its file has changed; what it imports itself is not.

    Args:
        names: files, relative to `base`, or modules by their dotted names.
        report: takes what is wrong: a module runs when it is imported, and may raise anything.
    """
    found: list[tuple[int, CodeWorkflow]] = []
    for index, name in enumerate(names if isinstance(names, Sequence) and not isinstance(names, str) else ()):
        try:
            module = _module(str(name), base)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - border: the module is somebody else's
            message = f"`{plain(name, 100)}` cannot be imported: {_reason(error)}"
            report.at(("python", index), message, "a file such as checks.py, or the name of a module")
            continue
        workflows = [value for value in vars(module).values() if isinstance(value, CodeWorkflow)]
        if not workflows:
            message = f"there is no workflow in `{plain(name, 100)}`"
            report.at(("python", index), message, "the decorator @workflow makes one")
        found += [(index, workflow) for workflow in workflows]
    return found


def _reason(error: BaseException) -> str:
    """What an import was stopped by, and at which line of the files of somebody else."""
    words = own_words(error, 300)
    if isinstance(error, SystemExit):
        words = f"it ends the program with sys.exit({'' if error.code is None else words})"
    if isinstance(error, SyntaxError):
        return words
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(("<", _OURS, _LIBRARY))]
    return f"{words} ({Path(theirs[-1].filename).name}:{theirs[-1].lineno})" if theirs else words


def _module(name: str, base: Path) -> ModuleType:
    is_file = name.endswith(".py")
    if is_file:
        path = (base / name).resolve()
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        # Files of one name in two directories are two modules.
        name = f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, path)
    else:
        spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return importlib.import_module(name)
    text = Path(spec.origin).read_bytes()
    digest = sha256(text).hexdigest()
    known = sys.modules.get(name)
    if known is None and not is_file:
        known = importlib.import_module(name)
    elif known is None or _sources.get(name, digest) != digest:
        known = _executed(name, spec, text)
    _sources[name] = digest
    return known


def _executed(name: str, spec: ModuleSpec, text: bytes) -> ModuleType:
    """A module made of `text`, in place of an older one unless it raises.

    Compiled here: what Python itself keeps compiled goes by whole seconds and the length of a file.
    """
    before = sys.modules.get(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(text, str(spec.origin), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _file_of(name: str) -> Path | None:
    """Where a module that was imported by its dotted name stands."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file) if file is not None else None
