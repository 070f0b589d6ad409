"""Conditions of Gatus, such as `len([BODY].items) > 0`, as expectations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from engine.importers.draft import quoted

Names = Mapping[str, str]
"""Values of a suite's context, and the placeholders they have become."""

_CONDITION = re.compile(r"\s*(.+?)\s+(==|!=|<=|>=|<|>)\s+(.*?)\s*", re.DOTALL)
_FUNCTION = re.compile(r"(len|has|pat|any)\((.*)\)", re.DOTALL)
_FIELD = re.compile(r"\[([A-Z_]+)\](.*)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_BODIES = {"http": "body", "websocket": "message", "tcp": "received", "udp": "received"}
_NOTHING = "it has no counterpart"
_NAMELESS = "\0"


class _Side(NamedTuple):
    """One side of a condition: a field of the reply, or a value."""

    path: str = ""
    value: str = ""
    function: str = ""


def expectation(condition: str, kind: str) -> tuple[str, str]:
    """The expectation that a condition on a step of this kind stands for.

    Returns:
        The text, empty when the step itself sees to it, and why there is none, empty when there is one.
    """
    match = _CONDITION.fullmatch(condition)
    if match is None:
        return "", "it cannot be read"
    operator = match[2]
    left, right = _side(match[1], kind), _side(match[3], kind)
    if not left.path and right.path:
        left, right, operator = right, left, _FLIPPED[operator]
    if left.path == "connected":
        positive = (operator == "==") is (right.value == "true")
        return ("", "") if positive else ("", "a step that cannot connect fails here")
    if not left.path or right.path or right.value == _NAMELESS:
        return "", _NOTHING
    return _compared(left, operator, right)


def field_path(text: str, kind: str) -> str:
    """What `[BODY].x` is called in the replies of a kind of step; nothing when it has no name there."""
    match = _FIELD.fullmatch(text.strip())
    if match is None:
        return ""
    name, rest = match[1], match[2]
    if name == "BODY" and kind == "grpc":
        return "status" if rest == ".status" else ""
    if name == "BODY" and kind in _BODIES:
        has_json = kind in ("http", "websocket")
        return (f"json{rest}" if has_json else "") if rest else _BODIES[kind]
    if name == "BODY" and kind == "dns" and not rest:
        return "answers"
    if name == "CERTIFICATE_EXPIRATION" and kind == "tls" and not rest:
        return "expires_in"
    if rest:
        return ""
    names = {"RESPONSE_TIME": "rtt" if kind == "icmp" else "duration", "CONNECTED": "connected"}
    names |= {"http": {"STATUS": "status"}, "dns": {"DNS_RCODE": "status"}}.get(kind, {})
    return names.get(name, "")


def _compared(left: _Side, operator: str, right: _Side) -> tuple[str, str]:
    negation = "not " if operator == "!=" else ""
    if left.function == "has":
        exists = (operator == "==") is (right.value == "true")
        return f"{left.path} {'!=' if exists else '=='} null", ""
    path = f"len({left.path})" if left.function == "len" else left.path
    if right.function and operator not in ("==", "!="):
        return "", f"`{right.function}` is compared by == and != alone"
    if path == "answers":
        return _among(negation, operator, right)
    if right.function == "pat":
        return f"{negation}{path} matches {quoted(_pattern(right.value))}", ""
    if right.function == "any":
        values = [part.strip() for part in right.value.split(",")]
        if any(value.startswith("pat(") for value in values):
            return "", "`any` of patterns has no counterpart"
        return f"{path} {negation}in [{', '.join(map(_literal, values))}]", ""
    if path in ("duration", "rtt", "expires_in"):
        # Response times are milliseconds; other times have units.
        return f"{path} {operator} {right.value}{'ms' if right.value.isdigit() else ''}", ""
    return f"{path} {operator} {_literal(right.value)}", ""


def _among(negation: str, operator: str, right: _Side) -> tuple[str, str]:
    """A condition on the answer of a name server, of which there may be several here."""
    if right.function == "pat":
        return f"text {negation}matches {quoted(_pattern(right.value).replace('(?s)', '(?m)'))}", ""
    if right.function or operator not in ("==", "!="):
        return "", _NOTHING
    return f"answers {negation}contains {quoted(right.value)}", ""


def _side(text: str, kind: str) -> _Side:
    text = text.strip()
    if function := _FUNCTION.fullmatch(text):
        inner = field_path(function[2], kind)
        if function[1] in ("len", "has"):
            return _Side(inner, function=function[1])
        return _Side(value=function[2], function=function[1])
    if _FIELD.fullmatch(text):
        return _Side(field_path(text, kind), value=_NAMELESS)
    return _Side(value=text)


def _literal(text: str) -> str:
    if _NUMBER.fullmatch(text) or text in ("true", "false", "null") or "{{" in text:
        return text
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return quoted(text)


def _pattern(wildcards: str) -> str:
    return "(?s)^" + ".*".join(re.escape(part) for part in wildcards.strip().split("*")) + "$"
