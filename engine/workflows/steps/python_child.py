"""The program that a `python` step runs in a process of its own: limits first, then the function.

It needs the standard library alone, since the interpreter may be another than the engine's. What to do is
read from standard input, and the answer is written in its place.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

Answer = dict[str, Any]


def main() -> None:
    """Read the request, carry it out within its limits, write the answer."""
    with os.fdopen(os.dup(0), "r+b") as exchange:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        request = json.loads(exchange.read())
        for name, value in request["limits"].items():
            _limit(getattr(resource, name), value)
        sys.path[:0] = request["path"]
        answer = _encoded(_carry_out(request["call"], request["with"]), request["max_answer"])
        exchange.seek(0)
        exchange.truncate()
        exchange.write(answer)


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # Beyond the soft limit of CPU time there is a signal that says so, beyond the hard one there is none.
    above = value + 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else value
    resource.setrlimit(kind, (value, above))


def _carry_out(call: str, arguments: Mapping[str, Any]) -> Answer:
    try:
        function = _find(call)
        inspect.signature(function).bind(**arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - border: whatever the module does when it is loaded
        return {"wrong": _raised(error)}
    try:
        result = function(**arguments)
        if inspect.isawaitable(result):
            result = asyncio.run(_wait_for(result))
    except Exception as error:  # noqa: BLE001 - border: whatever the function raises is the answer
        return {"raised": _raised(error)}
    return {"result": result}


def _find(call: str) -> Callable[..., Any]:
    """The function of `package.module:function` or `path/file.py:function`."""
    place, _, name = call.rpartition(":")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location(os.path.basename(place)[:-3], place)
        if spec is None or spec.loader is None:
            raise ImportError(f"{place} is no module")
        found: Any = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = found
        spec.loader.exec_module(found)
    else:
        found = importlib.import_module(place)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} cannot be called")
    function: Callable[..., Any] = found
    return function


async def _wait_for(result: Any) -> Any:
    return await result


def _raised(error: BaseException) -> Answer:
    """What the engine makes a sentence of; `types` are the names of its class and of those above."""
    try:
        message = str(error)[:2000]
    except Exception:  # noqa: BLE001 - border: the error's own code
        message = ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame for frame in frames if not frame.filename.startswith("<")]
    where = f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else ""
    types = [kind.__name__ for kind in type(error).__mro__][:20]
    return {"types": types, "message": message, "where": where}


def _encoded(answer: Answer, limit: int) -> bytes:
    try:
        data = json.dumps(answer).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"no_json": str(error)[:500]}).encode()
    return data if len(data) <= limit else json.dumps({"too_long": len(data)}).encode()


if __name__ == "__main__":
    main()
