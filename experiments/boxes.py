"""Scenario discovery: the box of input values in which rows of interest are densest (PRIM), and whether it is more
than chance.

Peeling is Friedman & Fisher's (1999) with the objective of the EMA Workbench, gain in density over rows taken off: the
Workbench's own takes seconds a box, fails on whole numbers, and always finds one. Here the outcome is permuted and the
peeling done again: a box survives if few permuted outcomes give as good a one. Then the values of each restricted input
are shuffled among the rows: a restriction holds if few shuffles leave a box as good. Both p-values are exact, as rows
are exchangeable and inputs drawn independently of each other; each is below LEVEL with that chance where there is
nothing to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

PEEL = 0.1  # share of the rows in the box that one peel takes off
LEAST_MASS = 0.05  # share of all rows that a box holds at least
PERMUTATIONS = 199
LEVEL = 0.05


@dataclass(frozen=True)
class Space:
    """Inputs of all rows as numbers, shape (inputs, rows), their sorting orders, and which have no order (codes)."""

    values: np.ndarray
    order: np.ndarray
    unordered: np.ndarray  # places of the inputs that are choices

    @staticmethod
    def of(columns: Sequence[np.ndarray]) -> Space:
        """Columns of numbers, of truth values or of texts; texts and truth values have no order."""
        texts = [number for number, column in enumerate(columns) if column.dtype.kind not in "iuf"]
        coded = [
            np.unique(column, return_inverse=True)[1] if number in texts else column
            for number, column in enumerate(columns)
        ]
        values = np.array(coded, float)
        return Space(values, np.argsort(values, axis=1, kind="stable"), np.array(texts, int))

    def shuffled(self, place: int, random: np.random.Generator) -> Space:
        """With the values of one input shuffled among the rows."""
        values, order = self.values.copy(), self.order.copy()
        values[place] = random.permutation(values[place])
        order[place] = np.argsort(values[place], kind="stable")
        return Space(values, order, self.unordered)


@dataclass(frozen=True)
class Peel:
    """What is taken off: rows of `place` below or above a value, or (`side` 0) those that have it."""

    place: int
    side: int
    value: float

    def keeps(self, values: np.ndarray) -> np.ndarray:
        """Which rows stay, from the values of all inputs."""
        column = values[self.place]
        return (
            column >= self.value if self.side < 0 else column <= self.value if self.side > 0 else column != self.value
        )


@dataclass(frozen=True)
class Box:
    """Rows inside, what was peeled to get there, and coverage times density, which is the highest on the way."""

    inside: np.ndarray
    peels: tuple[Peel, ...]
    score: float

    @property
    def restricted(self) -> tuple[int, ...]:
        """Places of the inputs that the box limits."""
        return tuple(sorted({peel.place for peel in self.peels}))


def find_box(space: Space, interest: np.ndarray) -> Box:
    """Peel until nothing raises the density; of all boxes on the way the one with the highest coverage times density.

    `interest`: rows that are looked for, shape (rows,), at least one.
    """
    rows, wanted = interest.size, float(interest.sum())
    inside, peels = np.ones(rows, bool), []
    best = Box(inside, (), wanted / rows)
    while True:
        peel = _best_peel(space, interest, inside, LEAST_MASS * rows)
        if peel is None:
            return best
        inside = inside & peel.keeps(space.values)
        peels.append(peel)
        score = float(interest[inside].sum()) ** 2 / (inside.sum() * wanted)
        if score > best.score:
            best = Box(inside, tuple(peels), score)


def _best_peel(space: Space, interest: np.ndarray, inside: np.ndarray, least: float) -> Peel | None:
    """The peel with the highest gain in density for each row that it takes off; None if none gains."""
    count = int(inside.sum())
    taken = inside[space.order]
    rows = space.order[taken].reshape(-1, count)
    values = np.take_along_axis(space.values, rows, axis=1)
    hits = np.concatenate((np.zeros((len(rows), 1)), np.cumsum(interest[rows], axis=1)), axis=1)
    ordered = np.ones(len(rows), bool)
    ordered[space.unordered] = False
    best: tuple[float, Peel | None] = (0.0, None)
    for side in (-1, 1):
        limits, off, lost = _ends(values, hits, side)
        gain = np.where(ordered, _gains(off, lost, count, hits[:, -1], least), 0.0)
        place = int(gain.argmax())
        if gain[place] > best[0]:
            best = float(gain[place]), Peel(place, side, float(limits[place]))
    for place in space.unordered:
        codes, first = np.unique(values[place], return_index=True)
        ends = np.append(first[1:], count)
        gain = _gains(ends - first, hits[place, ends] - hits[place, first], count, hits[place, -1], least)
        if gain.max() > best[0]:
            best = float(gain.max()), Peel(int(place), 0, float(codes[gain.argmax()]))
    return best[1]


def _ends(values: np.ndarray, hits: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each input, sorted: the value up to which a peel from one side keeps rows, rows and hits that it takes off.

    A tenth of the rows; where more tie at the end, all that tie there.
    """
    inputs, count = values.shape
    step = max(int(PEEL * count), 1)
    if side < 0:
        cut = values[:, min(step, count - 1)][:, None]
        off = (values < cut).sum(axis=1)
        off = np.where(off > 0, off, (values <= cut).sum(axis=1))
        limits = values[np.arange(inputs), np.minimum(off, count - 1)]
        return limits, off, hits[np.arange(inputs), off]
    cut = values[:, max(count - 1 - step, 0)][:, None]
    off = (values > cut).sum(axis=1)
    off = np.where(off > 0, off, (values >= cut).sum(axis=1))
    limits = values[np.arange(inputs), np.maximum(count - 1 - off, 0)]
    return limits, off, hits[:, -1] - hits[np.arange(inputs), count - off]


def _gains(off: np.ndarray, lost: np.ndarray, count: int, wanted: np.ndarray, least: float) -> np.ndarray:
    """Rise of the density for each row taken off; 0 where too few rows are left."""
    left = count - off
    allowed = (left >= least) & (left > 0) & (off > 0)
    density = (wanted - lost) / np.where(allowed, left, 1)
    return np.where(allowed, (density - wanted / count) / np.where(allowed, off, 1), 0.0)


# -- more than chance?


@dataclass(frozen=True)
class Judged:
    """A box, the p-value of it, and of the restriction of each input that it limits."""

    box: Box
    p: float
    restrictions: dict[int, float] = field(default_factory=dict)

    @property
    def survives(self) -> bool:
        """Is it more than chance?"""
        return self.p <= LEVEL

    @property
    def holding(self) -> tuple[int, ...]:
        """Places of the inputs whose restriction is."""
        return tuple(place for place, p in self.restrictions.items() if self.survives and p <= LEVEL)


def judge(space: Space, interest: np.ndarray, seed: int) -> Judged:
    """The box with its p-values; restrictions are tested if the box survives."""
    box, random = find_box(space, interest), np.random.default_rng([seed, 0xB0C5])
    if not box.peels:
        return Judged(box, 1.0)
    p = _share(box.score, [find_box(space, random.permutation(interest)).score for _ in range(PERMUTATIONS)])
    if p > LEVEL:
        return Judged(box, p)
    return Judged(
        box,
        p,
        {
            place: _share(
                box.score, [find_box(space.shuffled(place, random), interest).score for _ in range(PERMUTATIONS)]
            )
            for place in box.restricted
        },
    )


def _share(score: float, drawn: Sequence[float]) -> float:
    """Of draws as good as the score, the score counted in (Phipson & Smyth 2010)."""
    return (1 + int(np.sum(np.array(drawn) >= score * (1.0 - 1e-12)))) / (len(drawn) + 1)
