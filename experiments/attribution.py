"""What each function of the centre adds: exact Shapley values over all coalitions of functions, on the same replicates.

A coalition is a centre in which only some functions work. Two games say with what staff:

- additive: each function brings its own staff, so a smaller coalition is a smaller centre;
- fixed: the whole staff is shared among those that work, in proportion to their shares, so that a function is counted
  against what its staff would do in the others: a value below zero is an opportunity cost, no harm.

A value (Shapley 1953) is a weighted sum of effects, so it is estimated in each replicate and has an interval like any
effect; values sum to the effect of the whole centre. Interactions of pairs: Grabisch & Roubens 1999. All rest on what
one person is assumed to reach in each function, which is judgement: `reach_ranks` moves that over its range.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np

from abm.parameters import BY_NAME, FUNCTIONS, Value
from abm.plan import plan
from abm.scenario import Scenario
from abm.simulate import simulate_arms
from experiments.analysis import left_out_words, outputs_of, unchanged_words, undefined_error
from experiments.effect import REACH, unit, without_centre
from experiments.pairs import Difference, paired_differences
from experiments.questions import EFFECT
from experiments.ranges import declared_range
from experiments.runner import Progress, replicate_seeds, run_all

Game = Literal["additive", "fixed"]
GAMES: tuple[Game, ...] = ("additive", "fixed")
Coalition = frozenset[str]
NONE: Coalition = frozenset()
POINTS = 16  # of the ranges of reach


def players(scenario: Scenario) -> tuple[str, ...]:
    """Functions that anybody works on."""
    return tuple(name for name in FUNCTIONS if float(scenario.values[f"facilitator.shares.{name}"]) > 0.0)


def coalitions(names: Sequence[str]) -> list[Coalition]:
    """All subsets, the empty one first."""
    return [frozenset(part) for size in range(len(names) + 1) for part in combinations(names, size)]


def with_coalition(scenario: Scenario, coalition: Coalition, game: Game) -> Scenario:
    """The centre with only these functions."""
    if not coalition:
        return without_centre(scenario)
    shares = {name: float(scenario.values[f"facilitator.shares.{name}"]) for name in FUNCTIONS}
    total = math.fsum(shares[name] for name in coalition)
    staff = float(scenario.values["facilitator.fte"]) * (total if game == "additive" else 1.0)
    changes: dict[str, Value] = {
        f"facilitator.shares.{name}": shares[name] / total if name in coalition else 0.0 for name in FUNCTIONS
    }
    return scenario.with_values({**changes, "facilitator.fte": staff})


def shapley(values: Mapping[Coalition, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Shapley value of each player from the worth of all coalitions (arrays of one shape); players along axis 0."""
    count = len(names)
    found = []
    for name in names:
        others = [other for other in names if other != name]
        found.append(sum(
            math.factorial(len(part)) * math.factorial(count - len(part) - 1) / math.factorial(count)
            * (values[part | {name}] - values[part])
            for part in coalitions(others)
        ))  # fmt: skip
    return np.array(found)


def interactions(values: Mapping[Coalition, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Interaction index of each pair, players along axes 0 and 1; zero on the diagonal."""
    count = len(names)
    shape = np.shape(next(iter(values.values())))
    found = np.zeros((count, count, *shape))
    for (i, one), (j, other) in combinations(enumerate(names), 2):
        pair = {one, other}
        rest = [name for name in names if name not in pair]
        found[i, j] = found[j, i] = sum(
            math.factorial(len(part)) * math.factorial(count - len(part) - 2) / math.factorial(count - 1)
            * (values[part | pair] - values[part | {one}] - values[part | {other}] + values[part])
            for part in coalitions(rest)
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Attribution:
    """Of one game and indicator: values by function, which sum to `whole`; interactions by pair; what dropping costs.

    `dropped`: the whole centre less the one without the function; its staff is gone (additive) or goes to the others
    (fixed: the opportunity cost of having it in the function, where that is below zero). `unchanged`: the indicator is
    the same in all runs; `undefined` replicates, in which it is no number in some coalition, are left out.
    """

    game: Game
    indicator: str
    names: tuple[str, ...]
    values: Mapping[str, Difference]
    dropped: Mapping[str, Difference]
    pairs_of: Mapping[tuple[str, str], Difference]
    whole: Difference
    pairs: int
    seed: int
    unchanged: bool = False
    undefined: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """What is said where the indicator never changes, or is not always defined."""
        name = f"{EFFECT}{self.indicator}"
        said = (unchanged_words(name),) if self.unchanged else ()
        return said + left_out_words(name, self.undefined, self.pairs + self.undefined, "replicates")

    def ranked(self) -> list[str]:
        """Functions by their value, highest first."""
        return sorted(self.names, key=lambda name: -self.values[name].mean)


def _worths(arms: Sequence[Scenario], columns: Sequence[int], seed: int) -> np.ndarray:
    """Indicators of all coalitions at the horizon, shape (coalitions, columns)."""
    return np.array([run.values[-1, columns] for run in simulate_arms(arms, seed)])


def attribute(
    scenario: Scenario,
    indicators: Sequence[str] = ("exchanges", "adoption", "carbon"),
    *,
    replicates: int = 100,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Attribution]:
    """Values of the functions in both games, for each indicator.

    Raises ValueError if nobody works at the centre, or where an indicator is defined in fewer than two replicates.
    """
    names = players(scenario)
    if not names or not float(scenario.values["facilitator.fte"]) > 0.0:
        raise ValueError("nobody works at the centre, so there is nothing to attribute")
    kept: dict[tuple[Game, Coalition], Scenario] = {}
    for game in GAMES:
        kept |= {(game, part): with_coalition(scenario, part, game) for part in coalitions(names)}
    columns = [plan(scenario).columns.index(name) for name in indicators]
    seeds = replicate_seeds(seed, replicates)
    runs = np.array(
        run_all(partial(_worths, list(kept.values()), columns), seeds, workers=workers, progress=progress)
    )  # (replicates, coalitions, indicators)
    return [
        _attribution(
            game,
            indicator,
            names,
            {part: runs[:, place, number] for place, (other, part) in enumerate(kept) if other == game},
            seed,
        )
        for number, indicator in enumerate(indicators)
        for game in GAMES
    ]


def _attribution(
    game: Game, indicator: str, names: tuple[str, ...], worths: Mapping[Coalition, np.ndarray], seed: int
) -> Attribution:
    table = np.column_stack(list(worths.values()))
    outputs = outputs_of(np.repeat(worths[NONE][:, None], table.shape[1], axis=1), table)
    there = outputs.defined
    undefined = int((~there).sum())
    if there.size - undefined < min(2, there.size):
        raise undefined_error(f"{EFFECT}{indicator}", undefined, there.size, "replicates", "functions")
    values = {part: worth[there] - worths[NONE][there] for part, worth in worths.items()}
    everybody = frozenset(names)
    drops = [values[everybody] - values[everybody - {name}] for name in names]
    inter = interactions(values, names)
    duos = list(combinations(range(len(names)), 2))
    columns = [*shapley(values, names), *drops, *(inter[duo] for duo in duos), values[everybody]]
    table = np.column_stack(columns)
    found = paired_differences(np.zeros_like(table), table, [unit(indicator)] * table.shape[1], seed)
    count = len(names)
    return Attribution(
        game,
        indicator,
        names,
        dict(zip(names, found[:count], strict=True)),
        dict(zip(names, found[count : 2 * count], strict=True)),
        {(names[i], names[j]): one for (i, j), one in zip(duos, found[2 * count : -1], strict=True)},
        found[-1],
        len(table),
        seed,
        outputs.unchanged,
        undefined,
    )


# -- what the ranking rests on


@dataclass(frozen=True)
class ReachRanks:
    """How values of the additive game move when the reach of one person does, over its declared ranges.

    `values` has shape (points, functions): means over the replicates. `first`: share of points at which each function
    has the highest value; `low` and `high`: 10 and 90 % quantiles of its value over the points.
    """

    indicator: str
    names: tuple[str, ...]
    values: np.ndarray
    replicates: int
    seed: int

    @property
    def first(self) -> dict[str, float]:
        """Share of points at which each is first."""
        won = np.bincount(self.values.argmax(axis=1), minlength=len(self.names)) / len(self.values)
        return dict(zip(self.names, won.tolist(), strict=True))

    @property
    def spread(self) -> dict[str, tuple[float, float]]:
        """10 and 90 % quantiles of each value over the points."""
        low, high = np.quantile(self.values, (0.1, 0.9), axis=0)
        return {name: (float(low[n]), float(high[n])) for n, name in enumerate(self.names)}


def reach_points(scenario: Scenario, count: int, seed: int) -> list[dict[str, Value]]:
    """Points of a Latin hypercube over the ranges of what one person reaches in each function."""
    from scipy.stats import qmc

    names = [name for rates in REACH.values() for name in rates]
    sample = qmc.LatinHypercube(len(names), rng=np.random.default_rng(seed)).random(count)
    columns = [declared_range(BY_NAME[name], scenario.values[name]).at(sample[:, n]) for n, name in enumerate(names)]
    return [{name: column[point].item() for name, column in zip(names, columns, strict=True)} for point in range(count)]


def reach_ranks(
    scenario: Scenario,
    indicator: str = "exchanges",
    *,
    points: int = POINTS,
    replicates: int = 20,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ReachRanks:
    """Values of the additive game at points of the ranges of reach, on the same replicates at all."""
    names = players(scenario)
    column = plan(scenario).columns.index(indicator)
    parts = coalitions(names)
    changed = [scenario.with_values(point) for point in reach_points(scenario, points, seed)]
    arms = [[with_coalition(one, part, "additive") for part in parts] for one in changed]

    def values(one: int) -> np.ndarray:
        worths = [_worths(kept, [column], one)[:, 0] for kept in arms]
        return np.array([shapley(dict(zip(parts, worth - worth[0], strict=True)), names) for worth in worths])

    found = np.array(run_all(values, replicate_seeds(seed, replicates), workers=workers, progress=progress))
    there = np.isfinite(found).all(axis=(1, 2))
    if not there.any():
        raise undefined_error(f"{EFFECT}{indicator}", replicates, replicates, "replicates", "functions")
    return ReachRanks(indicator, names, found[there].mean(axis=0), int(there.sum()), seed)
