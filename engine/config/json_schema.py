"""The configuration file as JSON Schema: what editors complete, explain and underline.

Made from the models that check the file, with what only the reading of a file allows: durations with units,
numbers where text is wanted, sections that are empty, and `use:` in place of a step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from engine.config.schema import Config
from engine.workflows.steps import STEP_KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_KEYS = re.compile(r"^ {4}([a-z_0-9]+(?:, [a-z_0-9]+)*): (.*)$")
_USE = {
    "type": "object",
    "description": "The steps of a fragment in this place.",
    "properties": {
        "use": {"type": "string", "description": "The name of the fragment."},
        "id": {"type": "string", "description": "What goes before the ids of its steps, with a dot."},
        "with": {"type": "object", "description": "Values of the fragment's parameters."},
    },
    "required": ["use"],
    "additionalProperties": False,
}
_DROPPED = ("title",)
_OF_ARRAYS = {"minLength": "minItems", "maxLength": "maxItems"}
"""What lists that are read by a function of ours are bounded by, in the words for texts."""


def file_schema() -> dict[str, Any]:
    """The schema; a valid file fits it, and what does not fit it is no valid file's."""
    raw = Config.model_json_schema(by_alias=True)
    schema = _readable(raw)
    assert isinstance(schema, dict)
    schema = {"$schema": DIALECT, "title": "Tocsin configuration", **schema}
    for key, section in schema["properties"].items():
        if key != "version":
            schema["properties"][key] = {"anyOf": [section, {"type": "null"}]}
    step = schema["$defs"]["StepSpec"]
    step["oneOf"] = [{"required": [kind]} for kind in STEP_KINDS]
    schema["$defs"]["Use"] = _USE
    workflow = schema["$defs"]["Workflow"]["properties"]
    for key in ("steps", "finally"):
        workflow[key]["items"] = {"if": {"required": ["use"]}, "then": {"$ref": "#/$defs/Use"}} | {
            "else": {"$ref": "#/$defs/StepSpec"}
        }
    return schema


def _readable(schema: Any) -> Any:
    """Without noise, each key explained by the docstring of its model."""
    if isinstance(schema, list):
        return [_readable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _readable(value) for key, value in schema.items() if not _is_noise(key, value)}
    if found.get("type") == "string" and not {"enum", "const"} & found.keys():
        found["type"] = ["string", "number", "boolean"]
    if found.get("type") == "array":
        found = {_OF_ARRAYS.get(key, key): value for key, value in found.items()}
    if isinstance(found.get("properties"), dict) and isinstance(found.get("description"), str):
        for name, text in _explained(found["description"]):
            known = found["properties"].get(name)
            if isinstance(known, dict):
                found["properties"][name] = {**known, "description": text}
        found["description"] = found["description"].split("\n\n")[0].replace("\n", " ")
    return found


def _is_noise(key: str, value: Any) -> bool:
    return (key in _DROPPED and isinstance(value, str)) or (key == "maxLength" and value == 65_536)


def _explained(docstring: str) -> Iterator[tuple[str, str]]:
    """The keys that a docstring explains, and its words about each."""
    names: list[str] = []
    words: list[str] = []
    for line in [*docstring.splitlines(), "end"]:
        match = _KEYS.match(line)
        if match or not line.startswith("     "):
            for name in names:
                yield name, " ".join(words)
            names, words = (match[1].split(", "), [match[2]]) if match else ([], [])
        else:
            words.append(line.strip())
