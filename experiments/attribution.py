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
from experiments.effect import REACH, Arms, same_run, unit, without_centre
from experiments.pairs import Difference, paired_differences
from experiments.precision import UntilNarrow, UntilSteady, after, replicates_for, run_replicates
from experiments.questions import EFFECT
from experiments.ranges import declared_range
from experiments.runner import Progress, replicate_seeds, run_all

Game = Literal["additive", "fixed"]
GAMES: tuple[Game, ...] = ("additive", "fixed")
Coalition = frozenset[str]
NONE: Coalition = frozenset()
POINTS = 16  # of the ranges of reach
TOGETHER = 4  # points that share a spin-up: one replicate at all points would be too long a piece of work for a thread


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
    def replicates(self) -> int:
        """That were run."""
        return self.pairs + self.undefined

    @property
    def words(self) -> tuple[str, ...]:
        """What is said where the indicator never changes, or is not always defined."""
        name = f"{EFFECT}{self.indicator}"
        said = (unchanged_words(name),) if self.unchanged else ()
        return said + left_out_words(name, self.undefined, self.replicates, "replicates")

    def ranked(self) -> list[str]:
        """Functions by their value, highest first."""
        return sorted(self.names, key=lambda name: -self.values[name].mean)


def _worths(arms: Sequence[Scenario], columns: Sequence[int], seed: int) -> np.ndarray:
    """Indicators of all coalitions at the horizon, shape (coalitions, columns)."""
    return np.array([run.values[-1, columns] for run in simulate_arms(arms, seed)])


Centres = Mapping[tuple[Game, Coalition], Scenario]


def centres(scenario: Scenario) -> Centres:
    """The centre of every coalition, in both games."""
    names = players(scenario)
    return {(game, part): with_coalition(scenario, part, game) for game in GAMES for part in coalitions(names)}


def to_run(every: Centres, known: Arms | None) -> list[Scenario]:
    """Centres that are not the same as another one, nor as an arm that is known; all but the former if that is none."""
    unlike = {same_run(one): one for one in every.values()}
    there = set(map(same_run, known.scenarios.values())) if known else set()
    return [one for key, one in unlike.items() if key not in there] or list(unlike.values())


def attribute(
    scenario: Scenario,
    indicators: Sequence[str] = ("exchanges", "adoption", "carbon"),
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
    known: Arms | None = None,
) -> list[Attribution]:
    """Values of the functions in both games, for each indicator.

    Until they are narrow: the values of all functions in both games. Of arms that are `known`, with this seed and as
    many replicates, nothing is run again. Raises ValueError if nobody works at the centre, or where an indicator is
    defined in fewer than two replicates.
    """
    names = players(scenario)
    if not names or not float(scenario.values["facilitator.fte"]) > 0.0:
        raise ValueError("nobody works at the centre, so there is nothing to attribute")
    every = centres(scenario)
    new = to_run(every, known)
    columns = [plan(scenario).columns.index(name) for name in indicators]

    def worths(found: Sequence[np.ndarray]) -> dict[tuple[Game, Coalition], np.ndarray]:
        """Of every coalition in the replicates run so far, shape (replicates, indicators)."""
        runs = {same_run(arm): ends for arm, ends in zip(new, np.array(found).swapaxes(0, 1), strict=True)}
        if known:
            runs |= {
                same_run(arm): ends[: len(found), columns]
                for arm, ends in zip(known.scenarios.values(), known.ends, strict=True)
            }
        return {one: runs[same_run(arm)] for one, arm in every.items()}

    def values(found: Sequence[np.ndarray], indicator: str) -> np.ndarray:
        """Of each function in both games, shape (replicates, 2 * functions)."""
        place, of = indicators.index(indicator), worths(found)
        games = [{part: ends[:, place] for (other, part), ends in of.items() if other == game} for game in GAMES]
        return np.concatenate([shapley(one, names) for one in games]).T

    found = run_replicates(partial(_worths, new, columns), replicates, seed, values, workers=workers, progress=progress)
    runs = worths(found)
    return [
        _attribution(
            game,
            indicator,
            names,
            {part: ends[:, number] for (other, part), ends in runs.items() if other == game},
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

    `values` has shape (points, functions): means over the replicates, of which there were so many `runs`. `first`:
    share of points at which each function has the highest value; `low` and `high`: 10 and 90 % quantiles of its value
    over the points.
    """

    indicator: str
    names: tuple[str, ...]
    values: np.ndarray
    replicates: int
    seed: int
    runs: int

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
    replicates: int | UntilSteady = 20,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ReachRanks:
    """Values of the additive game at points of the ranges of reach, on the same replicates at all.

    Nobody has no reach: that coalition is run once for the points that share a spin-up.
    """
    names = players(scenario)
    column = plan(scenario).columns.index(indicator)
    nobody, parts = without_centre(scenario), coalitions(names)[1:]
    changed = [scenario.with_values(point) for point in reach_points(scenario, points, seed)]
    arms = [[with_coalition(one, part, "additive") for part in parts] for one in changed]
    chunks = [arms[first : first + TOGETHER] for first in range(0, points, TOGETHER)]

    def values(chunk: int, one: int) -> np.ndarray:
        """Of each function at the points of a chunk in a replicate, shape (points, functions)."""
        ends = _worths([nobody, *(arm for point in chunks[chunk] for arm in point)], [column], one)[:, 0]
        worths = ends[1:].reshape(-1, len(parts)) - ends[0]
        return np.array(
            [shapley({NONE: 0.0 * ends[0], **dict(zip(parts, worth, strict=True))}, names) for worth in worths]
        )

    def run(first: int, last: int) -> np.ndarray:
        """Replicates from the first to before the last, shape (replicates, points, functions)."""
        seeds, before = replicate_seeds(seed, last), first * len(chunks)

        def task(number: int) -> np.ndarray:
            replicate, chunk = divmod(number, len(chunks))
            return values(chunk, seeds[replicate])

        found = run_all(task, range(before, last * len(chunks)), workers=workers, progress=after(before, progress))
        return np.concatenate(found).reshape(last - first, points, len(names))

    if isinstance(replicates, int):
        found = run(0, replicates)
    else:
        found = run(0, min(replicates.first, replicates.most))
        needed = replicates_for(found, replicates)
        if needed > len(found):
            found = np.concatenate([found, run(len(found), needed)])
    there = np.isfinite(found).all(axis=(1, 2))
    if not there.any():
        raise undefined_error(f"{EFFECT}{indicator}", len(found), len(found), "replicates", "functions")
    runs = len(found) * (points * len(parts) + len(chunks))
    return ReachRanks(indicator, names, found[there].mean(axis=0), int(there.sum()), seed, runs)
