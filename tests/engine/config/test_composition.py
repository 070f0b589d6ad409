"""Overlays of environments and fragments of steps, and where their faults are reported."""

from pathlib import Path
from textwrap import dedent

import pytest

from engine.config import composition
from engine.config.loader import LoadedConfig, load_config
from engine.errors import ConfigError
from engine.model import Severity


def load(tmp_path: Path, text: str, environment: str | None = None, **env: str) -> LoadedConfig:
    path = tmp_path / "rules.yaml"
    path.write_text(dedent(text))
    return load_config(path, environment, env)


def problems(tmp_path: Path, text: str, environment: str | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environment)
    return [str(problem).removeprefix(f"{tmp_path}/rules.yaml:") for problem in caught.value.problems]


OVERLAID = """\
    version: 1
    environments: {dev: {url: "http://d"}, prod: {url: "http://p"}}
    overlays:
      prod:
        settings: {concurrency: 9}
        retries: {calm: {max_attempts: 7}}
        channels: {ops: {min_severity: ERROR}}
        workflows:
          w: {every: 5s, steps: [{id: b, http: {url: "{{ env.url }}/${env:PROD}"}}]}
        rules: {r: {severity: CRITICAL}}
    retries: {calm: {max_attempts: 2, initial_delay: 5s}}
    channels: {ops: {url: "json://x"}}
    workflows:
      - {id: v, name: V, every: 30s, steps: [{id: a, http: {url: "{{ env.url }}"}}]}
      - {id: w, name: W, every: 30s, retry: calm, steps: [{id: a, http: {url: "{{ env.url }}"}}]}
    rules:
      - {id: r, name: R, conditions: [{type: CUSTOM, expression: "workflow.duration > 3"}]}
"""


def test_an_overlay_changes_what_it_names_in_its_environment(tmp_path: Path) -> None:
    dev, prod = load(tmp_path, OVERLAID).config, load(tmp_path, OVERLAID, "prod", PROD="x1y2z3").config
    assert (dev.settings.concurrency, prod.settings.concurrency) == (50, 9)
    assert (dev.workflows[1].every, prod.workflows[1].every) == (30.0, 5.0)
    assert (dev.workflows[1].steps[0].id, prod.workflows[1].steps[0].id) == ("a", "b")
    assert prod.workflows[0] == dev.workflows[0]
    assert (prod.workflows[1].name, prod.workflows[1].retry) == ("W", "calm")
    assert (prod.retries["calm"].max_attempts, prod.retries["calm"].initial_delay) == (7, 5.0)
    assert (prod.channels["ops"].url, prod.channels["ops"].min_severity) == ("json://x", Severity.ERROR)
    assert prod.rules[0].severity is Severity.CRITICAL


def test_faults_of_an_overlay_are_where_they_stand(tmp_path: Path) -> None:
    text = """\
        version: 1
        environments: {prod: {a: 1}}
        overlays:
          prdo: {settings: {concurrency: 1}}
          prod:
            setings: {concurrency: 1}
            settings: {concurency: 1}
            workflows: {x: {every: 1s}, w: {evry: 5s, timeout: soon}}
            rules: 5
        workflows:
          - {id: w, name: W, every: 30s, steps: [{id: a, http: {url: http://x}}]}
    """
    assert problems(tmp_path, text) == [
        "4:9: there is no environment `prdo` (did you mean `prod`?)",
        "6:14: `setings` is not what an overlay changes (did you mean `settings`?)",
        "7:16: unknown key `concurency` (did you mean `concurrency`?)",
        "8:20: there is no workflow `x` (there is w)",
        "8:37: unknown key `evry` (did you mean `every`?)",
        "8:56: `timeout`: a duration is a number with a unit, such as 500ms, 30s, 5m, 1h30m or 7d, "
        "found `soon`",
        "9:12: `rules` of an overlay wants a mapping",
    ]


FRAGMENTS = """\
    version: 1
    environments: {e: {base: "http://h"}}
    fragments:
      sign-in:
        params: {user: demo, tries: 2, body: null}
        steps:
          - id: form
            http: {url: "{{ env.base }}/{{ params.user }}", json: "{{ params.body }}"}
            extract: {csrf: json.csrf}
          - id: login
            needs: [form]
            retry: {max_attempts: "{{ params.tries }}"}
            http: {url: "{{ env.base }}/in?c={{ form.csrf }}"}
            extract: {token: json.token}
      both:
        steps:
          - {use: sign-in, id: inner, with: {body: {deep: [1]}}}
      bye: {steps: [{id: out, http: {url: "{{ admin.login.token }}"}}]}
    workflows:
      - id: w
        name: W
        every: 30s
        steps:
          - {use: sign-in, id: admin, with: {user: root, tries: 5, body: {a: "${env:PASSWORD}"}}}
          - {use: both}
          - {id: use, http: {url: "{{ admin.login.token }}{{ inner.login.token }}"}}
        finally:
          - {use: bye, id: z}
"""


def test_a_fragment_takes_the_place_of_its_uses(tmp_path: Path) -> None:
    loaded = load(tmp_path, FRAGMENTS, PASSWORD="hunter22")
    steps = loaded.config.workflows[0].steps
    assert [step.id for step in steps] == ["admin.form", "admin.login", "inner.form", "inner.login", "use"]
    specs = [step.spec.model_dump(by_alias=True) for step in steps]
    assert specs[0]["url"] == "{{ env.base }}/root"
    assert specs[0]["json"] == {"a": "hunter22"}
    assert specs[1]["url"] == "{{ env.base }}/in?c={{ admin.form.csrf }}"
    assert steps[1].needs == ("admin.form",)
    assert [step.retry.max_attempts for step in steps if step.retry and not isinstance(step.retry, str)] == [
        5,
        2,
    ]
    assert specs[2]["url"] == "{{ env.base }}/demo"
    assert specs[2]["json"] == {"deep": [1]}
    assert [step.id for step in loaded.config.workflows[0].finally_] == ["z.out"]
    assert loaded.secrets == {"hunter22"}


def test_faults_of_fragments_are_where_they_stand(tmp_path: Path) -> None:
    text = """\
        version: 1
        fragments:
          one:
            params: {user: null}
            stps: []
            steps: [{id: a, http: {url: "{{ params.usr }}", methd: GET}}]
          round: {steps: [{use: round}]}
          none: {params: {x: 1}}
        workflows:
          - id: w
            name: W
            every: 30s
            steps:
              - {use: onne}
              - {use: one, with: {usre: x}, timeout: 3s}
              - {use: round}
              - {id: b, http: {url: "{{ params.user }}"}}
    """
    assert problems(tmp_path, text) == [
        "5:11: unknown key `stps` (did you mean `steps`?)",
        "6:33: the fragment has no parameter `usr` (did you mean `user`?)",
        "6:53: unknown key `methd` (did you mean `method`?)",
        "7:25: fragments use each other in a circle or too deep: round → round",
        "8:9: a fragment has a list of `steps`",
        "14:15: there is no fragment `onne` (did you mean `one`?)",
        "15:9: the fragment wants a value for `user` in `with`",
        "15:33: the fragment has no parameter `usre` (did you mean `user`?)",
        "15:46: `timeout` does not go with `use` (beside `use` there are id, with)",
    ]


def test_fragments_cannot_multiply_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "MAX_VALUES", 5_000)
    names = "abcde"
    fragments = "".join(
        f"  {name}: {{steps: [{', '.join(f'{{use: {names[i + 1]}, id: p{n}}}' for n in range(90))}]}}\n"
        for i, name in enumerate(names[:-1])
    )
    text = (
        f"version: 1\nfragments:\n{fragments}  e: {{steps: [{{id: x, http: {{url: http://x}}}}]}}\n"
        "workflows:\n- {id: w, name: W, every: 1s, steps: [{use: a}]}\n"
    )
    (tmp_path / "f.yaml").write_text(text)
    with pytest.raises(ConfigError, match="more than 5,000 values"):
        load_config(tmp_path / "f.yaml", env={})


def test_a_list_of_a_fragment_s_own_step_is_found_under_its_prefix(tmp_path: Path) -> None:
    text = """\
        version: 1
        fragments:
          pages:
            steps:
              - {id: list, http: {url: http://x}}
              - {id: page, foreach: "{{ list.json.items }}", http: {url: "{{ item.url }}"}}
        workflows:
          - {id: w, name: W, every: 30s, steps: [{use: pages, id: p}, {use: pages}]}
    """
    steps = load(tmp_path, text).config.workflows[0].steps
    assert [(step.id, step.foreach) for step in steps[1::2]] == [
        ("p.page", "{{ p.list.json.items }}"),
        ("page", "{{ list.json.items }}"),
    ]
