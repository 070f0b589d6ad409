"""What is found wrong with the flow of steps when the file is read."""

from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import ConfigError

HEAD = """\
version: 1
environments: {e: {base: "http://h", region: eu}}
workflows:
"""


def problems(tmp_path: Path, body: str) -> list[str]:
    """The faults of a file whose workflows begin on line 4."""
    path = tmp_path / "rules.yaml"
    path.write_text(HEAD + body)
    try:
        load_config(path, env={})
    except ConfigError as error:
        return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
    return []


def workflow(*steps: str, more: str = "", name: str = "w") -> str:
    listed = "".join(f"      - {step}\n" for step in steps)
    return f"  - id: {name}\n    name: W\n    every: 30s\n{more}    steps:\n{listed}"


A = "{id: a, http: {url: http://x}, needs: [], extract: {t: body}}"


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('{id: b, http: {url: "{{ a.t }}{{ vars.v }}"}}', None),
        (
            "{id: b, http: {url: http://x}, needs: [c]}",
            "there is no step `c` above (`needs` names steps above)",
        ),
        (
            '{id: b, http: {url: "{{ a.t }}"}, needs: []}',
            "`{{ a.t }}` refers to a step that this one does not wait for (add `a` to `needs`)",
        ),
        ('{id: b, http: {url: "{{ vars.w }}"}}', "`{{ vars.w }}` refers to nothing (add `w` to `variables`)"),
        (
            '{id: b, http: {url: "{{ item.value }}"}}',
            "`{{ item.value }}`: there is no step `item` (write {{ env.name }} or {{ step.name }})",
        ),
        ('{id: b, foreach: [1, 2], http: {url: "{{ item.value }}{{ item.index }}"}}', None),
        (
            '{id: b, foreach: [{x: 1, y: 2}, {x: 1}], http: {url: "{{ item.x }}{{ item.y }}"}}',
            "`{{ item.y }}` refers to nothing (add `y` to every entry of `foreach`)",
        ),
        ('{id: b, foreach: "{{ a.json.items }}", parallel: 4, http: {url: "{{ item.any }}"}}', None),
        (
            '{id: b, needs: [], foreach: "{{ a.json.items }}", http: {url: http://x}}',
            "`{{ a.json.items }}` refers to a step that this one does not wait for (add `a` to `needs`)",
        ),
        (
            '{id: b, foreach: "{{ a.jsn.items }}", http: {url: http://x}}',
            "a reply to http has no `jsn` (did you mean `json`?)",
        ),
        (
            '{id: b, foreach: "{{ b.json }}", http: {url: http://x}}',
            "`{{ b.json }}` refers to a step that has not run yet",
        ),
        ('{id: b, foreach: "{{ c.json }}", http: {url: http://x}}', "begins with no step of this workflow"),
        (
            "{id: b, foreach: items, http: {url: http://x}}",
            "foreach is a list, or where one is found, such as {{ ",
        ),
        (
            "{id: b, foreach: {a: 1}, http: {url: http://x}}",
            "`foreach` wants a list or text, found a mapping",
        ),
        ("{id: b, parallel: 2, http: {url: http://x}}", "parallel: belongs to foreach:"),
        ('{id: b, foreach: ["{{ env.bas }}"], http: {url: http://x}}', "`{{ env.bas }}` refers to nothing"),
        (
            "{id: b, foreach: [1], extract: {t: body}, http: {url: http://x}}",
            "a step with foreach extracts nothing",
        ),
        ("{id: b, when: \"{{ env.region }} == 'eu'\", http: {url: http://x}}", None),
        (
            "{id: b, when: env.region == 'eu', http: {url: http://x}}",
            "its left side is a placeholder, found `env.region` (such as {{ env.region }} == 'eu')",
        ),
        (
            "{id: b, when: ['{{ env.regoin }} == eu'], http: {url: http://x}}",
            "`{{ env.regoin }}` refers to nothing",
        ),
        ("{id: b, expect: failure, http: {url: http://x}}", None),
        ("{id: b, expect: [failure, status == 1], http: {url: http://x}}", "`failure` stands alone"),
        ("{id: b, expect: ['json.n == {{ a.t }}', '{{ a.t }} != null'], http: {url: http://x}}", None),
        ("{id: b, expect: ['json.n == {{ a.u }}'], http: {url: http://x}}", "`{{ a.u }}` refers to nothing"),
        ("{id: b, degraded: [failure], http: {url: http://x}}", "after 'failure' one of =="),
        (
            "{id: b, extract: {t: {from: body, regex: '(a'}}, http: {url: http://x}}",
            "the pattern cannot be used",
        ),
        ("{id: b, extract: {t: {from: bdy}}, http: {url: http://x}}", "a reply to http has no `bdy`"),
        ("{id: b, extract: {t: {header: Location}, u: {cookie: sid}}, http: {url: http://x}}", None),
        (
            "{id: b, extract: {t: {header: Location, cookie: x}}, http: {url: http://x}}",
            "exactly one of from, header",
        ),
        ("{id: b, extract: {t: '{{ a.t }}'}, http: {url: http://x}}", "a reply to http has no `{{ }}`"),
        ("{id: b, retry: agressive, http: {url: http://x}}", "there is no retry strategy `agressive`"),
        ("{id: b, wait: {for: 31s}}", "the wait is longer than the step's timeout of 30s"),
        ("{id: b, wait: {for: 31s}, timeout: 1m}", None),
        ("{id: b, assert: {that: '{{ a.t }} == 5'}}", None),
        ("{id: b, assert: {that: ['a.t == 5']}}", "its left side is a placeholder, found `a.t`"),
        ("{id: env, wait: {for: 1s}}", "`env` is a word of placeholders"),
        ("{id: b, workflow: {id: v}}", "there is no workflow `v` (there is w)"),
        ("{id: b, workflow: {id: w}}", "workflows call each other in a circle: w → w"),
    ],
)
def test_steps_that_cannot_work_are_refused(tmp_path: Path, step: str, expected: str | None) -> None:
    found = problems(tmp_path, workflow(A, step, more="    variables: {v: '{{ env.base }}'}\n"))
    if expected is None:
        assert found == []
    else:
        assert len(found) == 1
        assert expected in found[0]
        assert found[0].startswith("10:")


def test_a_token_belongs_to_one_heartbeat(tmp_path: Path) -> None:
    def beat(id: str, token: str) -> str:
        return f"{{id: {id}, heartbeat: {{token: {token * 16}, period: 1h}}}}"

    flows = workflow(beat("a", "x"), beat("b", "y")) + workflow(beat("a", "x"), name="v")
    (problem,) = problems(tmp_path, flows)
    assert problem.startswith("14:36: ")
    assert problem.endswith(
        "the heartbeat on line 8 waits for the same token (give each job a token of its own)"
    )


def test_closing_steps_and_outputs(tmp_path: Path) -> None:
    more = """\
    finally:
      - {id: z, needs: [a], http: {url: "{{ a.t }}"}}
      - {id: a, http: {url: "{{ z.t }}"}}
    outputs: {t: "{{ a.t }}", u: "{{ b.t }}"}
"""
    assert problems(tmp_path, workflow(A, more=more)) == [
        "8:17: a `finally` step needs nothing: it always runs",
        "9:14: the step `a` is already defined on line 12 (give it another id)",
        "9:29: `{{ z.t }}` refers to nothing (add `t` to `extract` of the step `z`)",
        "10:34: `{{ b.t }}`: there is no step `b` (write {{ env.name }} or {{ step.name }})",
    ]


def test_calls(tmp_path: Path) -> None:
    def calling(name: str, other: str, more: str = "") -> str:
        return workflow(f"{{id: s, workflow: {{id: {other}{more}}}}}", name=name)

    callee = (
        "  - {id: c, name: C, on_call: true, variables: {user: x}, steps: [{id: s, http: {url: http://y}}]}\n"
    )
    assert problems(tmp_path, callee + calling("w", "c", ", with: {user: 5}")) == []
    assert problems(tmp_path, callee + calling("w", "c", ", with: {usr: 5}")) == [
        "9:42: `c` has no variable `usr` (did you mean `user`?)"
    ]
    chain = "".join(calling(f"w{i}", f"w{i + 1}") for i in range(5))
    assert problems(tmp_path, chain + calling("w5", "c") + callee) == [
        "8:32: workflows call each other at most 5 deep",
        "13:32: workflows call each other at most 5 deep",
    ]
    assert problems(tmp_path, calling("x", "y") + calling("y", "x")) == [
        "8:32: workflows call each other in a circle: x → y → x",
        "13:32: workflows call each other in a circle: y → x → y",
    ]


def test_a_workflow_on_call_has_no_schedule(tmp_path: Path) -> None:
    assert (
        "a workflow that is on_call: has no schedule of its own"
        in problems(tmp_path, workflow(A, more="    on_call: true\n"))[0]
    )


def test_a_list_is_not_looked_for_in_a_step_of_rounds(tmp_path: Path) -> None:
    rounds = "{id: c, foreach: [1, 2], http: {url: http://x}}"
    listed = '{id: d, foreach: "{{ c.json }}", http: {url: http://x}}'
    (problem,) = problems(tmp_path, workflow(rounds, listed))
    assert problem == "9:26: the step `c` is run in rounds itself: none of its replies is the one"
