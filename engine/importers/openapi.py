"""OpenAPI: what only reads, and needs only documented examples, becomes a workflow; the rest is listed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from engine.errors import TocsinError
from engine.importers.draft import Draft, literal, statuses, step
from engine.text import own_words, plain

EVERY = 60.0
TIMEOUT = 30.0
SCHEMA_LIMIT = 5_000
"""Values in the schema of a body; a longer one is left out of the check."""

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_READING = ("get", "head")
_DEPTH = 20
_CONVERTED = ("type", "nullable", "example", "xml", "externalDocs", "discriminator", "deprecated", "format",
              "properties")  # fmt: skip
_MISSING = object()
_FROM_ENVIRONMENT = "${env:API_TOKEN}"


class _NoSchemaError(ValueError):
    """A schema that cannot be written out: it holds itself, or what it refers to is elsewhere."""


def translate(text: str, draft: Draft, targets: tuple[str, ...]) -> None:
    """Put the operations of a description into `draft`. Raises TocsinError."""
    data = literal(_read(text, draft))
    paths = data.get("paths") if isinstance(data, dict) else None
    if not isinstance(paths, dict) or not ("openapi" in data or "swagger" in data):
        raise TocsinError("this is no OpenAPI description", "it has `openapi:` or `swagger:`, and `paths:`")
    draft.environment["base_url"] = targets[0] if targets else _server(data, draft)
    for extra in targets[1:]:
        draft.note("", f"a description has one --target; {plain(extra, 80)} was left out")
    for path, written in paths.items():
        item = _resolved(written, data)
        if written and not item:
            draft.note(str(path), f"left out: {plain(_get(written, '$ref'), 80)} is not in the description")
        for method in _METHODS:
            if isinstance(item.get(method), dict):
                _Operation(data, draft, str(path), method, item).add()
    if data.get("webhooks"):
        draft.note("webhooks", "they are calls to somebody else")


class _Operation:
    """One method of one path."""

    def __init__(self, root: Any, draft: Draft, path: str, method: str, item: Mapping[str, Any]) -> None:
        self._root = root
        self._draft = draft
        self._path = path
        self._method = method
        self._item = item
        self._operation = item[method]
        self._where = f"{method.upper()} {path}"

    def add(self) -> None:
        if self._method not in _READING:
            self._draft.note(self._where, "left out: it may change something, and is yours to write")
            return
        filled = self._filled()
        if filled is None:
            return
        path, query, headers = filled
        self._authorize(query, headers)
        spec: dict[str, Any] = {
            "method": self._method.upper(),
            "url": self._base() + path,
            "params": query,
            "headers": headers,
        }
        expect, schema = self._answers()
        spec["schema"] = schema
        name = self._operation.get("operationId") or self._operation.get("summary") or self._where
        tags = [self._draft.identifier(str(tag)) for tag in self._operation.get("tags", ())]
        made = step("call", "http", spec, TIMEOUT, expect=expect)
        self._draft.workflow(
            str(name), [made], every=EVERY, tags=tags, description=str(self._operation.get("summary", ""))
        )

    def _filled(self) -> tuple[str, dict[str, Any], dict[str, str]] | None:
        """The path, the query and the headers with their examples; None, noted, when one has none."""
        path, query, headers = self._path, {}, {}
        for parameter in self._parameters():
            name, place = str(parameter.get("name")), parameter.get("in")
            if not (parameter.get("required") or place == "path"):
                continue
            value = _example(parameter, self._root)
            if isinstance(value, list) and value:
                value = value[0]  # several values may always be one
            if value is _MISSING or isinstance(value, (dict, list)) or value is None:
                self._draft.note(self._where, f"left out: there is no example of its parameter `{name}`")
                return None
            if place == "path":
                path = path.replace(f"{{{name}}}", quote(_text(value), safe=""))
            elif place == "query":
                query[name] = value
            elif place == "header":
                headers[name] = _text(value)
            elif place == "cookie":
                _add_cookie(headers, name, _text(value))
            else:
                self._draft.note(self._where, f"its parameter `{name}` in {place} was left out")
        return path, query, headers

    def _parameters(self) -> Iterator[Mapping[str, Any]]:
        own = [_resolved(p, self._root) for p in self._operation.get("parameters", ())]
        named = {(p.get("name"), p.get("in")) for p in own}
        shared = (_resolved(p, self._root) for p in self._item.get("parameters", ()))
        yield from (p for p in shared if (p.get("name"), p.get("in")) not in named)
        yield from own

    def _base(self) -> str:
        """What the path is under: a server of its own, or the environment's."""
        for holder in (self._operation, self._item):
            servers = holder.get("servers")
            if isinstance(servers, list) and servers:
                url = _url(servers[0])
                if "://" in url:
                    return url
                self._draft.note(self._where, f"its own server {plain(url, 100)} names no host: not used")
        return "{{ env.base_url }}"

    def _authorize(self, query: dict[str, Any], headers: dict[str, str]) -> None:
        """Add what the operation's first way of security wants, its secret from the environment."""
        needed = self._operation.get("security", self._root.get("security")) or []
        schemes = self._root.get("components", {}).get("securitySchemes")
        schemes = schemes or self._root.get("securityDefinitions") or {}
        for name in needed[0] if needed else ():
            scheme = _resolved(schemes.get(name), self._root)
            kind = (scheme.get("type"), str(scheme.get("scheme", "")).lower(), scheme.get("in"))
            if kind[0] == "apiKey" and kind[2] in ("header", "query", "cookie"):
                self._draft.note("", "API keys are read from the variable API_TOKEN")
                if kind[2] == "cookie":
                    _add_cookie(headers, str(scheme.get("name")), _FROM_ENVIRONMENT)
                else:
                    (headers if kind[2] == "header" else query)[str(scheme.get("name"))] = _FROM_ENVIRONMENT
            elif kind[:2] == ("http", "bearer") or kind[0] in ("oauth2", "openIdConnect"):
                self._draft.note("", "bearer tokens are read from the variable API_TOKEN")
                headers["Authorization"] = f"Bearer {_FROM_ENVIRONMENT}"
            elif "basic" in kind[:2]:
                self._draft.note("", "the base64 of user:password is read from the variable API_TOKEN")
                headers["Authorization"] = f"Basic {_FROM_ENVIRONMENT}"
            else:
                self._draft.note(self._where, f"its security `{plain(name, 60)}` has no counterpart")

    def _answers(self) -> tuple[list[str], dict[str, Any] | None]:
        """What is expected of the status, and the schema of the body when there is but one success."""
        responses = self._operation.get("responses", {})
        good = {str(code): answer for code, answer in responses.items() if str(code)[:1] in "23"}
        ranges = [
            (int(c), int(c)) if c.isdigit() else (int(c[0]) * 100, int(c[0]) * 100 + 99)
            for c in good
            if c.isdigit() or c[1:].upper() == "XX"
        ]
        expect = statuses(ranges or [(200, 299)])
        if self._method == "head":
            return expect, None
        schemas = [_schema_of(_resolved(answer, self._root)) for answer in good.values()]
        if len(good) != 1:
            if any(schemas):
                self._unchecked("there are several good answers")
            return expect, None
        return expect, self._written_out(schemas[0])

    def _unchecked(self, reason: str) -> None:
        self._draft.note(self._where, f"the schema of its answer is not checked: {reason}")

    def _written_out(self, schema: Any) -> dict[str, Any] | None:
        if not isinstance(schema, dict):
            return None
        from engine.workflows.steps.json_schema import compile_schema

        try:
            found = _Writer(self._root).write(schema)
            if not isinstance(found, dict):
                return None
            compile_schema(found)
        except (ValueError, RecursionError) as error:
            self._unchecked(own_words(error, 200))
            return None
        return found


def _schema_of(answer: Mapping[str, Any]) -> Any:
    """The schema of an answer in JSON."""
    for kind, value in answer.get("content", {}).items():
        name = str(kind).partition(";")[0].strip()
        if isinstance(value, dict) and (name in ("application/json", "*/*") or name.endswith("+json")):
            return value.get("schema")
    return answer.get("schema")


def _add_cookie(headers: dict[str, str], name: str, value: str) -> None:
    headers["Cookie"] = "; ".join(filter(None, (headers.get("Cookie"), f"{name}={value}")))


def _read(text: str, draft: Draft) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TocsinError(f"the description is no JSON: {plain(error, 200)}") from None
    return draft.read(text)


def _server(data: Mapping[str, Any], draft: Draft) -> str:
    """The first server, its variables at their defaults."""
    if "swagger" in data:
        if not (host := data.get("host")):
            return _no_server(draft, str(data.get("basePath", "")))
        scheme = (data.get("schemes") or ["https"])[0]
        return f"{scheme}://{host}{data.get('basePath', '')}".rstrip("/")
    servers = data.get("servers")
    if not isinstance(servers, list) or not servers or not isinstance(servers[0], dict):
        return _no_server(draft)
    for other in servers[1:]:
        draft.note("", f"only the first server is used, not {plain(_get(other, 'url'), 100)}")
    url = _url(servers[0])
    return url if "://" in url else _no_server(draft, url)


def _url(server: Any) -> str:
    """The address of a server, its variables at their defaults."""
    url = str(_get(server, "url"))
    for name, variable in server.get("variables", {}).items() if isinstance(server, dict) else ():
        url = url.replace(f"{{{name}}}", str(_get(variable, "default")))
    return url.rstrip("/")


def _no_server(draft: Draft, path: str = "") -> str:
    draft.note("", "the description names no host: set the variable BASE_URL, or import with --target")
    path = path.strip("/")
    return "${env:BASE_URL}" + (f"/{path}" if path else "")


def _get(value: Any, key: str) -> Any:
    return value.get(key, "") if isinstance(value, dict) else ""


def _example(parameter: Mapping[str, Any], root: Any) -> Any:
    """The value that the description itself proposes, or `_MISSING`."""
    schema = _resolved(parameter.get("schema", parameter), root)
    for holder in (parameter, schema):
        if "example" in holder:
            return holder["example"]
        examples = holder.get("examples")
        if isinstance(examples, dict) and examples:
            return _resolved(next(iter(examples.values())), root).get("value", _MISSING)
        if isinstance(examples, list) and examples:
            return examples[0]
        for key in ("default", "x-example", "const"):
            if key in holder:
                return holder[key]
        if holder.get("enum"):
            return holder["enum"][0]
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return _example(schema["items"], root)
    return _MISSING


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _resolved(value: Any, root: Any) -> dict[str, Any]:
    """The mapping that `$ref` leads to; an empty one when it leads nowhere."""
    for _ in range(_DEPTH):
        if not isinstance(value, dict):
            return {}
        if not isinstance(value.get("$ref"), str):
            return value
        value = _pointed(value["$ref"], root)
    return {}


def _pointed(reference: str, root: Any) -> Any:
    if not reference.startswith("#/"):
        return None
    value = root
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        value = value.get(key) if isinstance(value, dict) else None
    return value


class _Writer:
    """Writes a schema out: without references, in the words of JSON Schema."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._open: list[str] = []
        self._count = 0

    def write(self, schema: Any) -> Any:
        """The schema. Raises _NoSchemaError."""
        self._count += 1
        if self._count > SCHEMA_LIMIT:
            raise _NoSchemaError("it is too long")
        if isinstance(schema, list):
            return [self.write(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if isinstance(schema.get("$ref"), str):
            return self._referred(schema["$ref"])
        kept = {k: v for k, v in schema.items() if k not in _CONVERTED and not str(k).startswith("x-")}
        found = {key: self.write(value) for key, value in kept.items()}
        if isinstance(schema.get("properties"), dict):
            # Names of properties are no words of the schema language.
            found["properties"] = {name: self.write(inner) for name, inner in schema["properties"].items()}
        kind, may_be_null = schema.get("type"), schema.get("nullable")
        if kind is not None and kind != "file":
            found["type"] = [kind, "null"] if may_be_null and isinstance(kind, str) else kind
        if may_be_null and isinstance(found.get("enum"), list):
            found["enum"] = [*found["enum"], None]
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(is_exclusive := found.get(exclusive), bool):
                del found[exclusive]
                if is_exclusive and bound in found:
                    found[exclusive] = found.pop(bound)
        return found

    def _referred(self, reference: str) -> Any:
        target = _pointed(reference, self._root)
        if target is None:
            raise _NoSchemaError(f"{plain(reference, 80)} is not in the description")
        if reference in self._open or len(self._open) >= _DEPTH:
            raise _NoSchemaError(f"{plain(reference, 80)} refers to itself")
        self._open.append(reference)
        found = self.write(target)
        self._open.pop()
        return found
