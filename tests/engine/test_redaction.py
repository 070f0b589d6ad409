"""Secrets are found in whatever form they come back, and nothing else is."""

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import count
from typing import get_args
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.model import (
    Alert,
    AlertState,
    Assertion,
    Attempt,
    ErrorType,
    Execution,
    Failure,
    LogLevel,
    LogRecord,
    Outcome,
    Priority,
    Recording,
    Scalar,
    Severity,
    Span,
    SpanEvent,
    SpanKind,
    StepResult,
)
from engine.redaction import _SHAPES, Redactor, Values, is_secret_name
from engine.store.encode import Row
from engine.text import plain
from tests.effort import tried

SECRET = 'p/ss "wörd"+<1>\n&x'
REDACT = Redactor([SECRET, "S3CR3T-canary", "short", "http://127.0.0.1:8777"])


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        plain(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
        base64.b64encode(b"u:" + SECRET.encode() + b":tail").decode(),
        "Basic " + base64.b64encode(b"me:" + SECRET.encode()).decode(),
    ],
)
def test_a_value_is_hidden_in_every_form(form: str) -> None:
    hidden = REDACT.text(f"before {form} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert "***" in hidden
    assert "word" not in hidden
    assert len(hidden) < 30


def test_base64_keeps_nothing_that_gives_the_secret_away() -> None:
    for before in (b"", b"a", b"ab", b"user:"):
        for after in (b"", b"z", b"zz"):
            encoded = base64.b64encode(before + b"S3CR3T-canary" + after).decode()
            left = REDACT.text(encoded).replace("***", "")
            assert len(left) < len(encoded) - 12


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("GET http://me:pw@h:1/x?token=abc&a=1", "GET http://***@h:1/x?token=***&a=1"),
        ("Authorization: Token abc def", "Authorization: ***"),
        ("set-cookie: sid=abc; path=/", "set-cookie: ***"),
        ("sent Bearer abcdef.123-_", "sent Bearer ***"),
        ('{"user": "x", "password": "pw"}', '{"user": "x", "password": "***"}'),
        ("client_secret=abc, api_key=x", "client_secret=***, api_key=***"),
        ("jwt eyJhbGciOiJ9.eyJzdWIiOiIx.c2ln end", "jwt *** end"),
        ("https://hooks.slack.com/services/T0/B0/abcdef", "https://hooks.slack.com/services/***"),
        ("https://api.telegram.org/bot123:AbC/send", "https://api.telegram.org/bot/***"),
        ("x ghp_abcdefghijklmnopqrstuvwx y", "x *** y"),
        ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", "***"),
    ],
)
def test_what_looks_like_a_credential_is_hidden(text: str, hidden: str) -> None:
    assert REDACT.text(text) == hidden
    assert REDACT.text(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "status (503) == 200",
        "extract token: json.token is missing",
        "json.token (missing) != null",
        "json.password == 'x'",
        "connection refused by http://127.0.0.1:8777",
        "a short word",
        "tokens per second: 12, basic idea",
        "WWW-Authenticate: Basic realm",
        "user-login ok in 12 ms",
        "mail ops@example.com",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert REDACT.text(text) == text


def test_a_short_secret_is_hidden_where_it_is_a_whole_value() -> None:
    redact = Redactor(["4711", "ab", "S3CR3T-canary"])
    attributes: dict[str, Scalar] = {"pin": "4711", "order": "47110", "text": "pin 4711", "n": 4711}
    attributes["code"] = "ab"
    line = LogRecord(0.0, LogLevel.INFO, "4711 orders", fields=attributes)
    hidden = redact(line)
    assert hidden.message == "4711 orders"
    assert hidden.fields == {**attributes, "pin": "***"}
    assert redact({"headers": {"X-Pin": "4711"}}) == {"headers": {"X-Pin": "***"}}
    assert redact({"x": ["4711"]}) == {"x": ["4711"]}
    untouched = LogRecord(0.0, LogLevel.INFO, "none", fields={"order": "47110"})
    assert redact(untouched) is untouched


def test_a_secret_cut_in_the_middle_is_hidden() -> None:
    assert REDACT.text(plain("see S3CR3T-canary", 15)) == "see ***…(+2 chars)"
    assert REDACT.text(plain("see S3CR3T-canary", 8)) == "see S3CR…(+9 chars)"


@pytest.mark.parametrize(
    "text",
    [
        "a S3CR3T-key…(+310 chars)) b; c…(+2 chars)",
        "S3CR3T-key…(+3 chars) S3CR3T-ke…(+9 chars) S3CR3T-key-a…(+1 chars)",
        "S3CR3T-key……(+20 chars)",
        "S3CR3T-key…(…(+20 chars)",
    ],
)
def test_every_cut_may_have_left_half_a_secret(text: str) -> None:
    redact = Redactor(["S3CR3T-key-abcdef"])
    assert "S3CR3T" not in redact.text(text)
    assert "S3CR3T" not in redact([text])[0]
    assert redact.text(text).count("(+") == text.count("(+")


@pytest.mark.parametrize("secret", ['p&w/12"x<y', "S3CR3T p&w", "a?b#c d{e}|f`g", "x:y;z=é@w%q%41r"])
@pytest.mark.parametrize("template", ["/a/{}/b", "/a?q={}&b", "/a#{}", "/{}"])
def test_the_forms_that_the_library_makes_of_a_url(secret: str, template: str) -> None:
    redact = Redactor([secret])
    url = str(httpx.URL("http://127.0.0.1" + template.format(secret)))
    assert redact.text(url) == "http://127.0.0.1" + template.format("***")
    lowered = re.sub("%[0-9A-F]{2}", lambda escaped: escaped[0].lower(), url)
    assert redact.text(lowered) == redact.text(url)


def test_who_asks_and_whom_in_a_url() -> None:
    redact = Values(["S3CR3T|p&w^x"])
    assert redact.text(str(httpx.URL("http://S3CR3T|p&w^x:pw@127.0.0.1/"))) == "http://***:pw@127.0.0.1/"
    assert redact.text(httpx.URL("http://S3CR3T|p&w^x/").host) == "***"
    assert redact.text("`s3cr3t|p&w^x` is not a name") == "`***` is not a name"


def test_thousands_of_secrets_cost_no_more_than_one(capfd: pytest.CaptureFixture[str]) -> None:
    redact = Redactor([f"s3cr3t-p&w-{index}-value" for index in range(2_000)])
    text = "nothing to be found in it " * 100
    redact.text(text)
    started = time.process_time()
    for _ in range(100):
        assert redact.text(text) is text
    assert time.process_time() - started < 0.2
    assert redact.text("with s3cr3t-p&w-1999-value") == "with ***"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "name", ["token", "json.access_token", "X-Api-Key", "password", "cookie", "clientSecret"]
)
def test_names_of_credentials(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["tokens_used", "status", "key", "author", "keyboard", "duration", "name"])
def test_names_of_ordinary_things(name: str) -> None:
    assert not is_secret_name(name)


LEAK = "got S3CR3T-canary"


def recording(leaks: Callable[[int], bool] = lambda place: True) -> Recording:
    """One with many texts, numbered from 0; those of the places that `leaks` says hold a secret."""
    places = count()

    def text() -> str:
        return LEAK if leaks(next(places)) else "all well"

    failure = Failure(text(), ErrorType.NETWORK)
    step = StepResult(
        "s", "http", Outcome.FAILED, 0.0, 1.0, failure, assertions=(Assertion(text(), False, text()),),
        extracted={"token": "31 characters", "n": 5}, attributes={"url.full": text(), "password": "x"},
        reason=text(),
    )  # fmt: skip
    attempt = Attempt(1, 0.0, 1.0, Outcome.FAILED, failure, (step,))
    execution = Execution(
        1, "w", text(), Priority.HIGH, "t" * 32, 0.0, 0.0, 1.0, Outcome.FAILED, text(), failure, 1, (attempt,)
    )
    span = Span("t", "s", None, text(), SpanKind.CLIENT, 0.0, 1.0, attributes={"a": text()},
                events=(SpanEvent(0.0, "e", {"x": text()}),))  # fmt: skip
    log = LogRecord(0.0, LogLevel.ERROR, text(), fields={"f": text()})
    assert next(places) == PLACES
    return Recording(execution, (span,), (), (log,))


PLACES = 12


@pytest.mark.parametrize("place", range(PLACES))
def test_one_secret_in_one_place_is_enough(place: int) -> None:
    clean = REDACT(recording(lambda number: number == place))
    assert "S3CR3T" not in repr(clean)
    assert repr(clean).count("all well") == repr(recording(lambda number: number == place)).count("all well")


def test_a_secret_by_its_name_alone_or_cut_off_is_enough() -> None:
    log = LogRecord(0.0, LogLevel.INFO, "all well")
    assert REDACT(replace(log, fields={"api_key": "x"})).fields == {"api_key": "***"}
    assert REDACT(replace(log, message=plain("see S3CR3T-canary", 15))).message == "see ***…(+2 chars)"


def test_records_are_redacted_to_any_depth() -> None:
    clean = REDACT(recording())
    assert "S3CR3T" not in repr(clean)
    step = clean.execution.attempts[0].steps[0]
    assert step.extracted == {"token": "31 characters", "n": 5}
    assert step.attributes == {"url.full": "got ***", "password": "***"}
    assert step.outcome is Outcome.FAILED
    assert clean.execution.trace_id == "t" * 32


@pytest.mark.parametrize("kind", get_args(Row), ids=lambda kind: kind.__name__)
def test_whatever_is_stored_can_be_looked_at(kind: type) -> None:
    given = {field.name: None for field in fields(kind)}
    row = kind(**given)
    assert REDACT(row) is row


def test_what_holds_no_secret_is_the_same_object() -> None:
    clean = REDACT(recording())
    assert REDACT(clean) is clean
    assert REDACT({"a": ["b", {"token": "x" * 9}]}) == {"a": ["b", {"token": "***"}]}


def test_alerts_are_records_too() -> None:
    alert = Alert(1, "r|w", "r", "R", "w", Severity.ERROR, AlertState.FIRING, LEAK, 0.0, 0.0, value=LEAK)
    assert "S3CR3T" not in repr(REDACT(alert))


@given(st.text(min_size=6, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_secret_survives_and_doing_it_again_changes_nothing(secret: str, before: str, after: str) -> None:
    redact = Redactor([secret])
    once = redact.text(before + secret + after)
    assert secret not in once or secret in "***" * 20
    assert redact.text(once) == once or secret in once.replace("***", "")


PIECES = (
    "://", "http", "a", "@", ":", "bearer", "Basic", " ", "\xa0", "authorization", "set-cookie",
    "x-api-key", "token", "api_key", "=", "*", "***", '"', '": "', "'", "é", "eyJhbGciO",
    "ghp_abcdefghijklmnopqrstuvwx", "abcdef", "AKIA0123456789ABCDEF", "hooks.slack.com/services", "/",
    "discord.com/api/webhooks", "api.telegram.org/bot", "12", "-----BEGIN ", "RSA PRIVATE KEY-----",
    "-----END ", "\n", "⏎", "secret", "-", "_", ".", "xoxb-0123456789a", "realm", "sk_live_0123456789",
    "glpat-01234567890123456789", "password", "\x1f", "\x0b", "&",
)  # fmt: skip


@settings(max_examples=tried(300, 2_000))
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=10).map("".join))
@example("bearer abcdef")
@example("http://:@")
@example("set-cookie:a")
def test_a_look_beforehand_never_spares_what_has_a_shape(text: str) -> None:
    expected = text
    for shape in _SHAPES:
        expected = shape.pattern.sub(shape.replacement, expected)
    assert Redactor().text(text) == expected


def test_a_large_text_takes_little_time() -> None:
    redact = Redactor([f"secret-number-{index}" for index in range(50)])
    parts = ("a", "=", "token", "token=", "http://a:b", "eyJ", '"token', "secret-number-", "…(+", "bearer ")
    for part in parts:
        started = time.process_time()
        redact.text(part * (200_000 // len(part)))
        assert time.process_time() - started < 1.0, part
