"""Loading a file: everything right, everything wrong at once, and files that are no files."""

import random
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.loader import LoadedConfig, load_config
from engine.config.starter import STARTER
from engine.errors import ConfigError, Problem

BROKEN = """\
version: 1
environments:
  local: {base_url: "http://x"}
retries:
  patient: {max_attempts: 99}
channels:
  ops: {url: "${env:OPS_URL}", min_severity: wrning}
  bad name: {url: "json://x"}
workflows:
  - id: a b
    name: First
    evry: 30s
    priority: hihg
    breaker: 5
    retry: {max_attempt: 1}
    steps:
      - id: x
        http: {url: "http://x", method: GTE}
        expect: status == 200
  - id: good
    name: Second
    every: soon
    steps: []
  - name: Third
    every: 30s
    timezone: UTC
    cron: "* * * * *"
  - id: fourth
    name: Fourth
    every: 30s
    retry: agressive
    steps:
      - id: one
        http: {url: "{{ env.base_ulr }}/${file:/no/such/file}"}
      - id: one
        http: {url: "{{ env.base_ulr }}"}
        expect: ["status = 200"]
      - id: two
        http: {url: "{{ one.token }}{{ three.x }}", json: {deep: ["{{ nope.x }}"]}}
        extract: {"t": "json..t"}
      - id: three
        http: {url: "{{ two.token }}"}
  - id: fourth
    name: Fifth
    cron: "61 * * * *"
    timezone: Europe/Berln
    steps:
      - {id: a, htp: {url: "http://x"}}
  - id: sixth
    name: Sixth
    cron: "61 * * * *"
    timezone: Europe/Berln
    steps:
      - {id: a, http: {url: "{{ a b }}"}}
rules:
  - id: r
    name: R
    conditions:
      - {type: TRESHOLD, metric: x}
      - {metric: workflow.error}
      - {all: []}
      - {any: [{type: PATTERN, patern: x}]}
      - {type: THRESHOLD, metric: workflow.duration, operator: "=>", value: [1], min_count: 0}
  - id: s
    name: S
    enabled: yes
    severity: 3
    name: Again
    conditions: {type: CUSTOM}
  - id: t
    name: T
    channels: [opps]
    escalation: {after: 5m, severity: ERROR, channels: [ops]}
    workflows: [forth, "si*"]
    conditions:
      - {type: CUSTOM, expression: "workflow.duratoin > 3"}
      - {type: PATTERN, pattern: "(a"}
      - {type: PATTERN, metric: workflow.duration, pattern: a}
      - {type: THRESHOLD, metric: workflow.durations, operator: ">", value: 1}
      - {type: THRESHOLD, metric: workflow.duration, operator: contains, value: 1}
      - {type: THRESHOLD, metric: workflow.status, operator: ">", value: failed}
      - {type: THRESHOLD, metric: health.score, operator: "<", value: low}
      - not: {type: RATE, metric: workflow.failure_rate, operator: ">", value: 50%, window: 5m, rate: 20}
settings: {concurrency: "5", retention: }
extra: 1
"""

EXPECTED = """\
5:27: `max_attempts` is at most 20, found the number 99
7:14: the environment variable `OPS_URL` is not set (set it, or write ${env:OPS_URL:-default})
7:46: `min_severity` wants one of INFO, WARNING, ERROR, CRITICAL, found `wrning` (did you mean `WARNING`?)
8:3: this name is made of letters, digits, `_`, `.` and `-`, at most 64, starting with a letter, a digit \
or `_`, found `bad name`
10:9: `id` is made of letters, digits, `_`, `.` and `-`, at most 64, starting with a letter, a digit or \
`_`, found `a b`
12:5: unknown key `evry` (did you mean `every`?)
13:15: `priority` wants one of low, normal, high, critical, found `hihg` (did you mean `high`?)
14:14: `breaker` wants a mapping or false, found the number 5
15:13: unknown key `max_attempt` (did you mean `max_attempts`?)
18:41: `method` wants one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, found \
`GTE` (did you mean `GET`?)
19:17: `expect` wants a list, found `status == 200` (write ["status == 200"])
22:12: `every`: a duration is a number with a unit, such as 500ms, 30s, 5m, 1h30m or 7d, found `soon`
23:12: `steps` needs at least 1 entry
24:5: `id` and `steps` are missing
31:12: there is no retry strategy `agressive` (did you mean `aggressive`?)
34:21: there is no file /no/such/file
35:13: the step `one` is already defined on line 33 (give it another id)
36:21: `{{ env.base_ulr }}` refers to nothing (did you mean `base_url`?)
37:18: after 'status' one of == != < <= > >= in contains matches is expected; did you mean ==?
39:21: `{{ one.token }}` refers to nothing (add `token` to `extract` of the step `one`)
39:67: `{{ nope.x }}`: there is no step `nope` (write {{ env.name }} or {{ step.name }})
40:24: 'json..t' is not a path such as status, json.items[0].name or headers.location
42:21: `{{ two.token }}` refers to nothing (add `token` to `extract` of the step `two`)
43:9: the workflow `fourth` is already defined on line 28 (give it another id)
45:11: `cron` cannot be used: Bad minute (minute hour day month weekday, such as */5 * * * *)
46:15: there is no time zone `Europe/Berln` (did you mean `Europe/Berlin`?)
48:17: unknown key `htp` (did you mean `http`?)
51:11: `cron` cannot be used: Bad minute (minute hour day month weekday, such as */5 * * * *)
52:15: there is no time zone `Europe/Berln` (did you mean `Europe/Berlin`?)
54:29: `{{ a b }}` is not a reference (write {{ env.name }} or {{ step.name }})
59:16: `type` wants one of THRESHOLD, RATE, PATTERN, DURATION, CUSTOM, ABSENCE, \
CONSECUTIVE, X_OF_Y, BURN_RATE, COMPOSITE, TREND, found `TRESHOLD` (did you mean \
`THRESHOLD`?)
60:9: `type` is missing
61:9: a group has exactly one of all, any, not, and it is not empty
62:32: unknown key `patern` (did you mean `pattern`?)
63:64: `operator` wants one of >, <, >=, <=, ==, !=, contains, found `=>` (did you mean `>=`?)
63:77: `value` wants a number, text or true or false, found a list
63:93: `min_count` is at least 1, found the number 0
66:14: `enabled` wants true or false, found `yes`
67:15: `severity` wants one of INFO, WARNING, ERROR, CRITICAL, found the number 3
68:5: `name` is set twice, on lines 65 and 68 (keep one of them)
69:17: `conditions` wants a list, found a mapping
72:16: there is no channel `opps` (did you mean `ops`?)
74:17: there is no workflow `forth` (did you mean `fourth`?)
76:36: `workflow.duratoin` is no metric; did you mean workflow.duration?
77:34: the pattern cannot be used: missing ): (a; write it in RE2 syntax, without look-around or back \
references
78:33: `workflow.duration` is a number: a pattern looks into text (use workflow.error)
79:35: unknown metric `workflow.durations` (did you mean `workflow.duration`?)
80:64: `workflow.duration` is a number: it contains nothing (use >, <, >=, <=, == or !=)
81:62: `workflow.status` is text: `>` cannot compare it (use ==, != or contains)
82:71: `health.score` is compared with a number, a duration or a percentage
83:35: a RATE counts executions, and none of them has a `workflow.failure_rate` (use workflow.attempts, \
workflow.duration, workflow.error, workflow.name, workflow.priority, workflow.status, series.…)
84:25: `concurrency` wants a whole number, found `5` (write it without quotes)
84:41: `retention`: a duration is a number with a unit, such as 500ms, 30s, 5m, 1h30m or 7d, found nothing
85:1: unknown key `extra` (known here: channels, deadman, environments, fragments, inhibit, \
maintenance, overlays, python, retries, routes, rules, settings, silences, sources, templates, version, \
workflows)
"""


def load(tmp_path: Path, text: str, environment: str | None = None, **env: str) -> LoadedConfig:
    path = tmp_path / "rules.yaml"
    path.write_text(dedent(text))
    return load_config(path, environment, env)


def problems(tmp_path: Path, text: str, environment: str | None = None, **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, environment, **env)
    prefix = f"{tmp_path}/rules.yaml:"
    assert all(str(problem).startswith(prefix) for problem in caught.value.problems)
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


def test_every_problem_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert problems(tmp_path, BROKEN) == EXPECTED.splitlines()


ODD = ["", "null", "[]", "{}", "5", "-1.10", "1e999", "true", "[1]", "{a: 1}", "{type: x}", "*a", "&a", "- x"]
ODD += [
    "{type: CUSTOM}",
    "<<",
    "{{ a.b }}",
    "${env:X}",
    "'\x00'",
    "[key]",
    "{all: [{not: {any: 5}}]}",
    '"\\e[1m"',
]

MINIMAL = """\
    version: 1
    environments:
      local: {base_url: "http://local", version: 1.10, limit: 5, strict: on, token: "${env:TOKEN:-none}"}
      production: {base_url: "https://example.com", token: "${env:PRODUCTION_TOKEN}"}
    workflows:
      - id: w
        name: W
        every: 30s
        steps: [{id: s, http: {url: "{{ env.base_url }}", headers: {A: "Bearer ${env:TOKEN:-none}"}}}]
"""


def test_the_first_environment_is_chosen_and_only_it_is_expanded(tmp_path: Path) -> None:
    loaded = load(tmp_path, MINIMAL)
    assert loaded.environment == "local"
    assert loaded.variables == {
        "base_url": "http://local", "version": "1.10", "limit": 5, "strict": "on", "token": "none"
    }  # fmt: skip
    assert loaded.secrets == frozenset()
    assert loaded.path == tmp_path / "rules.yaml"


def test_a_named_environment_is_chosen(tmp_path: Path) -> None:
    loaded = load(tmp_path, MINIMAL, "production", PRODUCTION_TOKEN="t0ken")
    assert loaded.variables == {"base_url": "https://example.com", "token": "t0ken"}
    assert loaded.secrets == {"t0ken"}
    assert problems(tmp_path, MINIMAL, "production") == [
        "4:56: the environment variable `PRODUCTION_TOKEN` is not set "
        "(set it, or write ${env:PRODUCTION_TOKEN:-default})"
    ]


def test_unknown_environments_get_a_hint(tmp_path: Path) -> None:
    assert problems(tmp_path, MINIMAL, "prodution")[0] == (
        "2:1: there is no environment `prodution` (did you mean `production`?)"
    )
    assert problems(tmp_path, "version: 1", "local") == [
        "1:1: there is no environment `local` (the file has none)"
    ]


def test_without_environments_there_are_no_variables(tmp_path: Path) -> None:
    loaded = load(tmp_path, "version: 1\nchannels:\nworkflows:\n  # all commented out\n")
    assert (loaded.environment, loaded.variables, loaded.config.workflows) == ("default", {}, ())


def test_the_digest_tells_files_apart(tmp_path: Path) -> None:
    first, second = load(tmp_path, "version: 1"), load(tmp_path, "version: 1 ")
    assert first.digest != second.digest
    assert len(first.digest) == 12
    assert first.digest == load(tmp_path, "version: 1").digest


def test_text_is_taken_as_typed_where_text_is_wanted(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """\
        version: 1
        workflows:
          - id: 404
            name: 1.10
            every: 90
            tags: [no, 2024, 1.20]
            steps: [{id: true, http: {url: http://x, headers: {A: 1.10, B: false}, json: {n: 1.10, b: true}}}]
        """,
    )
    workflow = loaded.config.workflows[0]
    spec = workflow.steps[0].spec.model_dump(by_alias=True)
    assert (workflow.id, workflow.name, workflow.every) == ("404", "1.10", 90.0)
    assert workflow.tags == ("no", "2024", "1.20")
    assert workflow.steps[0].id == "true"
    assert spec["headers"] == {"A": "1.10", "B": "false"}
    assert spec["json"] == {"n": 1.1, "b": True}


def test_secrets_never_show_in_problems(tmp_path: Path) -> None:
    text = """\
        version: 1
        workflows:
          - {id: w, name: W, every: "${env:SECRET}", priority: "${env:SECRET}", steps: []}
          - {id: v, name: V, every: 1s, retry: "${env:SECRET}", steps: [{id: s, http: {url: http://x}}]}
    """
    found = problems(tmp_path, text, SECRET="hunter22")
    assert "hunter22" not in "".join(found)
    assert "4:40: there is no retry strategy `***` (there is default, aggressive, fast)" in found


def test_interpolated_text_stays_text(tmp_path: Path) -> None:
    assert problems(tmp_path, 'version: 1\nsettings: {concurrency: "${env:N}"}', N="5") == [
        "2:25: `concurrency` wants a whole number, found `${env:N}`"
    ]


def test_names_are_cleaned_on_the_way_in(tmp_path: Path) -> None:
    text = MINIMAL.replace("name: W", 'name: "W\\e]52;c;AAAA\\a[/foo]\\u202e"')
    assert load(tmp_path, text).config.workflows[0].name == "W[/foo]\ufffd"


def test_hostile_keys_are_shown_tame(tmp_path: Path) -> None:
    assert problems(tmp_path, 'version: 1\n"\\e[31mred\\u202e": 1') == [
        "2:1: unknown key `red\ufffd` (known here: channels, deadman, environments, fragments, "
        "inhibit, maintenance, overlays, python, retries, routes, rules, settings, silences, sources, "
        "templates, version, workflows)"
    ]


def test_a_step_cannot_use_what_comes_later(tmp_path: Path) -> None:
    text = MINIMAL.replace("{{ env.base_url }}", "{{ s.token }}")
    assert problems(tmp_path, text) == [
        "9:33: `{{ s.token }}` refers to a step that has not run yet (use values of earlier steps)"
    ]


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_a_mangled_file_is_a_config_error_or_loads(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = random.Random(seed)
    lines = rng.choice([STARTER, BROKEN]).splitlines()
    for _ in range(rng.randint(1, 4)):
        index = rng.randrange(len(lines))
        key, colon, _ = lines[index].partition(": ")
        lines[index] = rng.choice(
            [f"{key}{colon}{rng.choice(ODD)}", rng.choice(lines), key + rng.choice(ODD)]
        )
    path = tmp_path_factory.getbasetemp() / "mangled.yaml"
    path.write_text("\n".join(lines))
    problems: list[Problem] = []
    try:
        load_config(path, env={})
    except ConfigError as error:
        problems = error.problems
        if not problems:
            raise
    assert all(p.line >= 1 and p.column >= 1 and p.message.isprintable() for p in problems)


def test_a_thousand_workflows(tmp_path: Path) -> None:
    workflow = """\
      - id: w-{}
        name: Workflow
        every: 30s
        tags: [a, b]
        steps:
          - id: get
            http: {{url: "{{{{ env.base_url }}}}/x"}}
            expect: ["status == 200"]
            timeout: 5s
    """
    body = "".join(dedent(workflow).format(index) for index in range(1000))
    loaded = load(tmp_path, "version: 1\nenvironments: {e: {base_url: http://x}}\nworkflows:\n" + body)
    assert len(loaded.config.workflows) == 1000


def test_expectations_and_extracts_are_about_fields_that_replies_have(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        """version: 1
workflows:
  - id: shop
    name: Shop
    every: 30s
    steps:
      - id: front
        http: {url: "http://127.0.0.1"}
        expect: ["stauts == 200"]
        extract: {token: jsn.token}
"""
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems] == [
        "9:18: a reply to http has no `stauts` (did you mean `status`?)",
        "10:26: a reply to http has no `jsn` (did you mean `json`?)",
    ]
