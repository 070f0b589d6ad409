"""From a file to a checked configuration, or to every fault in it with its place."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.collector import collector_paused
from engine.config.code import load_modules, module_files
from engine.config.composition import compose
from engine.config.credentials import credentials
from engine.config.interpolation import InterpolationError, Interpolator
from engine.config.messages import did_you_mean
from engine.config.nodes import plain_data
from engine.config.references import check_references
from engine.config.report import Report
from engine.config.schema import Config
from engine.config.validation import validate
from engine.config.yaml_guard import Node, parse_yaml
from engine.errors import ConfigError, Problem
from engine.model import Scalar
from engine.text import own_words, plain

MAX_BYTES = 1024 * 1024
NO_ENVIRONMENT = "default"

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_INIT = "`tocsin init` writes one to start from"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration ready to run.

    `variables` are the keys of the chosen `environment`; `text` is the file, and `digest` tells its versions
    apart; `secrets` are the values that came from `${env:…}` and `${file:…}`, and the credentials that stand
    in the file itself, for any of its environments. `files` are all that it was read from.
    """

    config: Config
    environment: str
    variables: Mapping[str, Scalar]
    path: Path
    digest: str
    text: str
    secrets: frozenset[str] = field(repr=False)
    files: frozenset[Path] = frozenset()
    asked: str | None = None
    env: Mapping[str, str] | None = field(default=None, repr=False)

    def again(self) -> LoadedConfig:
        """What the file says now, read as the first time. Raises ConfigError."""
        return load_config(self.path, self.asked, self.env)


@collector_paused()
def load_config(
    path: Path, environment: str | None = None, env: Mapping[str, str] | None = None
) -> LoadedConfig:
    """Read and check a configuration file of at most 1 MB.

    Args:
        path: the YAML file.
        environment: which of its `environments:` to use; the first when not given.
        env: the variables `${env:…}` may read; the process's own when not given.

    Raises:
        ConfigError: with all the problems found, in the order of the file.
    """
    file = plain(str(path))
    raw = _read(path, file)
    text = _decode(raw, file)
    root, duplicates = parse_yaml(text, file)
    report = Report(file, root)
    report.extend(duplicates)
    if not isinstance(root.value, dict):
        report.at((), "the file is a mapping of sections such as `workflows:`", _INIT)
        raise ConfigError(report.problems())
    written = credentials(root)
    chosen = _choose(environment, report)
    composed = compose(root, chosen, report)
    root = report.root = composed.root
    values = Interpolator(os.environ if env is None else env, path.parent)
    data = _Reader(values, report).sections(root, chosen)
    checked = validate(data, report)
    config, code = checked.config, load_modules(data.get("python"), path.parent, report)
    checked.workflows += [(("python", index), workflow) for index, workflow in code]
    named = _with_ids(data, [workflow.id for _, workflow in code])
    check_references(checked, named, chosen, report, composed.asides)
    if config is None or report:
        raise ConfigError(report.problems(written | values.secrets))
    if code:
        more = (workflow for _, workflow in code)
        config = config.model_copy(update={"workflows": (*config.workflows, *more)})
    variables = config.environments.get(chosen, {})
    digest = hashlib.sha256(raw).hexdigest()[:12]
    files = frozenset({path, *values.files, *module_files(data.get("python"), path.parent)})
    secrets = written | values.secrets
    return LoadedConfig(config, chosen, variables, path, digest, text, secrets, files, environment, env)


def read_text(path: Path) -> str:
    """What a YAML file of at most 1 MB says. Raises ConfigError."""
    file = plain(str(path))
    return _decode(_read(path, file), file)


def _with_ids(data: dict[str, Any], more: list[str]) -> dict[str, Any]:
    """The file as if the workflows that are written in Python stood in it."""
    known = data.get("workflows")
    if not more or not isinstance(known, (list, type(None))):
        return data
    return {**data, "workflows": [*(known or ()), *({"id": identifier} for identifier in more)]}


def _read(path: Path, file: str) -> bytes:
    """At most one byte more than is allowed, from a regular file only: a pipe or device may never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise ConfigError([Problem(file, 1, 1, f"this is {kind}", "name a YAML file")])
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError([Problem(file, 1, 1, "there is no such file", _INIT)]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else own_words(error)
        raise ConfigError([Problem(file, 1, 1, f"the file cannot be read: {reason}")]) from None
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(file, 1, 1, "the file is larger than 1 MB", "split or shorten it")])
    return raw


def _decode(raw: bytes, file: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError([Problem(file, 1, 1, "the file is UTF-16", "save it as UTF-8")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(raw[: error.start].decode("utf-8-sig", "replace"))
        message = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        raise ConfigError([Problem(file, line, column, message, "save the file as UTF-8")]) from None
    if forbidden := _FORBIDDEN.search(text):
        line, column = _place(text[: forbidden.start()])
        message = f"the control character U+{ord(forbidden[0]):04X} cannot stand in the file"
        hint = "in double quotes, write it as an escape such as \\x1b"
        raise ConfigError([Problem(file, line, column, message, hint)])
    return text


def _place(before: str) -> tuple[int, int]:
    lines = before.replace("\r\n", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def _choose(wanted: str | None, report: Report) -> str:
    """The environment asked for, else the first of the file."""
    places = report.node(("environments",)).value if "environments" in report.root.value else {}
    names = list(places) if isinstance(places, dict) else []
    if wanted is None:
        return names[0] if names else NO_ENVIRONMENT
    if wanted not in names:
        hint = did_you_mean(wanted, names) or (
            f"the file has {', '.join(names)}" if names else "the file has none"
        )
        report.at_key(("environments",), f"there is no environment `{wanted}`", hint)
    return wanted


class _Reader:
    """Nodes to plain data, `${…}` expanded; a value used twice is read once."""

    def __init__(self, values: Interpolator, report: Report) -> None:
        self._values = values
        self._report = report
        self._done: dict[int, Any] = {}

    def sections(self, root: Node, chosen: str) -> dict[str, Any]:
        return {
            key: self._environments(node, chosen) if key == "environments" else self._value(node)
            for key, node in root.value.items()
        }

    def _environments(self, node: Node, chosen: str) -> Any:
        """Only the chosen one is expanded: another's secrets need not be at hand."""
        if not isinstance(node.value, dict):
            return self._value(node)
        return {name: self._variables(inner, name == chosen) for name, inner in node.value.items()}

    def _variables(self, node: Node, is_chosen: bool) -> Any:
        if isinstance(node.value, dict):
            return {key: self._variable(inner, is_chosen) for key, inner in node.value.items()}
        return {} if node.value is None else self._value(node)

    def _variable(self, node: Node, is_chosen: bool) -> Any:
        """A number that would not be written again as it was typed (`1.10`) stays text."""
        if isinstance(node.value, float) and str(node.value) != node.text:
            return node.text
        return self._value(node) if is_chosen else plain_data(node)

    def _value(self, node: Node) -> Any:
        if isinstance(node.value, str) and "${" not in node.value:
            return node.value
        if id(node) not in self._done:
            self._done[id(node)] = self._read(node)
        return self._done[id(node)]

    def _read(self, node: Node) -> Any:
        value = node.value
        if isinstance(value, dict):
            return {key: self._value(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner) for inner in value]
        if not isinstance(value, str):
            return value
        try:
            return self._values.expand(value)
        except InterpolationError as error:
            self._report.at_node(node, error.message, error.hint)
            return value
