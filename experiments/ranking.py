"""Which of several options is best, and how often: a tie is a tie, whatever the order they were named in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.regret import COMPARED, leaders
from experiments.unitcosts import Ladder

CHEAPEST = "public_per_tonne"


@dataclass(frozen=True)
class Ranking:
    """Shares of draws: in which each option alone is best, and in which two or more are. The rest: none was."""

    best: Mapping[str, float]
    tied: float


def rank(values: np.ndarray, names: Sequence[str]) -> Ranking:
    """Rank options by `values` of shape (draws, options): the highest is best, nan is out of the running."""
    first = leaders(values)
    alone = first & (first.sum(axis=1) == 1)[:, None]
    shares = alone.mean(axis=0).tolist()
    return Ranking(dict(zip(names, shares, strict=True)), float((first.sum(axis=1) > 1).mean()))


def rank_all(ladders: Sequence[Ladder], costs: Mapping[str, np.ndarray], seed: int) -> dict[str, Ranking]:
    """By indicator and by public outlay per tonne (the lowest is best), over replicates and the unit costs given."""
    names = [one.option.name for one in ladders]
    found = [one.at(costs, seed) for one in ladders]
    outlay = np.column_stack([paid for paid, _ in found])
    brought = {name: np.column_stack([brings[name] for _, brings in found]) for name in COMPARED}
    carbon = brought["carbon"]
    per_tonne = np.divide(outlay, carbon, out=np.full_like(outlay, np.nan), where=carbon > 0.0)
    return {name: rank(values, names) for name, values in brought.items()} | {CHEAPEST: rank(-per_tonne, names)}
