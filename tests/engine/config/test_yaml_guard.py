"""Hostile and trap-ridden YAML, and the positions of what is fine."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.nodes import plain_data
from engine.config.yaml_guard import parse_yaml, resolve
from engine.errors import ConfigError


def data(text: str) -> Any:
    root, problems = parse_yaml(text, "f")
    assert problems == []
    return plain_data(root)


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f")
    return str(caught.value.problems[-1])


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 30)
)
MERGES = "m0: &m0 {" + ", ".join(f"k{i}: 1" for i in range(50)) + "}\n"
MERGES += "".join(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}], n{i}: 1}}\n" for i in range(1, 400))
BOMBS = {
    "aliases": (LAUGHS, "the file stands for more than 100,000 values"),
    "merge keys": (MERGES, "the file stands for more than 100,000 values"),
    "flow depth": ("[" * 200_000, "nested more than 50 levels deep"),
    "mapping depth": ("{a: " * 100_000, "nested more than 50 levels deep"),
    "block depth": ("- " * 100_000 + "x", "nested more than 50 levels deep"),
    "text": (
        f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]",
        "the file stands for more than 100,000 values",
    ),
    "values": ("- 1\n" * 100_001, "the file stands for more than 100,000 values"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name: str) -> None:
    text, message = BOMBS[name]
    started = time.process_time()
    assert message in fault(text)
    # A bomb that goes off takes seconds or never ends; the parser alone takes up to half a second for the
    # largest flat file.
    assert time.process_time() - started < (2.0 if name == "values" else 0.5)


def test_merge_chain_costs_what_it_holds() -> None:
    lines = ["m0: &m0 {a: 1}"] + [
        f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 10)}]}}" for i in range(1, 15)
    ]
    assert data("\n".join(lines))["m14"] == {"a": 1}


def test_cycles_are_refused() -> None:
    assert (
        fault("a: &a\n  b: *a\n")
        == "f:2:6: `*a` refers to a value that holds it (a value cannot hold itself)"
    )
    assert "refers to nothing" in fault("a: *b")


def test_anchors_and_merges_work() -> None:
    text = (
        "base: &base {x: 1, y: 2}\none: {<<: *base, y: 3}\ntwo: {y: 4, <<: [*base, {z: 5}]}\nthree: *base\n"
    )
    assert data(text) == {
        "base": {"x": 1, "y": 2},
        "one": {"y": 3, "x": 1},
        "two": {"y": 4, "x": 1, "z": 5},
        "three": {"x": 1, "y": 2},
    }


def test_a_merge_of_no_mapping_is_a_problem() -> None:
    _, problems = parse_yaml("a: {<<: 5}", "f")
    assert [str(p) for p in problems] == [
        "f:1:5: `<<` takes a mapping, or a list of mappings (such as `<<: *defaults`)"
    ]


def test_duplicate_keys_name_both_lines_and_hide_nothing() -> None:
    root, problems = parse_yaml("a: 1\nb: 2\na: 3\nb: 4\n", "f")
    assert [str(p) for p in problems] == [
        "f:3:1: `a` is set twice, on lines 1 and 3 (keep one of them)",
        "f:4:1: `b` is set twice, on lines 2 and 4 (keep one of them)",
    ]
    assert plain_data(root) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("on", "on"), ("no", "no"), ("yes", "yes"), ("NO", "NO"), ("12:30:45", "12:30:45"),
        ("0777", "0777"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"),
        ("1.2.3", "1.2.3"), (".inf", ".inf"), (".nan", ".nan"), ("=", "="), ("1e999", "1e999"), ("-", None),
        ("true", True), ("False", False), ("~", None), ("null", None), ("", None), ("0", 0), ("-7", -7),
        ("1.10", 1.1), ("1e3", 1e3), (".5", 0.5), ("5.", 5.0),
        ("'true'", "true"), ('"5"', "5"), ("!!str 5", "5"), ("! 5", "5"),
    ],
)  # fmt: skip
def test_scalars_mean_what_was_typed(typed: str, meant: object) -> None:
    if typed == "-":
        assert data(f"a:\n  {typed}") == {"a": [None]}
        return
    value = data(f"a: {typed}")["a"]
    assert value == meant
    assert type(value) is type(meant)


def test_keys_are_text_as_typed() -> None:
    assert data("on: 1\n200: 2\n0777: 3\ntrue: 4\n") == {"on": 1, "200": 2, "0777": 3, "true": 4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document starts here (keep one document in the file)"),
        ("a: !!python/object:os.system x", "f:1:4: unknown tag `!!python/object:os.system`"),
        ("a: !secret x", "f:1:4: unknown tag `!secret`"),
        ("a: !!set {x}", "f:1:4: unknown tag `!!set`"),
        ("? [a]\n: 1\n", "f:1:3: a key is a plain word, not a list or a mapping"),
        ("a: &x [1]\n*x : 2\n", "f:2:1: a key is a plain word, not a list or a mapping"),
        ('"": 1', "f:1:1: a key is missing before `:`"),
        ("a:\n\t- b\n", "f:2:1: a tab; YAML is indented with spaces (replace the tab by spaces)"),
        ("a: @b", "f:1:4: `@` cannot start a value (put the value in quotes)"),
        ("a: b: c", "f:1:5: a `:` is not expected here"),
        ('a: "b\nc: 1\n', "f:1:4: a quote is never closed"),
        ("a: [1, 2\nb: 3\n", "f:2:2: a `,` or `]` is missing"),
        ('a: "\\q"', "f:1:5: an unknown `\\` escape"),
        ("a: 1\n b: 2\n", "f:2:3: a `:` is not expected here"),
        ("abc\ndef: 1\n", "f:2:4: a `:` is not expected here"),
        ("", "f:1:1: the file is empty (`tocsin init` writes one to start from)"),
        ("# only words\n", "f:1:1: the file is empty"),
    ],
)
def test_faults_say_what_and_where(text: str, expected: str) -> None:
    assert fault(text).startswith(expected)


def test_nodes_know_their_places() -> None:
    root, _ = parse_yaml('a:\n  - x: 1\n    é: &n "q"\n', "f")
    inner = root.value["a"].value[0]
    assert (inner.line, inner.column) == (2, 5)
    assert inner.keys["é"] == (3, 5)
    assert (inner.value["é"].line, inner.value["é"].column) == (3, 8)


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#%@,?<~ \n\t1.0"), max_size=60))
def test_any_text_composes_or_is_a_config_error(text: str) -> None:
    try:
        root, problems = parse_yaml(text, "f")
        plain_data(root)
    except ConfigError as error:
        problems = error.problems
        if not problems:
            raise
    for problem in problems:
        assert 1 <= problem.line <= text.count("\n") + 2
        assert problem.column >= 1
        assert problem.message


@given(st.text(max_size=30))
def test_resolve_gives_back_text_or_its_value(text: str) -> None:
    value = resolve(text)
    assert value is None or isinstance(value, bool) or value == text or float(text) == value
