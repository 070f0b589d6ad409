from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.routing import Channel, TemplateSpec
from engine.model import AlertEventKind
from engine.notify.facts import Occasion
from engine.notify.templates import BODY_LIMIT, OUTPUT_LIMIT, TemplateError, Wordsmith, check, render, samples

FIRED = next(occasion for occasion in samples() if occasion.kind is AlertEventKind.FIRED)
RESOLVED = next(occasion for occasion in samples() if occasion.kind is AlertEventKind.RESOLVED)


def _body(text: str, occasion: Occasion = FIRED) -> str:
    return render(TemplateSpec(body=text), occasion)[1]


def _error(text: str) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        _body(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ severity }} {{ subject|upper }}", "ERROR SHOP"),
        ("{{ value }} {{ threshold }}", "62.5 > 50 %"),
        ("{{ kind }} since {{ since }} ({{ age }})", "fired since 2023-11-14 22:13:20 UTC (1 h 05 m)"),
        ("{% if value > 60 %}bad{% else %}well{% endif %}", "bad"),
        ("{% for tag in tags %}{{ tag }}{% else %}none{% endfor %}", "none"),
        ("{{ runbook or 'no runbook' }}", "no runbook"),
        ("{{ why }}", "workflow.failure_rate (62.5 %) > 50 %"),
    ],
)
def test_what_is_known_can_be_said(text: str, expected: str) -> None:
    assert _body(text) == expected


def test_the_plain_words_can_be_a_part() -> None:
    title, body = render(TemplateSpec(title="! {{ title }}", body="{{ body }}\nbye"), RESOLVED)
    assert title == "! [RESOLVED] Sample rule · shop"
    assert "Lasted 1 h 05 m" in body
    assert body.endswith("\nbye")


def test_what_a_template_does_not_give_is_worded_as_ever() -> None:
    assert render(TemplateSpec(title="x"), FIRED)[1] == render(TemplateSpec(), FIRED)[1] != "x"


def test_a_wrong_name_is_told_with_the_right_one() -> None:
    error = _error("{{ subjet }}")
    assert "'subjet' is undefined" in error.message
    assert error.hint == "did you mean subject?"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ subject.upper() }}",
        "{{ subject['__class__'] }}",
        "{{ self }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% macro f() %}{{ f() }}{% endmacro %}",
        "{% set x = subject %}",
        "{% with x = subject %}{% endwith %}",
        "{{ 9 ** 9 }}",
        "{{ 'a' * 9 }}",
        "{{ '%9d' % 1 }}",
        "{{ subject|attr('upper') }}",
        "{{ subject|map('upper')|list }}",
        "{{ subject|pprint }}",
        "{% for a in subject %}{% for b in subject %}{% endfor %}{% endfor %}",
        "{% for a in subject recursive %}{{ loop(a) }}{% endfor %}",
        "{% filter upper %}x{% endfilter %}",
        "{% block x %}{% endblock %}",
        "{{ x",
        "{{ 1 / 0 }}",
        "{{ none + 1 }}",
        "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    ],
)
def test_what_could_do_harm_or_make_no_sense_is_refused(text: str) -> None:
    started = time.process_time()
    assert _error(text).message
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "text", ["{{ body|replace('e', body)|replace('e', body) }}", "{% for c in body %}{{ body }}{% endfor %}"]
)
def test_what_comes_to_too_much_is_refused(text: str) -> None:
    wordy = replace(FIRED, alert=replace(FIRED.alert, message="e" * 1_400))
    with pytest.raises(TemplateError, match=str(OUTPUT_LIMIT)):
        _body(text, wordy)


def test_foreign_text_stays_harmless_and_is_no_template() -> None:
    hostile = "{{ 1 + 1 }} \x1b]52;c;ZXZpbA==\x07\u202e[@click=app.quit]"
    alert = replace(FIRED.alert, subject=hostile, message=hostile, value=hostile)
    title, body = render(
        TemplateSpec(title="{{ subject }}", body="{{ message }} {{ value }}"), replace(FIRED, alert=alert)
    )
    assert "{{ 1 + 1 }}" in title
    assert not set("\x1b\x07\u202e") & set(title + body)


def test_a_long_body_is_cut() -> None:
    assert len(_body("x" * 9_999)) < BODY_LIMIT + 30


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_template_or_an_error(text: str) -> None:
    with suppress(TemplateError):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 500 + "title" + ")" * 500 + " }}",
        "{{ " + "not " * 2_000 + "title }}",
        "{{ title" + "|lower" * 1_500 + " }}",
        "{{ title" + "[0]" * 61 + " }}",
        "{% if title %}" * 99 + "{% endif %}" * 99,
    ],
)
def test_what_is_nested_too_deeply_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(TemplateError, match="the template is nested more than 60 levels deep") as caught:
        check(text)
    assert "fewer brackets" in caught.value.hint


def test_what_anybody_would_write_is_not_nested_too_deeply() -> None:
    check("{% if title %}" * 25 + "{{ title|lower|trim|upper }}" + "{% endif %}" * 25)
    check("{{ title" + " ~ body" * 500 + " }}")


def _smith(template: str | TemplateSpec | None) -> Wordsmith:
    channel = Channel.model_validate({"log": {}, "template": template})
    plainly = Channel.model_validate({"log": {}})
    return Wordsmith({"ops": channel, "plain": plainly}, {"short": TemplateSpec(body="short {{ id }}")})


def test_a_channel_speaks_by_its_template_alone() -> None:
    for template in ("short", TemplateSpec(body="short {{ id }}")):
        smith = _smith(template)
        assert smith.compose(FIRED, "ops").body == "short 12"
        assert smith.compose(FIRED, "plain").body == render(TemplateSpec(), FIRED)[1]


def test_a_template_that_fails_costs_nobody_the_message() -> None:
    words = _smith(TemplateSpec(body="{{ value + 1 }}")).compose(
        replace(FIRED, alert=replace(FIRED.alert, value="text")), "ops"
    )
    assert words.body.startswith("workflow.failure_rate (62.5 %) > 50 %\n")
    assert "(the template of ops failed: " in words.body.splitlines()[-1]


def test_facts_are_the_same_whatever_the_words() -> None:
    known = json.loads(_smith("short").compose(FIRED, "ops").facts)
    assert known == json.loads(_smith(None).compose(FIRED, "ops").facts)
    assert (known["rule_id"], known["value"], known["fired_at"]) == ("sample", 62.5, 1_700_000_300.0)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_that_json_has_no_word_for_become_text(value: float) -> None:
    words = _smith(None).compose(replace(FIRED, alert=replace(FIRED.alert, value=value)), "ops")
    assert json.loads(words.facts)["value"] == str(value)
