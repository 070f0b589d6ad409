"""JSON Schemas that replies are held against: patterns of linear time, and nothing fetched from anywhere."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from engine.model import Assertion
from engine.text import plain

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

CACHED = 256
SHOWN_LIMIT = 200

_TEXT = "json fits schema"


def compile_schema(schema: dict[str, Any]) -> Any:
    """The validator of a schema (draft 2020-12 unless its `$schema` says otherwise).

    Raises:
        ValueError: it is no JSON Schema, with a sentence that says where.
    """
    try:
        written = json.dumps(schema)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("the schema holds something that JSON has no word for") from None
    return _compiled(written)


def fits(schema: dict[str, Any], document: Any, is_json: bool) -> Assertion:
    """Hold a document against a schema; what is shown names the first place that does not fit."""
    import jsonschema_rs

    if not is_json:
        return Assertion(_TEXT, False, "json (the body is no JSON) fits schema")
    try:
        compile_schema(schema).validate(document)
    except jsonschema_rs.ValidationError as error:
        return Assertion(
            _TEXT, False, f"json ({_place(error)}{plain(error.message, SHOWN_LIMIT)}) fits schema"
        )
    except ValueError as error:
        return Assertion(_TEXT, False, f"json ({plain(error, SHOWN_LIMIT)}) fits schema")
    return Assertion(_TEXT, True, _TEXT)


@functools.lru_cache(CACHED)
def _compiled(written: str) -> Any:
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(
            json.loads(written), offline=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except jsonschema_rs.ValidationError as error:
        place = "".join(f".{part}" for part in error.instance_path)
        message = f"schema{plain(place, 120)} is no JSON Schema: {plain(error.message, SHOWN_LIMIT)}"
        raise ValueError(message) from None
    except ValueError as error:
        raise ValueError(f"the schema cannot be used: {plain(error, SHOWN_LIMIT)}") from None


def _place(error: ValidationError) -> str:
    """Where in the document, as a path that an expectation could use."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    path = plain("".join(parts).lstrip("."), 120)
    return f"{path}: " if path else ""
