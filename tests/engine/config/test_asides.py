"""What the chosen environment does not use is checked all the same: other overlays, fragments nobody uses."""

import time
from pathlib import Path
from textwrap import dedent

import pytest

from engine.config.loader import load_config
from engine.config.yaml_guard import MAX_VALUES
from engine.errors import ConfigError

BASE = """\
version: 1
environments: {dev: {url: "http://d"}, prod: {url: "http://p", key: 5}}
retries: {calm: {max_attempts: 2}}
channels: {ops: {url: "json://x"}}
workflows:
  - {id: v, name: V, every: 30s, steps: [{id: a, http: {url: "{{ env.url }}"}}]}
  - {id: w, name: W, every: 30s, retry: calm, steps: [{id: a, http: {url: "{{ env.url }}"}}]}
rules:
  - {id: r, name: R, conditions: [{type: CUSTOM, expression: "workflow.duration > 3"}]}
"""


def problems(tmp_path: Path, more: str) -> list[str]:
    """The faults of BASE with `more` from line 10, where dev is chosen."""
    path = tmp_path / "rules.yaml"
    path.write_text(BASE + dedent(more))
    try:
        load_config(path, env={})
    except ConfigError as error:
        return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
    return []


def test_an_overlay_of_another_environment_is_checked(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        overlays:
          prod:
            setings: {concurrency: 1}
            settings: {concurency: 1, responses: many}
            retries: {calm: {max_attempts: 99}}
            channels: {ops: {min_severity: LOUD}, pager: {url: "json://y"}}
            workflows:
              w: {every: soon, retry: calmm}
              x: {every: 1s}
            rules: {r: {channels: [pager, pagr]}}
        """,
    )
    assert found == [
        "12:14: `setings` is not what an overlay changes (did you mean `settings`?)",
        "13:16: unknown key `concurency` (did you mean `concurrency`?)",
        "13:42: `responses` wants a whole number, found `many`",
        "14:36: `max_attempts` is at most 20, found the number 99",
        "15:36: `min_severity` wants one of INFO, WARNING, ERROR, CRITICAL, found `LOUD`",
        "17:18: `every`: a duration is a number with a unit, such as 500ms, 30s, 5m, 1h30m or 7d, "
        "found `soon`",
        "17:31: there is no retry strategy `calmm` (did you mean `calm`?)",
        "18:10: there is no workflow `x` (there is v, w)",
        "19:35: there is no channel `pagr` (did you mean `pager`?)",
    ]


def test_steps_of_an_overlay_are_checked_in_their_environment(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        overlays:
          prod:
            workflows:
              v: {retry: calmm}
              w:
                steps:
                  - {id: b, http: {url: "{{ env.key }}"}, expect: ["statsu == 200"]}
                  - {id: c, http: {url: "{{ env.ky }}"}, needs: [a]}
        """,
    )
    assert found == [
        "13:18: there is no retry strategy `calmm` (did you mean `calm`?)",
        "16:60: a reply to http has no `statsu` (did you mean `status`?)",
        "17:33: `{{ env.ky }}` refers to nothing (did you mean `key`?)",
        "17:58: there is no step `a` above (`needs` names steps above)",
    ]


def test_variables_of_another_environment_need_not_be_at_hand(tmp_path: Path) -> None:
    overlay = """\
    overlays:
      prod:
        settings: {responses: "${env:N}"}
        channels: {ops: {url: "${env:URL}"}}
        workflows: {w: {every: "${env:T}", steps: [{id: b, http: {url: "${env:U}"}, timeout: "${env:S}"}]}}
    """
    assert problems(tmp_path, overlay) == []


def test_a_fragment_that_nothing_uses_is_checked(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        fragments:
          one:
            params: {user: null, n: 5, limit: null}
            steps:
              - {id: a, http: {url: "{{ params.usr }}"}, timeout: "{{ params.limit }}"}
          two:
            params: {n: soon}
            steps:
              - {id: b, http: {url: http://x}, timeout: "{{ params.n }}"}
          three:
            params: {n: 5}
            steps:
              - {id: b, http: {url: http://x}}
              - {use: one, with: {usr: x}}
              - {use: nobody, when: x}
              - {id: d, foreach: "{{ b.jsn.items }}", http: {url: "{{ item.x }}{{ params.n }}"}}
              - {id: d, htp: {url: http://x}}
        """,
    )
    assert [line.split(": ", 1)[1].split(" (")[0] for line in found] == [
        "the fragment has no parameter `usr`",
        "`timeout`: a duration is a number with a unit, such as 500ms, 30s, 5m, 1h30m or 7d, found `soon`",
        "the fragment wants a value for `user` in `with`",
        "the fragment has no parameter `usr`",
        "there is no fragment `nobody`",
        "`when` does not go with `use`",
        "unknown key `htp`",
    ]
    assert [line.split(": ")[0] for line in found] == [
        "14:29", "16:17", "23:9", "23:32", "24:15", "24:29", "26:17",
    ]  # fmt: skip


def test_languages_in_a_fragment_that_nothing_uses_are_checked(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """\
        fragments:
          two:
            params: {it: null, limit: null}
            steps:
              - {id: a, http: {url: http://x}, expect: ["statsu == 1", "size == {{ params.it }}"], retry: fst}
              - {id: b, http: {url: "{{ env.key }}{{ a.token }}"}, expect: ["duration < {{ params.limit }}"]}
              - {id: c, http: {url: "{{ env.nope }}"}}
              - {id: d, foreach: "{{ a.jsn.items }}", http: {url: "{{ item.x }}"}, needs: [a]}
        """,
    )
    assert found == [
        "14:49: a reply to http has no `statsu` (did you mean `status`?)",
        "14:99: there is no retry strategy `fst` (did you mean `fast`?)",
        "15:29: `{{ a.token }}` refers to nothing (add `token` to `extract` of the step `a`)",
        "16:29: `{{ env.nope }}` refers to nothing (add `nope` to the environment)",
        "17:26: a reply to http has no `jsn` (did you mean `json`?)",
    ]


def test_what_stands_around_a_fragment_is_open(tmp_path: Path) -> None:
    fragment = """\
    fragments:
      part:
        params: {user: null}
        steps:
          - {id: a, http: {url: "{{ params.user }}/{{ vars.any }}/{{ outer.token }}"}, needs: [outer]}
          - {id: d, foreach: "{{ outer.json.items }}", http: {url: "{{ item.x }}/${env:X}"}}
      open:
        params: {retry: null, seconds: null, items: null, id: null}
        steps:
          - {id: b, http: {url: http://x}, timeout: "{{ params.seconds }}", retry: "{{ params.retry }}"}
          - {id: c, foreach: "{{ params.items }}", http: {url: "{{ item.x }}"}}
          - {id: "{{ params.id }}", http: {url: http://y}}
    """
    assert problems(tmp_path, fragment) == []


def test_unused_fragments_that_use_each_other(tmp_path: Path) -> None:
    links = "".join(f"      f{n}: {{steps: [{{use: f{n + 1}}}]}}\n" for n in range(5))
    end = "      f5: {steps: [{id: a, http: {url: http://x}}]}\n      g: {steps: [{use: g}]}\n"
    assert problems(tmp_path, f"    fragments:\n{links}{end}") == [
        "11:22: fragments use each other in a circle or too deep: f0 → f1",
        "17:21: fragments use each other in a circle or too deep: g → g",
    ]


def test_a_fragment_used_by_another_environment_is_checked_there(tmp_path: Path) -> None:
    text = """\
    fragments: {one: {steps: [{id: a, http: {url: "{{ env.key }}"}}]}}
    overlays: {prod: {workflows: {w: {steps: [{use: one}]}}}}
    """
    assert problems(tmp_path, text) == []
    found = problems(tmp_path, text.replace("prod", "dev").replace("{w:", "{v:"))
    assert found == ["10:47: `{{ env.key }}` refers to nothing (add `key` to the environment)"]


def test_what_overlays_borrow_for_their_check_has_a_bound(tmp_path: Path) -> None:
    variables = ", ".join(f"v{n}: 1" for n in range(2_000))
    steps = "steps: [{id: a, http: {url: http://x}}]"
    path = tmp_path / "rules.yaml"
    places = MAX_VALUES // 2_000 + 1
    path.write_text(
        "version: 1\nenvironments: {dev: {a: 1}, "
        + ", ".join(f"e{n}: {{a: 1}}" for n in range(places))
        + f"}}\nworkflows: [{{id: w, name: W, every: 1s, variables: {{{variables}}}, {steps}}}]\noverlays:\n"
        + "".join(f"  e{n}: {{workflows: {{w: {{{steps}}}}}}}\n" for n in range(places))
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, env={})
    (problem,) = caught.value.problems
    assert problem.message == "overlays change parts of more than 100,000 values"


def test_the_check_of_what_is_not_used_grows_with_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"

    def spent(count: int) -> float:
        """Seconds for one large workflow that so many environments change a little."""
        steps = "\n".join(f"      - {{id: s{n}, http: {{url: http://x}}}}" for n in range(45))
        names = ", ".join(f"e{n}: {{a: 1}}" for n in range(count))
        overlays = "".join(f"  e{n}: {{workflows: {{w: {{every: 5s}}}}}}\n" for n in range(count))
        path.write_text(
            f"version: 1\nenvironments: {{dev: {{a: 1}}, {names}}}\noverlays:\n{overlays}"
            f"workflows:\n  - id: w\n    name: W\n    every: 1s\n    steps:\n{steps}\n"
        )
        best = 9.0
        for _ in range(3):
            began = time.process_time()
            load_config(path, env={})
            best = min(best, time.process_time() - began)
        return best

    few, many = spent(60), spent(480)
    assert many < few * 8 * 2
