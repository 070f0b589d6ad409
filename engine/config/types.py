"""Field types of the configuration file: durations, identifiers, percentages, strict bases."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from engine.text import clean, plain

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_PORT = re.compile(r"[0-9]{1,5}")
DURATION = re.compile(rf"(?:{_PART.pattern})+")


class Strict(BaseModel):
    """Unknown keys and wrong types are errors; values never change after loading."""

    # Most models are parts of others: a validator of its own is made only for one that is asked by itself.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, str_max_length=65_536, defer_build=True
    )


@dataclass(frozen=True, slots=True)
class Written:
    """Of a text: the pattern that the whole of it has, and what is said of one that has not."""

    pattern: str
    sentence: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}

    def _checked(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(self.sentence)
        return text


def parse_duration(value: object) -> float:
    """Seconds of `500ms`, `30s`, `5m`, `1h30m`, `7d`, or a bare number of seconds.

    Raises:
        ValueError: with a sentence that says what a duration looks like.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and DURATION.fullmatch(value.strip()):
        seconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(value))
    else:
        raise ValueError("a duration is a number with a unit, such as 500ms, 30s, 5m, 1h30m or 7d")
    if not 0 <= seconds < 10 * 365 * 86400:
        raise ValueError("a duration is between 0 and 10 years")
    return seconds


def parse_loopback(text: str) -> tuple[str, int]:
    """The address and port of `127.0.0.1:8779` or `[::1]:8779`; port 0 is any that is free.

    Raises:
        ValueError: it is written otherwise, or others could reach it.
    """
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not address.is_loopback or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ValueError("an address of this machine alone is wanted, such as 127.0.0.1:8779")
    return str(address), int(port)


def parse_address(text: str) -> tuple[str, int]:
    """The host and port of `example.org:443` or `[2001:db8::1]:53`.

    Raises:
        ValueError: it is written otherwise.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or any(sign in host for sign in "/@ ") or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ValueError("a host and a port are wanted, such as example.org:443")
    return host, int(port)


def format_duration(seconds: float) -> str:
    """The shortest of `1h30m`, `45s`, `250ms` … that means `seconds`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    parts = []
    for unit in ("d", "h", "m"):
        amount, seconds = divmod(seconds, UNITS[unit])
        if amount:
            parts.append(f"{amount:.0f}{unit}")
    if seconds or not parts:
        parts.append(f"{seconds:g}s")
    return "".join(parts)


def _positive(value: object) -> float:
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError("this duration must be above zero")
    return seconds


def _loopback(value: object) -> object:
    if isinstance(value, str):
        parse_loopback(value)
    return value


def _address(value: object) -> object:
    if isinstance(value, str):
        parse_address(value)
    return value


def as_tuple(value: object) -> object:
    """Lists of the file as tuples; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def _one_line(value: object) -> object:
    return plain(value) if isinstance(value, str) else value


def _lines(value: object) -> object:
    return clean(value, multiline=True) if isinstance(value, str) else value


_WRITTEN = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": rf"^\s*{DURATION.pattern}\s*$"},
        ]
    }
)
Duration = Annotated[float, BeforeValidator(parse_duration), _WRITTEN]
PositiveDuration = Annotated[float, BeforeValidator(_positive), _WRITTEN]
LoopbackAddress = Annotated[str, BeforeValidator(_loopback)]
Address = Annotated[str, BeforeValidator(_address)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
VariableName = Annotated[
    str,
    Written(
        r"^[A-Za-z_][A-Za-z0-9_]{0,127}$",
        "the name of a variable is letters, digits and `_`, at most 128, and begins with no digit",
    ),
]
Token = Annotated[
    str, Written(r"^[A-Za-z0-9_-]{16,128}$", "a token is 16 to 128 letters, digits, `-` and `_`")
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120), BeforeValidator(_one_line)]
Prose = Annotated[str, BeforeValidator(_lines)]
Names = Annotated[tuple[Identifier, ...], BeforeValidator(as_tuple)]
