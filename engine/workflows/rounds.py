"""What `foreach` goes through: values that stand in the file, or a list that an earlier step got back.

```yaml
- {id: shops, http: {url: "{{ env.base_url }}/shops"}}
- {id: page, foreach: "{{ shops.json.items }}", parallel: 4, http: {url: "{{ item.url }}"}}
```
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.model import ErrorCategory, ErrorType, Failure, Scalar
from engine.redaction import is_secret_name
from engine.text import plain
from engine.workflows.fieldpath import MISSING, FieldPath, parse_path
from engine.workflows.placeholders import PLACEHOLDER, leading
from engine.workflows.steps.base import CheckError, StepError

LABEL_LIMIT = 40

Rounds = tuple[Mapping[str, Scalar], ...]

_TELLING = ("name", "id", "key", "title", "value")
_WRONG = (ErrorType.PERMANENT, ErrorCategory.VALIDATION)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list in the reply to an earlier step.

    Args:
        source: the step; `path` leads to the list in its reply.
        limit: how many items there may be.
    """

    source: str
    path: FieldPath
    limit: int

    @classmethod
    def of(cls, text: str, steps: Collection[str], limit: int) -> Listed:
        """Read `{{ shops.json.items }}`; `steps` are the ids that may stand first, which may have dots.

        Raises:
            ValueError: with a sentence.
        """
        written = PLACEHOLDER.fullmatch(text.strip())
        if written is None:
            raise ValueError("foreach is a list, or where one is found, such as {{ shops.json.items }}")
        content = written[1].strip()
        source = leading(content, steps)
        if not source:
            raise ValueError(f"`{text.strip()}` begins with no step of this workflow")
        return cls(source, parse_path(content[len(source) :].lstrip(".")), limit)

    def rounds(self, fields: Mapping[str, Any]) -> Rounds:
        """The rounds that the reply makes; none for an empty list.

        Raises:
            StepError: there is no list, or it holds another list.
            CheckError: it is longer than is allowed.
        """
        found = self.path.find(fields)
        where = f"foreach: {self.source}.{self.path.text}"
        if not isinstance(found, (list, tuple)):
            what = "missing" if found is MISSING else f"no list: {plain(found, LABEL_LIMIT)}"
            raise StepError(Failure(f"{where} is {what}", *_WRONG))
        if len(found) > self.limit:
            message = f"{where} has {len(found):,} items, max_rounds is {self.limit:,}"
            raise CheckError(Failure(message, *_WRONG))
        for number, item in enumerate(found, 1):
            if isinstance(item, (list, tuple)):
                raise StepError(Failure(f"{where}: item {number} is a list, not a value", *_WRONG))
        return rounds_of(found)


def rounds_of(items: Sequence[Any]) -> Rounds:
    """What each round knows as `item`: a value as `value`, the single values of a mapping by their keys, and
    `index` from 1.
    """
    return tuple({**_values(item), "index": index} for index, item in enumerate(items, 1))


def label(item: Mapping[str, Scalar]) -> str:
    """What a round is called in spans and messages: its value, or the most telling one it has."""
    others = (name for name in item if name != "index" and not is_secret_name(name))
    name = next((name for name in (*_TELLING, *others) if item.get(name) not in (None, "")), "index")
    return plain(item[name], LABEL_LIMIT)


def _values(item: Any) -> dict[str, Scalar]:
    if not isinstance(item, Mapping):
        return {"value": item}
    return {str(key): value for key, value in item.items() if isinstance(value, Scalar)}
