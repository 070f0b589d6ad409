"""Who gives way when there is too little room, and sizes as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.config.loader import load_config
from engine.config.storage import StorageSpec, parse_size
from engine.store.budget import Weight, give_way
from engine.store.limits import Kind, Limits, Share

SHRINKABLE = [kind for kind in Kind if kind is not Kind.ALERTS]
NO_LIMIT = Limits()

counts = st.integers(1, 10**9)
weight = st.builds(
    lambda size, first, rows: Weight(size, first, first + rows - 1), st.integers(0, 10**12), counts, counts
)
weights = st.dictionaries(st.sampled_from(list(Kind)), weight)


def left(weight: Weight, number: int) -> float:
    """Bytes that stay when rows up to `number` leave, all rows being alike."""
    return weight.size * (weight.last - number) / (weight.last - weight.first + 1)


@given(weights, st.integers(0, 10**12))
def test_enough_leaves_and_the_largest_first(found: dict[Kind, Weight], excess: int) -> None:
    numbers = give_way(found, NO_LIMIT, excess)
    shrinkable: dict[Kind, Weight] = {kind: found[kind] for kind in SHRINKABLE if kind in found}
    assert set(numbers) <= set(shrinkable)
    kept = {k: left(w, numbers[k]) if k in numbers else w.size for k, w in shrinkable.items()}
    total = sum(weight.size for weight in shrinkable.values())
    rounding = sum(weight.size / (weight.last - weight.first + 1) for weight in shrinkable.values()) + 1
    assert sum(kept.values()) <= max(total - excess, 0) + rounding
    # Nobody who gave way was smaller than somebody who did not have to.
    for one in numbers:
        for other in set(shrinkable) - set(numbers):
            assert shrinkable[one].size >= shrinkable[other].size
    if not excess:
        assert not numbers


def test_a_kind_keeps_to_its_own_limit() -> None:
    found = {Kind.LOGS: Weight(1_000, 1, 100), Kind.POINTS: Weight(5_000, 1, 100)}
    limits = Limits(shares={Kind.LOGS: Share(size=250)})
    assert give_way(found, limits, 0) == {Kind.LOGS: 75}


def test_alerts_never_leave_for_want_of_room() -> None:
    assert give_way({Kind.ALERTS: Weight(10**9, 1, 10)}, NO_LIMIT, 10**9) == {}


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("500MB", 500_000_000),
        ("2 GB", 2_000_000_000),
        ("64MiB", 64 * 1024 * 1024),
        ("1.5gib", 3 * 512 * 1024 * 1024),
        ("0", 0),
        (4096, 4096),
        ("12B", 12),
    ],
)
def test_sizes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    "written", ["", "a lot", "-1", "5 parsecs", True, None, "1e3", "200TB", float("nan")]
)
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match="size is"):
        parse_size(written)


def test_limits_come_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        "version: 1\nsettings:\n  retention: 20d\n  storage:\n    max_size: 100MB\n    free_space: 0\n"
        "    logs: {keep: 2d, max_size: 10MB}\n    alerts: {keep: 365d}\n"
    )
    settings = load_config(path).config.settings
    limits = settings.storage.limits(settings.retention)
    assert (limits.size, limits.floor, limits.ballast) == (100_000_000, 0, 16 * 1024 * 1024)
    assert limits.shares[Kind.LOGS] == Share(2 * 86_400.0, 10_000_000)
    assert [limits.before(kind, 0.0) / -86_400 for kind in (Kind.LOGS, Kind.ALERTS, Kind.POINTS)] == [
        2,
        365,
        20,
    ]


def test_a_file_too_small_to_be_of_use_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_size"):
        StorageSpec.model_validate({"max_size": "1MB"})
