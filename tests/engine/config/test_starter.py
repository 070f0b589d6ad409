"""The files that ship are valid."""

from pathlib import Path

from engine.config.loader import load_config
from engine.config.starter import STARTER
from engine.paths import shipped_rules


def test_the_starter_loads_without_problems(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(STARTER)
    loaded = load_config(path, env={})
    assert [workflow.schedule for workflow in loaded.config.workflows] == ["every 30s", "cron */5 * * * *"]
    assert [len(workflow.steps) for workflow in loaded.config.workflows] == [2, 1]
    assert len(loaded.config.rules) == 3
    assert loaded.environment == "local"
    assert loaded.variables == {"base_url": "http://127.0.0.1:8000"}
    assert loaded.secrets == frozenset()


def test_the_starter_s_examples_in_comments_load_too(tmp_path: Path) -> None:
    text = STARTER
    for example in ("production: {", "ops: {", "escalation: {", "channels: ["):
        assert f"# {example}" in text
        text = text.replace(f"# {example}", example)
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    loaded = load_config(path, "production", env={"OPS_URL": "json://ops.example"})
    assert loaded.config.channels["ops"].url == "json://ops.example"
    assert loaded.config.rules[2].channels == ("ops",)
    assert loaded.variables == {"base_url": "https://www.example.com"}


def test_the_shipped_rules_load() -> None:
    assert load_config(shipped_rules(), env={}).config.rules
