from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.workflows.steps.base import CheckError
from engine.workflows.steps.http_spec import HttpSpec
from engine.workflows.templates import has_placeholders, names, render, render_spec

SCOPE: dict[str, dict[str, Any]] = {
    "env": {"base_url": "http://h", "port": 80, "debug": True, "nothing": None, "trap": "{{ env.port }}"},
    "log.in": {"token": "abc"},
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("{{ env.base_url }}/login", "http://h/login"),
        ("{{env.port}}", 80),
        ("p{{ env.port }}", "p80"),
        ("{{ env.debug }}!", "true!"),
        ("{{ env.nothing }}", None),
        ("{{ log.in.token }}", "abc"),
        ("{{ env.trap }}", "{{ env.port }}"),
        ("x{{ env.trap }}x", "x{{ env.port }}x"),
        ("{ not } a {template}", "{ not } a {template}"),
    ],
)
def test_placeholders_are_filled_in_once(text: str, rendered: object) -> None:
    assert render(text, SCOPE) == rendered


def test_containers_are_filled_in_and_keep_their_shape() -> None:
    value = {"a": ["{{ env.port }}", {"b": "{{ log.in.token }}"}], "{{ log.in.token }}": 1}
    assert render(value, SCOPE) == {"a": [80, {"b": "abc"}], "abc": 1}


@pytest.mark.parametrize("text", ["{{ env.gone }}", "{{ nobody.x }}", "{{ env }}", "{{ a | upper }}", "{{}}"])
def test_an_unknown_name_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(CheckError, match=r"is not known \(known: env\.base_url") as caught:
        render(text, SCOPE)
    assert text.strip("{} ") in str(caught.value)


def test_the_size_of_what_is_filled_in_is_bounded() -> None:
    with pytest.raises(CheckError, match="the limit is 1048576"):
        render("{{ env.big }}" * 20, {"env": {"big": "x" * 65_536}})


def test_types_survive_only_where_anything_is_allowed() -> None:
    spec = HttpSpec.model_validate(
        {
            "url": "{{ env.base_url }}/",
            "headers": {"x-port": "{{ env.port }}"},
            "json": {"port": "{{ env.port }}"},
        }
    )
    rendered = render_spec(spec, SCOPE)
    assert (rendered.url, rendered.headers, rendered.json_) == ("http://h/", {"x-port": "80"}, {"port": 80})
    assert HttpSpec.model_validate(rendered.model_dump(by_alias=True)) == rendered
    assert has_placeholders(spec)
    assert not has_placeholders(rendered)


def test_names_are_listed_for_the_check_of_the_file() -> None:
    text = "{{ env.a.b }} {{ login.token }} {{log.in.token}} {{ what }}"
    assert names(text) == {("env", "a.b"), ("login", "token"), ("log.in", "token"), ("what", "")}


@given(st.text(alphabet="{} .abenv_|\n", max_size=60))
def test_any_text_renders_or_is_a_check_error(text: str) -> None:
    try:
        render(text, SCOPE)
    except CheckError:
        assert names(text)
