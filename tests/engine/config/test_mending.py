"""One fault of a workflow or rule does not hide its others."""

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.loader import load_config
from engine.config.mending import mended
from engine.config.schema import Rule, Workflow
from engine.errors import ConfigError


def problems(tmp_path: Path, body: str) -> list[str]:
    path = tmp_path / "rules.yaml"
    path.write_text("version: 1\nchannels: {ops: {url: 'json://h'}}\n" + dedent(body))
    with pytest.raises(ConfigError) as raised:
        load_config(path, env={})
    return [str(problem).removeprefix(f"{path}:") for problem in raised.value.problems]


def test_a_broken_workflow_tells_its_other_faults(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """\
        workflows:
          - id: w
            evry: 30s
            retry: agressive
            steps:
              - {id: a, http: {url: "htp://x", metod: GET}, expect: ["statsu == 200"], retry: fst}
              - {id: b, htp: {url: x}, expect: ["status == 200"]}
              - {id: c, http: {url: "{{ a.token }}{{ b.token }}"}, extract: {t: bdy}}
            finally:
              - {id: d, wait: {}}
              - {id: e, wait: {for: 1s}, retry: slo}
        """,
    ) == [
        "4:5: `name` is missing",
        "5:5: unknown key `evry` (did you mean `every`?)",
        "6:12: there is no retry strategy `agressive` (did you mean `aggressive`?)",
        "8:29: `url` begins with http:// or https:// and a host, found `htp://x` (did you mean `http`?)",
        "8:40: unknown key `metod` (did you mean `method`?)",
        "8:62: a reply to http has no `statsu` (did you mean `status`?)",
        "8:87: there is no retry strategy `fst` (did you mean `fast`?)",
        "9:17: unknown key `htp` (did you mean `http`?)",
        "10:73: a reply to http has no `bdy` (did you mean `body`?)",
        "12:23: `for` is missing",
        "13:41: there is no retry strategy `slo` (there is default, aggressive, fast)",
    ]


def test_a_value_of_several_shapes_hides_nothing_beside_it(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        workflows:
          - id: w
            cron: 61 * * * *
            retry: {x: 1}
            steps:
              - {id: a, http: {url: http://h}, retry: {tries: 2}, extract: {t: {form: body}}, expect: [a]}
              - {http: {url: http://h}, retry: fst}
              - {id: c, http: {metod: GET}}
              - {id: d, http: {metod: GET}}
              - {id: e, http: {metod: GET}}
        """,
    )
    told = [problem.split(": ", 1)[1].partition(" (")[0] for problem in found]
    assert told[:8] == [
        "`name` is missing",
        "`cron` cannot be used: Bad minute",
        "unknown key `x`",
        "unknown key `tries`",
        "unknown key `form`",
        "after 'a' one of == != < <= > >= in contains matches is expected",
        "`id` is missing",
        "there is no retry strategy `fst`",
    ]


def test_values_that_are_used_twice(tmp_path: Path) -> None:
    shared = "{url: http://h, address: h, auth: {usr: a, b: {c: 1}}}"
    steps = [f"{{id: s{n}, {kind}: *x, retry: fst}}" for n, kind in enumerate(["http", "tcp", "http", "tls"])]
    entry = f"{{id: w, name: W, every: 1m, steps: [{{id: s, http: &x {shared}}}, {', '.join(steps)}]}}"
    found = problems(tmp_path, f"workflows:\n  - {entry}\n")
    assert any("unknown key `address`" in problem for problem in found)


def test_a_broken_rule_tells_its_other_faults(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """\
        rules:
          - id: r
            severty: high
            channels: [opps]
            conditions:
              - {type: TRESHOLD, metric: workflow.status}
              - {type: CUSTOM, expression: "workflow.status == 'faild'", windw: 5m}
        """,
    ) == [
        "4:5: `name` is missing",
        "5:5: unknown key `severty` (did you mean `severity`?)",
        "6:16: there is no channel `opps` (did you mean `ops`?)",
        "8:16: `type` wants one of THRESHOLD, RATE, PATTERN, DURATION, CUSTOM, ABSENCE, CONSECUTIVE, X_OF_Y, "
        "BURN_RATE, COMPOSITE, TREND, found `TRESHOLD` "
        "(did you mean `THRESHOLD`?)",
        "9:36: workflow.status is never `faild`; did you mean failed?",
        "9:66: unknown key `windw` (did you mean `window`?)",
    ]


def test_a_long_list_of_faults_is_cut(tmp_path: Path) -> None:
    rules = "".join(f"  - {{id: r{n}, name: R, condition: []}}\n" for n in range(150))
    found = problems(tmp_path, "rules:\n" + rules)
    assert len(found) == 201
    assert found[-1] == "104:5: and 100 more from here on"


KEYS = st.sampled_from(["id", "name", "steps", "finally", "wait", "http", "url", "conditions", "all", "type"])


def within(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """What holds such values."""
    return inner | st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5)


SCALARS: st.SearchStrategy[object] = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = within(within(within(SCALARS)))


@given(VALUES, st.sampled_from([Workflow, Rule]))
def test_anything_can_be_tried(value: object, kind: type[Workflow | Rule]) -> None:
    left = mended(kind, value)
    assert left is None or isinstance(left, kind)
