"""The rule language: `p95(workflow.duration) > 2 and workflow.priority == 'critical'`.

A small whitelist over Python's expression grammar, checked when it is read. Numbers are seconds or percent.

    metrics     workflow.duration, workflow.failure_rate, health.score, health.store.status, series.NAME …
    operators   + - * / %   == != < <= > >=   and or not   ( )
    over the window, of workflow.duration, workflow.attempts or a series:
      avg(m) min(m) max(m) p50(m) p95(m) p99(m)   delta(m): newest minus oldest
      count()         executions in the window, count(series.NAME) its points
      rate(test)      percent of executions in the window that meet the test, such as workflow.attempts > 1
    age()             seconds since the last execution ended, age(series.NAME) since its newest point
    matches(m, 're')  an RE2 pattern found in a text metric

Missing values, division by zero and results beyond a float's range are unknown (None); `and`, `or` and `not`
follow three-valued logic.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.patterns import compile_pattern
from engine.rules.metrics import EXECUTION_METRICS, METRICS, Kind, check_word, known_metric, metric_kind
from engine.rules.nodes import (
    REDUCERS,
    Age,
    Arithmetic,
    Comparison,
    Constant,
    Count,
    Logic,
    Matches,
    Metric,
    Node,
    Not,
    Rate,
    Reduce,
    Scope,
)
from engine.rules.series import PREFIX
from engine.text import nearest

MAX_CHARACTERS = 500
MAX_NODES = 100
MAX_DEPTH = 12

_TRUTH = "truth value"
_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
FUNCTIONS = (*REDUCERS, "count", "rate", "age", "matches")
"""What an expression may call."""
_ASSIGNED = re.compile(r"^[^'\"]*[^'\"=!<>]=(?!=)")
"""A single `=`, before any quoted text."""
_MARKS = (ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    `sources` pairs the words of each metric and function with its node; `looks_back` tells that it asks for
    executions without naming one of their metrics.
    """

    text: str
    root: Node
    metrics: frozenset[str]
    looks_back: bool
    sources: tuple[tuple[str, Node], ...]

    def evaluate(self, scope: Scope) -> bool | None:
        """True, False, or None when something it needs is unknown. Never raises."""
        value = self.root.evaluate(scope)
        return value if isinstance(value, bool) else None


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Read and check an expression of at most 500 characters, 100 parts and depth 12.

    Raises:
        ValueError: with a sentence that says what is wrong and what to write instead.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"the expression has {len(text)} characters; shorten it to {MAX_CHARACTERS}")
    body = _read(text.strip())
    _bound(body)
    reader = _Reader(text.strip())
    root, kind = reader.node(body)
    if kind != _TRUTH:
        raise ValueError(f"the expression gives a {kind}; compare it with something, such as `> 0`")
    return Expression(
        text.strip(), root, frozenset(reader.metrics), reader.looks_back, tuple(reader.sources.items())
    )


@lru_cache(maxsize=1024)
def parse_test(text: str) -> Node:
    """Read what a single execution is to meet, as inside `rate()`. Raises ValueError like `parse`."""
    root = parse(f"rate({text}) >= 0").root
    assert isinstance(root, Comparison)
    assert isinstance(root.first, Rate)
    return root.first.test


def _read(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            # Python warns about '\d' in plain strings, which is what patterns are full of.
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        written = (
            "; did you mean ==?"
            if _ASSIGNED.search(text)
            else ("; write it like `workflow.duration > 2 and count() >= 3`")
        )
        place = f"at character {error.offset or 1}"
        raise ValueError(f"the expression cannot be read {place}{written}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ValueError(
            "the expression cannot be read; write it like `workflow.duration > 2 and count() >= 3`"
        ) from None


def _bound(body: ast.expr) -> None:
    """Count parts and depth without recursion, before anything recursive sees the tree."""
    pending: list[tuple[ast.AST, int]] = [(body, 1)]
    count = 0
    while pending:
        node, depth = pending.pop()
        count += 1
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise ValueError(
                f"the expression is too large; keep it to {MAX_NODES} parts and {MAX_DEPTH} levels"
                " or split it into several conditions"
            )
        children = [child for child in ast.iter_child_nodes(node) if not isinstance(child, _MARKS)]
        pending.extend((child, depth + 1) for child in children)


class _Reader:
    """Turns Python's syntax tree into nodes, refusing what is not on the list."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._per_execution = False
        self.metrics: set[str] = set()
        self.looks_back = False
        self.sources: dict[str, Node] = {}

    def node(self, tree: ast.expr) -> tuple[Node, str]:
        """The node and what it gives: `number`, `text` or `truth value`."""
        match tree:
            case ast.Constant():
                return self._constant(tree)
            case ast.Attribute() | ast.Name():
                name = self._metric(tree)
                return self._remember(tree, Metric(name)), metric_kind(name)
            case ast.BoolOp():
                parts = tuple(self._truth(part) for part in tree.values)
                return Logic(isinstance(tree.op, ast.And), parts), _TRUTH
            case ast.UnaryOp():
                return self._unary(tree)
            case ast.BinOp() if type(tree.op) in _SIGNS:
                sign = _SIGNS[type(tree.op)]
                return Arithmetic(sign, self._number(tree.left), self._number(tree.right)), Kind.NUMBER
            case ast.Compare():
                return self._comparison(tree), _TRUTH
            case ast.Call():
                return self._call(tree)
            case _:
                raise ValueError(
                    f"`{self._words(tree)}` is not part of the rule language; "
                    "use metrics, numbers, texts, + - * / %, comparisons, and, or, not and its functions"
                )

    def _constant(self, tree: ast.Constant) -> tuple[Node, str]:
        value = tree.value
        if isinstance(value, str):
            return Constant(value), Kind.TEXT
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if math.isfinite(number):
                return Constant(number), Kind.NUMBER
            raise ValueError("a number is too large; write one below 1e308")
        raise ValueError(f"`{self._words(tree)}` is no number and no text; compare with one of those")

    def _metric(self, tree: ast.expr) -> str:
        name = _dotted(tree)
        if name is None or not known_metric(name):
            near = nearest(name or "", METRICS)
            hint = (
                f"did you mean {near}?"
                if near
                else "metrics are named like workflow.duration or health.score"
            )
            raise ValueError(f"`{self._words(tree)}` is no metric; {hint}")
        if self._per_execution and name not in EXECUTION_METRICS:
            raise ValueError(
                f"{name} is no metric of a single execution; "
                f"in rate() use {', '.join(sorted(EXECUTION_METRICS))}"
            )
        self.metrics.add(name)
        return name

    def _unary(self, tree: ast.UnaryOp) -> tuple[Node, str]:
        if isinstance(tree.op, ast.Not):
            return Not(self._truth(tree.operand)), _TRUTH
        if isinstance(tree.op, ast.USub):
            return Arithmetic("-", Constant(0.0), self._number(tree.operand)), Kind.NUMBER
        raise ValueError(f"`{self._words(tree)}` is not part of the rule language; use a minus or not")

    def _comparison(self, tree: ast.Compare) -> Node:
        first, kind = self.node(tree.left)
        if kind == _TRUTH:
            raise ValueError(
                f"`{self._words(tree.left)}` is already true or false; use it without a comparison"
            )
        rest: list[tuple[str, Node]] = []
        for operator, operand in zip(tree.ops, tree.comparators, strict=True):
            sign = _SIGNS.get(type(operator))
            if sign is None:
                raise ValueError(
                    "only == != < <= > >= compare; for part of a text use matches(metric, 'pattern')"
                )
            node, other = self.node(operand)
            if other != kind:
                raise ValueError(
                    f"`{self._words(tree)}` compares a {kind} with a {other}; compare like with like"
                )
            if kind == Kind.TEXT and sign not in ("==", "!="):
                raise ValueError(f"`{self._words(tree)}` puts texts in order; compare them with == or !=")
            rest.append((sign, node))
        neighbours = zip((first, *(node for _, node in rest)), rest, strict=False)
        for left, (sign, right) in neighbours:
            _check_meant(left, sign, right)
            _check_meant(right, sign, left)
        return Comparison(first, tuple(rest))

    def _call(self, tree: ast.Call) -> tuple[Node, str]:
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        if name not in FUNCTIONS:
            raise ValueError(f"`{self._words(tree.func)}` is no function; use {', '.join(FUNCTIONS)}")
        if self._per_execution and name != "matches":
            raise ValueError(f"{name}() looks at many executions and cannot stand inside rate(); move it out")
        wanted = {"count": 0, "age": 0, "matches": 2}.get(name, 1)
        of_series = wanted == 0 and len(tree.args) == 1 and isinstance(tree.args[0], ast.Attribute)
        if tree.keywords or (len(tree.args) != wanted and not of_series):
            raise ValueError(
                f"{name}() takes {wanted or 'no'} argument{'s' * (wanted != 1)}; write it like {_USAGE[name]}"
            )
        self.looks_back |= name in ("count", "age") and not tree.args
        if name == "matches":
            return self._remember(tree, self._matches(tree.args)), _TRUTH
        return self._remember(tree, self._over_window(name, tree.args)), Kind.NUMBER

    def _over_window(self, name: str, arguments: Sequence[ast.expr]) -> Node:
        if name in ("count", "age"):
            return (Count if name == "count" else Age)(self._series(name, arguments))
        if name == "rate":
            self._per_execution = True
            test = self._truth(arguments[0])
            self._per_execution = False
            return Rate(test)
        metric = self._metric(arguments[0])
        is_series = metric.startswith(PREFIX)
        if not is_series and (metric not in EXECUTION_METRICS or metric_kind(metric) != Kind.NUMBER):
            raise ValueError(f"{name}() takes workflow.duration, workflow.attempts or a series, not {metric}")
        return Reduce(name, metric)

    def _series(self, name: str, arguments: Sequence[ast.expr]) -> str | None:
        metric = self._metric(arguments[0]) if arguments else None
        if metric is not None and not metric.startswith(PREFIX):
            raise ValueError(f"{name}() is about executions; leave {metric} out")
        return metric

    def _matches(self, arguments: Sequence[ast.expr]) -> Node:
        metric, pattern = self._metric(arguments[0]), arguments[1]
        if (
            metric_kind(metric) != Kind.TEXT
            or not isinstance(pattern, ast.Constant)
            or not isinstance(pattern.value, str)
        ):
            raise ValueError(
                f"matches() takes a text metric and a quoted pattern; write it like {_USAGE['matches']}"
            )
        compile_pattern(pattern.value)
        return Matches(metric, pattern.value)

    def _truth(self, tree: ast.expr) -> Node:
        node, kind = self.node(tree)
        if kind != _TRUTH:
            raise ValueError(
                f"`{self._words(tree)}` is a {kind}, not true or false; compare it with something"
            )
        return node

    def _number(self, tree: ast.expr) -> Node:
        node, kind = self.node(tree)
        if kind != Kind.NUMBER:
            raise ValueError(f"`{self._words(tree)}` is a {kind}; only numbers can be calculated with")
        return node

    def _remember(self, tree: ast.expr, node: Node) -> Node:
        if not self._per_execution:
            self.sources[self._words(tree)] = node
        return node

    def _words(self, tree: ast.expr) -> str:
        return ast.get_source_segment(self._text, tree) or type(tree).__name__


def _check_meant(side: Node, sign: str, other: Node) -> None:
    """A word that a metric never is, or a share of one where a rate gives percent. Raises ValueError."""
    if not isinstance(other, Constant):
        return
    if isinstance(side, Metric) and isinstance(other.value, str):
        check_word(side.name, sign, other.value)
    elif isinstance(other.value, float) and 0 < other.value < 1:
        name = side.name if isinstance(side, Metric) else "rate()" if isinstance(side, Rate) else ""
        if name.endswith(("_rate", "rate()")):
            raise ValueError(
                f"{name} is percent, not a share; write {other.value * 100:g} for {other.value:g}"
            )


_USAGE = {
    **{name: f"{name}(workflow.duration)" for name in REDUCERS},
    "count": "count()",
    "age": "age()",
    "rate": "rate(workflow.attempts > 1)",
    "matches": "matches(workflow.error, 'refused|reset')",
}


def _dotted(tree: ast.expr) -> str | None:
    parts: list[str] = []
    while isinstance(tree, ast.Attribute):
        parts.append(tree.attr)
        tree = tree.value
    return ".".join(reversed([*parts, tree.id])) if isinstance(tree, ast.Name) else None
