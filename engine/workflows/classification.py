"""What an error means where the configuration knows better: `settings.classify`, before the built-in table.

```yaml
settings:
  classify:
    - {match: "deadlock detected|too many clients", type: TRANSIENT, category: database}
    - {status: 503, match: "(?i)maintenance", type: PERMANENT}
```
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.config.classify import ClassifySpec
from engine.model import Failure
from engine.patterns import Pattern, compile_pattern, encodable

MESSAGE_LIMIT = 8_192
"""Characters of an error's message that patterns are searched in."""


class ErrorTable:
    """Gives failures the type and category of the first entry that fits them.

    Raises:
        ValueError: a pattern cannot be read.
    """

    def __init__(self, entries: Sequence[ClassifySpec]) -> None:
        self._entries = [
            (entry, compile_pattern(entry.match) if entry.match is not None else None) for entry in entries
        ]

    def __call__(self, failure: Failure, status: object = None) -> Failure:
        """`failure` as the table has it; `status` is that of the reply, where there was one that has any."""
        for entry, pattern in self._entries:
            if _fits(entry, pattern, failure.message, status):
                return replace(failure, type=entry.type, category=entry.category or failure.category)
        return failure


def _fits(entry: ClassifySpec, pattern: Pattern | None, message: str, status: Any) -> bool:
    if entry.status and status not in entry.status:
        return False
    if pattern is None:
        return True
    return pattern.search(encodable(message[:MESSAGE_LIMIT])) is not None
