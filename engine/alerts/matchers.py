"""Which alerts are meant: `rule=slow-*`, `severity!=CRITICAL`, `tag=~db|cache`.

A matcher compares one label. `=` and `!=` take a text in which `*` is any text and `?` any character, `=~`
and `!~` an RE2 pattern for the whole of the label. `tag` has any number of values: `=` is met when one of
them fits, `!=` when none does. Several matchers have to be met together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.model import Alert, Severity
from engine.patterns import compile_pattern, encodable
from engine.rules.scope import fits
from engine.text import nearest, plain

if TYPE_CHECKING:
    from engine.config.schema import Rule

LABELS = ("rule", "subject", "workflow", "severity", "tag", "id", "fingerprint")
MAX_CHARACTERS = 500
_FORM = re.compile(r"\s*(?P<label>[A-Za-z_]+)\s*(?P<sign>=~|!~|!=|=)\s*(?P<wanted>.*?)\s*", re.DOTALL)

Labels = Mapping[str, Collection[str]]
"""What is known of an alert, by label; a label that it does not have counts as an empty text."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison, as it was written: see `parse()`."""

    label: str
    sign: str
    wanted: str

    def meets(self, labels: Labels) -> bool:
        """Whether an alert with these labels is meant."""
        values = labels.get(self.label) or ("",)
        return any(map(self._agrees, values)) != self.sign.startswith("!")

    def _agrees(self, value: str) -> bool:
        if self.sign.endswith("~"):
            return compile_pattern(f"^(?:{self.wanted})$").search(encodable(value)) is not None
        folded = self.label == "severity"
        return fits(self.wanted.upper() if folded else self.wanted, value)

    def __str__(self) -> str:
        return f"{self.label}{self.sign}{self.wanted}"


@lru_cache(maxsize=4096)
def parse(text: str) -> Matcher:
    """The matcher that `text` says.

    Raises:
        ValueError: with a sentence, for another form, an unknown label, or a pattern that RE2 does not take.
    """
    found = _FORM.fullmatch(text)
    if found is None or len(text) > MAX_CHARACTERS:
        raise ValueError(f"`{plain(text, 60)}` is no matcher; one is such as rule=slow-*, tag!=test")
    label = found["label"].lower()
    if label not in LABELS:
        hint = nearest(label, LABELS)
        raise ValueError(
            f"there is no label `{plain(label, 40)}`; "
            + (f"did you mean {hint}?" if hint else f"there is {', '.join(LABELS)}")
        )
    if found["sign"].endswith("~"):
        compile_pattern(found["wanted"])
        compile_pattern(f"^(?:{found['wanted']})$")
    return Matcher(label, found["sign"], found["wanted"])


def meant(text: str) -> Matcher:
    """As `parse()`, for a text that somebody has just written: a severity is one that there is, too."""
    matcher = parse(text)
    if matcher.label != "severity" or matcher.sign.endswith("~"):
        return matcher
    if not any(fits(matcher.wanted.upper(), severity.value) for severity in Severity):
        hint = nearest(matcher.wanted.upper(), list(Severity))
        raise ValueError(
            f"there is no severity `{plain(matcher.wanted, 40)}`; "
            + (f"did you mean {hint}?" if hint else f"there is {', '.join(Severity)}")
        )
    return matcher


def parse_all(texts: Iterable[str]) -> tuple[Matcher, ...]:
    """Several matchers. Raises ValueError as `parse()` does."""
    return tuple(map(parse, texts))


def met(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Whether all of them are met."""
    return all(matcher.meets(labels) for matcher in matchers)


def labels_of(alert: Alert, rule: Rule | None, workflow_tags: Collection[str] = ()) -> Labels:
    """What matchers may ask of an alert; `workflow` is the subject, tags are those of rule and workflow."""
    return {
        "rule": (alert.rule_id,),
        "subject": (alert.subject,),
        "workflow": (alert.subject,),
        "severity": (alert.severity.value,),
        "id": (str(alert.id),),
        "fingerprint": (alert.fingerprint,),
        "tag": (*(rule.tags if rule else ()), *workflow_tags),
    }
