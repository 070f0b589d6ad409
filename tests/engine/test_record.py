"""Records compare, hash and copy by their values."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

from engine.model import Failure, Point
from engine.model.record import record


@record(frozen=True, slots=True)
class Pair:
    """Two numbers."""

    left: int
    right: int = 0


def test_records_are_dataclasses_that_compare_and_hash_by_value() -> None:
    assert is_dataclass(Pair)
    assert [field.name for field in fields(Pair)] == ["left", "right"]
    assert Pair(1) == Pair(1, 0)
    assert len({Pair(1), Pair(1, 0), Pair(2)}) == 2
    assert replace(Pair(1), right=5) == Pair(1, 5)
    assert not hasattr(Pair(1), "__dict__")


def test_those_of_the_model_can_be_keys() -> None:
    assert {Failure("x"): 1}[Failure("x")] == 1
    point = Point("a", (("k", "v"),), 1.0, 2.0)
    assert hash(point) == hash(replace(point))
