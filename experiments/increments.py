"""What a step in the size of the centre adds: from no centre to the smallest, and from each size to the next.

What a centre brings and costs against no centre is an average over all its staff. Whether the last person pays is asked
of a step: the larger centre less the smaller one, on the same firms, prices and luck.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from experiments.effect import OUTLAY, PER_EXCHANGE, PER_TONNE, WITHOUT, Arms, unit
from experiments.pairs import Difference, Ratio, fieller, paired_differences


@dataclass(frozen=True)
class Increment:
    """One step in size, FTE: what it adds at the horizon, and its marginal cost (public outlay, SEK)."""

    smaller: float
    larger: float
    exchanges: Difference
    carbon: Difference
    outlay: Difference
    marginal_cost: Ratio
    exchange_cost: Ratio

    @property
    def name(self) -> str:
        """'2 to 4'."""
        return f"{self.smaller:g} to {self.larger:g}"


def increments(arms: Arms, sizes: Mapping[float, str]) -> tuple[Increment, ...]:
    """Steps between sizes, from the smallest; `sizes` are arms by FTE, and the arm without the centre is size 0."""
    places = {0.0: WITHOUT} | {fte: sizes[fte] for fte in sorted(sizes) if fte > 0.0}
    return tuple(_increment(arms, *first, *second) for first, second in pairwise(places.items()))


def _increment(arms: Arms, smaller: float, before: str, larger: float, after: str) -> Increment:
    names = ("exchanges", "carbon", OUTLAY)
    exchanges, carbon, outlay = (arms.end(after, name) - arms.end(before, name) for name in names)
    found = [
        paired_differences(arms.end(before, name)[:, None], arms.end(after, name)[:, None], [unit(name)], arms.seed)[0]
        for name in names
    ]
    return Increment(
        smaller,
        larger,
        *found,
        fieller(1e6 * outlay, carbon, PER_TONNE),
        fieller(1e6 * outlay, exchanges, PER_EXCHANGE),
    )
