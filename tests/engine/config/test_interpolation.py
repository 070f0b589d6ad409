"""`${…}`: what it reads, what it refuses, what it remembers as secret."""

from pathlib import Path

import pytest

from engine.config.interpolation import MAX_SECRET_FILE, InterpolationError, Interpolator

ENV = {"A": "one", "EMPTY": "", "TRICK": "${env:A} {{ env.x }} $${", "DATABASE_URL": "db"}


@pytest.fixture
def values(tmp_path: Path) -> Interpolator:
    return Interpolator(ENV, tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain $5 {x}", "plain $5 {x}"),
        ("${env:A}", "one"),
        ("<${env:A}-${env:A}>", "<one-one>"),
        ("${env:NOPE:-fallback}", "fallback"),
        ("${env:NOPE:-}", ""),
        ("${env:NOPE:-http://x:80/}", "http://x:80/"),
        ("${env:EMPTY:-fallback}", "fallback"),
        ("${env:EMPTY}", ""),
        ("$${env:A}", "${env:A}"),
        ("$${env:A} ${env:A}", "${env:A} one"),
        ("${env:TRICK}", ENV["TRICK"]),
    ],
)
def test_expansion(values: Interpolator, text: str, expected: str) -> None:
    assert values.expand(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("${env:NOPE}", "the environment variable `NOPE` is not set", "${env:NOPE:-default}"),
        ("${env:DATABASE_ULR}", "`DATABASE_ULR` is not set", "did you mean `DATABASE_URL`?"),
        ("${env:}", "is not the name of an environment variable", "${env:NAME}"),
        ("${env:A B}", "`A B` is not the name", "${env:NAME}"),
        ("${A}", "unknown `${A}`", "$${ is a plain ${"),
        ("${vault:x}", "unknown `${vault:x}`", "${file:/path}"),
        ("${file:}", "unknown `${file:}`", "${file:/path}"),
        ("${env:A", "a `${` without its `}`", "${env:NAME}"),
        ("${env:X:-${env:A}}", "a `${…}` inside another", "defaults are plain text"),
        ("${file:missing}", "there is no file", ""),
    ],
)
def test_faults(values: Interpolator, text: str, message: str, hint: str) -> None:
    with pytest.raises(InterpolationError) as caught:
        values.expand(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_files(values: Interpolator, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\r\n", newline="")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * (MAX_SECRET_FILE + 1))
    assert values.expand("Bearer ${file:token}") == "Bearer s3cret"
    assert values.expand(f"${{file:{tmp_path}/token}}") == "s3cret"
    assert values.secrets == {"s3cret"}
    for name, reason in {
        "binary": "it is not UTF-8 text", "large": "is larger than 64 KB", ".": "there is no file",
        "a\x00b": "there is no file|null byte", "n" * 300: "cannot read",
    }.items():  # fmt: skip
        with pytest.raises(InterpolationError, match=reason):
            values.expand(f"${{file:{name}}}")


def test_secrets_are_what_came_from_outside(values: Interpolator) -> None:
    values.expand("${env:A} ${env:NOPE:-not-secret} ${env:EMPTY}")
    assert values.secrets == {"one"}
