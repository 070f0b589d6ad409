"""`tocsin doctor`: what everything stands on, and what to do about what is not well."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from engine.doctor import Finding, Verdict, examine
from engine.errors import TocsinError
from engine.lines import pad, paint
from engine.paths import default_db
from engine.text import counted, plain
from tui.cli import add_db, add_json
from tui.commands.session import colour, print_json

DEFAULT_CONFIG = Path("rules.yaml")
_GLYPHS = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.ERROR: "✗"}
_PAINTED = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.ERROR: "error"}


def arguments(parser: argparse.ArgumentParser) -> None:
    add_db(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the findings; 1 when one of them is wrong, 0 when there are warnings at most."""
    findings = (
        *examine(options.db or default_db(), time.time()),
        *_configuration(options.config or DEFAULT_CONFIG, options.env),
        *_terminal(),
    )
    if options.json:
        print_json({"type": "finding", **asdict(finding)} for finding in findings)
    else:
        painted = colour()
        for line in _lines(findings, painted):
            print(line)
    return int(any(finding.verdict is Verdict.ERROR for finding in findings))


def _configuration(path: Path, environment: str | None) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("configuration", "file", f"{path} does not exist", advice="tocsin init writes one")
        return
    from engine.config.loader import load_config

    try:
        config = load_config(path, environment).config
    except TocsinError as error:
        first, *others = error.message.splitlines()
        more = f" and {len(others)} more" if others else ""
        yield Finding("configuration", "file", first + more, Verdict.ERROR, f"tocsin check --config {path}")
        return
    found = {"workflow": config.workflows, "rule": config.rules, "channel": config.channels}
    counts = ", ".join(counted(len(parts), word) for word, parts in found.items())
    yield Finding("configuration", "file", f"{path}: {counts}")


def _terminal() -> Iterator[Finding]:
    name, size = os.environ.get("TERM", ""), shutil.get_terminal_size()
    if not sys.stdout.isatty():
        yield Finding("terminal", "output", "not a terminal")
        return
    dumb = name in ("", "dumb")
    advice = "the console needs one that can place the cursor" if dumb else ""
    yield Finding("terminal", "TERM", name or "not set", Verdict.WARNING if dumb else Verdict.OK, advice)
    small = size.columns < 80 or size.lines < 24
    advice = "the console wants 80×24" if small else ""
    verdict = Verdict.WARNING if small else Verdict.OK
    yield Finding("terminal", "size", f"{size.columns}×{size.lines}", verdict, advice)
    encoding = (sys.stdout.encoding or "").lower()
    narrow = encoding.replace("-", "") != "utf8"
    advice = "signs other than ASCII are shown as ?: use a UTF-8 locale" if narrow else ""
    yield Finding("terminal", "encoding", encoding, Verdict.WARNING if narrow else Verdict.OK, advice)


def _lines(findings: tuple[Finding, ...], painted: bool) -> Iterator[str]:
    width = max(len(finding.name) for finding in findings)
    area = ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            yield f"\x1b[1m{area}\x1b[0m" if painted else area
        glyph = _GLYPHS[finding.verdict]
        mark = paint(_PAINTED[finding.verdict], glyph) if painted else glyph
        yield f"  {mark} {pad(finding.name, width)}  {plain(finding.value, 300)}"
        if finding.advice:
            yield f"    {' ' * width}  → {plain(finding.advice, 300)}"
    wrong = sum(finding.verdict is Verdict.ERROR for finding in findings)
    warned = sum(finding.verdict is Verdict.WARNING for finding in findings)
    yield ""
    yield "All is well." if not wrong + warned else f"{wrong} wrong, {warned} to look at."
