"""Lines as they were drawn, without the caches that nothing asks, and gone when nothing shows them any more.

Textual gives each line seven caches when it is made. Thousands of lines are kept, most of which ask none or
one of them: that was 7 MB, and fifteen objects to make for each line that is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.segment import Segment
from textual.cache import FIFOCache
from textual.strip import Strip

_CACHES = {
    "_divide_cache": 4,
    "_crop_cache": 16,
    "_style_cache": 16,
    "_filter_cache": 4,
    "_line_length_cache": 4,
    "_crop_extend_cache": 4,
    "_offsets_cache": 4,
}
"""The caches of a line, and how much each keeps, as Textual has them."""


class _Parts(FIFOCache[tuple[int, ...], list[Strip]]):
    """What a line was cut into, unless it was left whole: it would keep itself, until the collector comes."""

    __slots__ = ()

    def __setitem__(self, cuts: tuple[int, ...], parts: list[Strip]) -> None:
        if len(parts) > 1:
            self.set(cuts, parts)


def use_late_caches() -> None:
    """Have every line, from now on, make each of its caches when it is first asked for."""
    changed: Any = Strip
    changed.__init__ = _begin
    # Asked only for what is not there.
    changed.__getattr__ = _late


def _begin(line: Strip, segments: Iterable[Segment], cell_length: int | None = None) -> None:
    line._segments = list(segments)
    line._cell_length = cell_length
    line._render_cache = None
    line._link_ids = None
    line._cell_count = None


def _late(line: Strip, name: str) -> FIFOCache[Any, Any]:
    if name not in _CACHES:
        raise AttributeError(f"a strip has no {name!r}", name=name, obj=line)
    cache: FIFOCache[Any, Any] = (_Parts if name == "_divide_cache" else FIFOCache)(_CACHES[name])
    setattr(line, name, cache)
    return cache
