"""Which files of other programs are read into the log; `engine.sources.tailing` reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from engine.config.types import Identifier, Strict


def _paths(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, str) else value


_PATH_SCHEMA = {"type": "string", "minLength": 1}
Paths = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...],
    BeforeValidator(_paths),
    Field(min_length=1, max_length=20),
    WithJsonSchema({"anyOf": [_PATH_SCHEMA, {"type": "array", "items": _PATH_SCHEMA}]}),
]
JsonName = Literal["message", "level", "time", "trace", "span"]


class SourceSpec(Strict):
    """Files whose lines are read into the log as they are written, and found there with `source:ID`.

    A file is read on where it was left, also after a restart, and to its end when it is renamed.

    Keys:
        id: what `source:ID` finds its lines by.
        files: paths, or patterns such as `/var/log/nginx/*.log`, relative to this file; `~` is the home.
        format: `text`, whose level and time are recognised where they are plain, or `json`, an object a line.
        fields: what JSON lines call their `message`, `level`, `time`, `trace` and `span`, where it is not the
            usual; what is left of them becomes fields of the line.
        begin: where a file begins that is there when the source is first read: at its `end`, or at its
            `start`. Files that come later are read from their start.
        max_rate: lines a second that are read; more of them wait in the file, and the oldest are left out,
            and counted, when more than 8 MB wait.
    """

    id: Identifier
    files: Paths
    format: Literal["text", "json"] = "text"
    fields: dict[JsonName, Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=dict)
    begin: Literal["end", "start"] = "end"
    max_rate: Annotated[int, Field(ge=1, le=20_000)] = 1_000
