"""How often the trend is right: on noise that has none, and on a change of 30 percent.

Noise is normal, lognormal, or autoregressive (each value 0.3 of the one before it), 5 to 40 percent of its
mean, over 12 to 288 buckets. The change comes at once in the middle (step), or evenly from the first bucket
to the last (ramp), which is half as much from one half to the other.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from engine.lines import table
from engine.model import Direction
from engine.telemetry.trends import trend

FIGURES = ("trend_false_alarms_percent", "trend_missed_percent")
BUCKETS = (12, 24, 48, 96, 288)
VARIATIONS = (0.05, 0.1, 0.2, 0.4)
ALIKE = 0.3
CHANGE = 1.3
SERIES = 500
Source = Callable[[random.Random, int, float], list[float]]


def normal(rng: random.Random, count: int, variation: float) -> list[float]:
    return [rng.gauss(1.0, variation) for _ in range(count)]


def lognormal(rng: random.Random, count: int, variation: float) -> list[float]:
    sigma = math.sqrt(math.log1p(variation * variation))
    return [rng.lognormvariate(-sigma * sigma / 2, sigma) for _ in range(count)]


def autoregressive(rng: random.Random, count: int, variation: float) -> list[float]:
    values = [rng.gauss(0, 1)]
    for _ in range(count - 1):
        values.append(ALIKE * values[-1] + rng.gauss(0, math.sqrt(1 - ALIKE * ALIKE)))
    return [1.0 + variation * value for value in values]


NOISES: dict[str, Source] = {"normal": normal, "lognormal": lognormal, "AR(1) 0.3": autoregressive}
SHAPES: dict[str, Callable[[int, int], float]] = {
    "none": lambda place, count: 1.0,
    "step +30 %": lambda place, count: CHANGE if place >= count / 2 else 1.0,
    "ramp +30 %": lambda place, count: 1.0 + (CHANGE - 1.0) * place / (count - 1),
}


def directions(shape: str, noise: str, count: int, variation: float) -> Counter[Direction]:
    """What is said of SERIES durations of this kind; the seed is that of the kind."""
    rng = random.Random(f"{shape} {noise} {count} {variation}")
    factors = [SHAPES[shape](place, count) for place in range(count)]
    said: Counter[Direction] = Counter()
    for _ in range(SERIES):
        values = map(float.__mul__, NOISES[noise](rng, count, variation), factors)
        said[trend(list(values), more_is_better=False).direction] += 1
    return said


def percent(said: Iterable[Counter[Direction]], direction: Direction) -> list[float]:
    """The share of `direction` in each."""
    return [100.0 * counter[direction] / counter.total() for counter in said]


def run() -> list[dict[str, Any]]:
    """Prints the confusion table, all lengths together, with the least and most favourable of them."""
    cells = {kind: directions(*kind) for kind in itertools.product(SHAPES, NOISES, BUCKETS, VARIATIONS)}
    rows = []
    for shape, noise, variation in itertools.product(SHAPES, NOISES, VARIATIONS):
        said = [cells[shape, noise, count, variation] for count in BUCKETS]
        whole = [sum(said, Counter())]
        shares = [f"{percent(whole, direction)[0]:.1f}" for direction in Direction]
        right = Direction.STABLE if shape == "none" else Direction.DEGRADING
        by_length = (f"{share:.0f}" for share in percent(said, right))
        rows.append((shape, noise, f"{variation:.0%}", *shares, " ".join(by_length)))
    lengths = " ".join(map(str, BUCKETS))
    header = ("TRUTH", "NOISE", "CV", *(f"{word.upper()} %" for word in Direction), f"RIGHT % AT {lengths}")
    print("\n".join(table(header, rows, colour=False)))
    stable = percent((said for kind, said in cells.items() if kind[0] == "none"), Direction.STABLE)
    plain = (said for kind, said in cells.items() if kind[0] != "none" and kind[2] >= 48 and kind[3] <= 0.1)
    values = (100.0 - min(stable), 100.0 - min(percent(plain, Direction.DEGRADING)))
    against = (
        "trendless noise, worst of 60 kinds",
        "a change of 30 %, worst kind of at least 48 buckets and at most 10 % noise",
    )
    return [
        {"name": name, "value": round(value, 2), "unit": "%", "goal": goal, "against": beside}
        for name, value, goal, beside in zip(FIGURES, values, (5, 15), against, strict=True)
    ]
