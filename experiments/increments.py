"""What a step in the size of the centre adds: from no centre to the smallest, and from each size to the next.

What a centre brings and costs against no centre is an average over all its staff. Whether the last person pays is asked
of a step: the larger centre less the smaller one, on the same firms, prices and luck.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

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
    less, more = (np.column_stack([arms.end(arm, name) for name in names]) for arm in (before, after))
    exchanges, carbon, outlay = paired_differences(less, more, [unit(name) for name in names], arms.seed)
    added = dict(zip(names, (more - less).T, strict=True))
    per_tonne = fieller(1e6 * added[OUTLAY], added["carbon"], PER_TONNE)
    per_exchange = fieller(1e6 * added[OUTLAY], added["exchanges"], PER_EXCHANGE)
    return Increment(smaller, larger, exchanges, carbon, outlay, per_tonne, per_exchange)
