"""Credentials in plain words are known as secrets, and what is shown of a file is still YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from engine.config.credentials import credentials
from engine.config.loader import load_config
from engine.config.shown import shown
from engine.config.starter import STARTER
from engine.config.yaml_guard import parse_yaml
from engine.redaction import Redactor

FILE = """\
version: 1
environments:
  here: {base: "http://127.0.0.1", api_key: env-literal-1}
  there: {api_key: "${env:NOT_SET}", client_secret: 'it''s-other-2'}
settings:
  tracing: {accept: accept-accept-accept-3}
workflows:
  - id: w
    name: W
    every: 1m
    steps:
      - id: login
        http:
          url: "{{ env.base }}/x"
          auth: {user: demo-user, password: "pass\\"word-4"}
          json: {schema: {token: body-token-5}, note: stay-here}
          headers: {X-Api-Key: header-key-6, Cookie: "{{ env.base }}-cookie"}
        extract: {token: json.token, sid: {cookie: sid-of-cookie}}
      - {id: me, http: {url: "{{ env.base }}", auth: {bearer: bearer-val-7}}}
      - id: job
        shell: {command: ["true"], env: {DB_PASSWORD: 12345678, SIGNING_KEY: env-key-9, LANG: C.UTF-8}}
"""
LITERALS = (
    "env-literal-1",
    "it's-other-2",
    "accept-accept-accept-3",
    'pass"word-4',
    "body-token-5",
    "header-key-6",
    "bearer-val-7",
    "12345678",
    "env-key-9",
)


def found(text: str) -> frozenset[str]:
    return credentials(parse_yaml(text, "x")[0])


def test_what_stands_under_the_name_of_a_credential_is_one() -> None:
    assert found(FILE) == set(LITERALS)


def test_they_are_known_as_secrets_once_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(FILE)
    loaded = load_config(path, env={})
    assert loaded.secrets == set(LITERALS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password: short", ()),
        ("password: '{{ env.password }}-x'", ()),
        ("password: ${env:PW}", ()),
        ("password: ${env:PW:-by-default}", ("by-default",)),
        ("auth: bearer", ()),
        ("token: true", ()),
        ("schema: {properties: {token: {type: string, const: a-constant}}, token: stringy}", ()),
        ("headers: {Authorization: Bearer abcdefgh}", ("Bearer abcdefgh", "abcdefgh")),
        ("tokens: [abcdefgh]", ()),
        ("password: [abcdefgh, ijklmnop]", ("abcdefgh", "ijklmnop")),
        (
            "secret: |\n  first-line\n  second-line\n",
            ("first-line\nsecond-line\n", "first-line", "second-line"),
        ),
        ("a: &a {password: abcdefgh}\nb: *a\nc: [*a, *a]", ("abcdefgh",)),
        ("steps: [{env: {password: abcdefgh}, extract: {password: json.password}}]", ("abcdefgh",)),
    ],
)
def test_which_are_and_which_are_not(text: str, expected: tuple[str, ...]) -> None:
    assert found(text) == set(expected)


def test_the_starter_has_none() -> None:
    assert not found(STARTER)


def test_what_is_shown_is_the_same_yaml_without_them() -> None:
    text = FILE + "# token=in-a-comment, header-key-6\nx-note: >\n  folded\n  Bearer abcdefgh\n"
    redact = Redactor(found(text))
    left = shown(text, redact.text)
    for secret in (*LITERALS, "it''s-other-2", "in-a-comment", "abcdefgh"):
        assert secret not in left
    assert "extract: {token: json.token, sid: {cookie: sid-of-cookie}}" in left
    before, after = yaml.safe_load(text), yaml.safe_load(left)
    assert after["workflows"][0]["steps"][0]["extract"] == before["workflows"][0]["steps"][0]["extract"]
    assert after["workflows"][0]["steps"][0]["http"]["auth"] == {"user": "demo-user", "password": "***"}
    assert after.keys() == before.keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{url: http://x?token=abc}", {"url": "http://x?token=***"}),
        ("h: [Cookie: abc, b]", {"h": [{"Cookie": "abc"}, "b"]}),
        ("h: ['Cookie: abc', b]", {"h": ["Cookie: ***", "b"]}),
        ("a: basic\nb: c", {"a": "basic", "b": "c"}),
        ("a: |\n  Bearer abcdefgh\n  rest\nb: c", {"a": "Bearer ***\nrest\n", "b": "c"}),
        ("a: |-\n  hidden-\n  one\nb: c", {"a": "***", "b": "c"}),
        ("a: hidden-one # hidden-one", {"a": "***"}),
        ("é: '😀 hidden-one'\r\nb: 'ü'", {"é": "😀 ***", "b": "ü"}),
        ("a: 'x # cookie: q'", {"a": "x # cookie: ***"}),
        ('a: "\\x68idden-one\\U0001F600\\x85"', {"a": "***😀\x85"}),
    ],
)
def test_no_structure_goes_with_a_secret(text: str, expected: object) -> None:
    left = shown(text, Redactor(["hidden-one", "hidden-\none"]).text)
    assert "hidden-one" not in left
    assert yaml.safe_load(left) == expected


TEXT = st.text(max_size=20)


@given(st.recursive(TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=6))
@example("\xa0")
def test_whatever_holds_no_secret_is_shown_as_written(value: object) -> None:
    text = yaml.safe_dump({"a": value}, allow_unicode=True)
    assert shown(text, lambda scalar: scalar) == text
    marked = shown(text, lambda scalar: scalar + "\x00!" if not scalar.startswith("#") else scalar)
    assert yaml.safe_load(marked) is not None
