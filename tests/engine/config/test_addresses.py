"""Addresses that nothing can be connected to are refused when the file is read."""

from pathlib import Path

import pytest

from engine.config.loader import load_config
from engine.errors import ConfigError

FILE = """\
version: 1
environments: {e: {base: "http://h", two: "%s"}}
workflows: [{id: w, name: W, every: 30s, steps: [{id: a, %s}]}]
"""


def problems(tmp_path: Path, step: str, variable: str = "x") -> list[str]:
    path = tmp_path / "rules.yaml"
    path.write_text(FILE % (variable, step))
    try:
        load_config(path, env={"NAME": "{{ x }}"})
    except ConfigError as error:
        return [str(problem).split(": ", 1)[1] for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('http: {url: "htp://x"}', "`url` begins with http:// or https:// and a host, found `htp://x` (did"),
        (
            "http: {url: x}",
            "`url` begins with http:// or https:// and a host, found `x` (such as https://exa",
        ),
        ('http: {url: "https://u:pass@/a?token=1"}', "`url` begins with http:// or https:// and a host"),
        ('http: {url: "http://x:99999"}', "the host or port of `http://x:99999` cannot be read"),
        ('websocket: {url: "http://x"}', "`url` begins with ws:// or wss:// and a host, found `http://x`"),
        ('tcp: {address: "http://x:1"}', "the address http://x:1 is not written host:port (such as"),
        ("udp: {address: x, talk: [{send: a}, {expect: b}]}", "the address x is not written host:port"),
        ('grpc: {address: "x:"}', "the address x: is not written host:port"),
        ('tls: {address: "https://x"}', "the address https://x is not written host or host:port"),
        ('dns: {name: x, server: "udp://x"}', "the address udp://x is not written host or host:port"),
    ],
)
def test_what_is_no_address_is_refused(tmp_path: Path, step: str, expected: str) -> None:
    [problem] = problems(tmp_path, step)
    assert problem.startswith(expected)
    assert "pass" not in problem
    assert "token" not in problem


@pytest.mark.parametrize(
    "step",
    [
        'http: {url: "HTTPS://user:pass@[::1]:8443/a?b=c"}',
        'http: {url: "{{ env.base }}/x"}',
        'http: {url: "http://{{ env.two }}"}',
        'websocket: {url: "wss://x/feed"}',
        'tcp: {address: "[::1]:25"}',
        'tcp: {address: "{{ env.two }}:25"}',
        "tls: {address: x}",
        'dns: {name: x, server: "2001:db8::1"}',
        "dns: {name: x}",
    ],
)
def test_addresses_and_placeholders_are_taken(tmp_path: Path, step: str) -> None:
    assert problems(tmp_path, step) == []


def test_nothing_is_filled_in_in_an_environment(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "wait: {for: 1s}", "{{ env.base }}/x")
    assert problem.startswith("`two` holds a placeholder, which is filled in in steps only (write the value")
    assert problems(tmp_path, "wait: {for: 1s}", "${env:NAME}") == []


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("ls -l", '["ls", "-l"]'),
        ("check 'a b' {{ env.base }}", '["check", "a b", "{{env.base}}"]'),
        ("df | tail -1", '["sh", "-c", "df | tail -1"]'),
        ("it's", '["it\'s"]'),
    ],
)
def test_a_command_line_is_told_how_it_is_written(tmp_path: Path, command: str, written: str) -> None:
    [problem] = problems(tmp_path, f'shell: {{command: "{command}"}}')
    assert problem == f"`command` wants a list, found `{command}` (write {written})"
