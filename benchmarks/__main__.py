"""`python -m benchmarks [name]`: run the benchmarks, print a table, write `results.json`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import benchmarks
from engine.lines import table, wants_colour
from engine.text import own_words

Figure = dict[str, Any]
VOID = "void"
"""The value of a figure whose measurement does not count; `against` says why."""
RESULTS = Path(__file__).with_name("results.json")
# Of all others, less is better.
MORE_IS_BETTER = frozenset(
    {
        "executions_ratio",
        "overload_goodput",
        "log_ingest_ratio",
        "point_ingest_ratio",
        "span_ingest_ratio",
        "backtest_executions_per_s",
    }
)


def main() -> int:
    """Returns 0 when everything was measured, 1 when a benchmark broke, 2 for an unknown name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="one benchmark, or one of its figures")
    name = parser.parse_args().name
    modules = discover()
    chosen = [module for module in modules if name in (None, short(module), *figures(module))]
    if not chosen:
        known = [word for module in modules for word in (short(module), *figures(module))]
        print(f"there is no benchmark {name}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    results, broken = [], False
    for module in chosen:
        print(f"{short(module)} …", file=sys.stderr, flush=True)
        try:
            results += module.run()
        except Exception as error:
            print(f"{short(module)} broke: {own_words(error)}", file=sys.stderr)
            broken = True
    if name is not None and name not in map(short, chosen):
        results = [figure for figure in results if figure["name"] == name]
    print("\n".join(report(results)))
    write(results)
    return int(broken)


def discover() -> list[ModuleType]:
    """All `bench_*` modules of this package, by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__))
    return [importlib.import_module(f"benchmarks.{name}") for name in names if name.startswith("bench_")]


def short(module: ModuleType) -> str:
    """`start` of `benchmarks.bench_start`."""
    return module.__name__.rpartition("bench_")[2]


def figures(module: ModuleType) -> tuple[str, ...]:
    """The names of the figures that a module says it measures."""
    return tuple(getattr(module, "FIGURES", ()))


def verdict(figure: Figure) -> str:
    """Whether the goal is met: `ok`, `failed`, `void`, or `–` without a goal or a value."""
    value, goal = figure["value"], figure["goal"]
    if value == VOID:
        return VOID
    if value is None or goal is None:
        return "–"
    return "ok" if (value >= goal if figure["name"] in MORE_IS_BETTER else value <= goal) else "failed"


def report(results: list[Figure]) -> list[str]:
    """The aligned table of figures."""
    rows = [(f["name"], _number(f["value"]), f["unit"], _goal(f), f["against"], verdict(f)) for f in results]
    header = ("FIGURE", "VALUE", "UNIT", "GOAL", "AGAINST", "VERDICT")
    return table(header, rows, colour=wants_colour(sys.stdout))


def write(results: list[Figure]) -> None:
    """Replace `results.json`, whole."""
    partial = RESULTS.with_suffix(".part")
    partial.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, RESULTS)


def _goal(figure: Figure) -> str:
    sign = "≥" if figure["name"] in MORE_IS_BETTER else "≤"
    return "–" if figure["goal"] is None else f"{sign} {_number(figure['goal'])}"


def _number(value: float | str | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
