"""The effect under what we do not know: the paired effect over draws from a calibrated posterior.

Each draw of the parameters has several pairs of runs on seeds of its own. With m the mean effect of a draw's R pairs
and s2 their variance, the law of total variance gives what parameters and what chance (firms, prices and luck) make of
the variance of one pair's effect:

    parameters  Var(m) - E[s2]/R        chance  E[s2]

The interval of the mean effect at given parameters is taken from the m, drawn together until their variance is that
of the parameters and of the overall mean, parameters + Var(m)/draws: otherwise the noise of few pairs would count as
ignorance. Intervals of the split: bootstrap over draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from abm.chance import checked_seed
from abm.numerals import Numerals
from abm.parameters import BY_NAME, Value
from abm.plan import plan
from abm.scenario import Scenario, ScenarioError
from abm.simulate import simulate_arms
from abm.tablefile import read_lines
from abm.texts import MOST_TABLE, DataError, nearest, position, quoted, read_bytes, shown
from calibration.evaluation import point_seeds
from experiments.effect import GROSS, unit, without_centre
from experiments.runner import Progress, run_all

WEIGHT = "weight"
PAIRS_A_DRAW = 4
FEWEST_DRAWS = 10
MOST_ERRORS = 10
ENDS = (0.025, 0.975)
RESAMPLES = 1000


@dataclass(frozen=True)
class Posterior:
    """Particles: parameter values, shape (particles, names), and their weights, which sum to 1."""

    source: str
    names: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray

    @property
    def effective(self) -> float:
        """How many particles of equal weight would be as good."""
        return float(1.0 / np.square(self.weights).sum())

    def draws(self, count: int, seed: int) -> list[dict[str, Value]]:
        """`count` draws, each particle as often as its weight says, to within one (systematic resampling)."""
        generator = np.random.default_rng([seed, count])
        places = (generator.permutation(count) + generator.uniform()) / count
        chosen = np.minimum(np.searchsorted(np.cumsum(self.weights), places), len(self.weights) - 1)
        kinds = [type(BY_NAME[name].default) for name in self.names]
        return [
            {name: kind(x) for name, kind, x in zip(self.names, kinds, self.values[one], strict=True)} for one in chosen
        ]


def read_posterior(file: Path) -> Posterior:
    """Read a posterior: CSV or Parquet, one column a parameter, and `weight` (equal if there is none).

    Raises ScenarioError with a line for each thing that is wrong, naming the row.
    """
    header, rows = _table(file)
    names = [name for name in header if name in BY_NAME and BY_NAME[name].numeric]
    others = [name for name in header if name not in names and name != WEIGHT and "." in name]
    errors = [f"{file}: no numeric parameter {shown(name)}{nearest(name, tuple(BY_NAME))}" for name in others]
    if not names:
        errors.append(f"{file}: no column is a parameter; expected names as in `kretslopp list parameters`")
    if len(rows) < FEWEST_DRAWS:
        errors.append(f"{file}: {len(rows)} rows, at least {FEWEST_DRAWS} are needed")
    values = np.zeros((len(rows), len(names)))
    weights = np.ones(len(rows))
    for number, row in enumerate(rows):
        for place, name in enumerate(names):
            values[number, place], problem = _number(row.get(name))
            kind = type(BY_NAME[name].default)
            problem = problem or (BY_NAME[name].check(kind(values[number, place])) or "")
            errors += [f"{file}: row {number + 1}: {name}: {problem}"] if problem else []
        if WEIGHT in header:
            weights[number], problem = _number(row.get(WEIGHT))
            problem = problem or ("is below 0" if weights[number] < 0.0 else "")
            errors += [f"{file}: row {number + 1}: {WEIGHT}: {problem}"] if problem else []
    if not errors and weights.sum() <= 0.0:
        errors.append(f"{file}: all weights are 0")
    if errors:
        more = len(errors) - MOST_ERRORS
        raise ScenarioError(errors[:MOST_ERRORS] + ([f"{file}: and {more} more"] if more > 0 else []))
    return Posterior(str(file), tuple(names), values, weights / weights.sum())


def _table(file: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Names and rows: numbers, or as texts what is no number."""
    try:
        if file.suffix == ".parquet":
            from pyarrow import BufferReader
            from pyarrow.parquet import read_table

            columns = read_table(BufferReader(read_bytes(file, MOST_TABLE))).to_pydict()
            header, numerals = list(columns), Numerals(list(columns.values()), "")
            rows = [list(cells) for cells in zip(*columns.values(), strict=True)]
        else:
            lines = read_lines(file)
            (_, names), *body = lines.lines or [(1, [])]
            header = [str("" if name is None else name) for name in names]
            numerals, rows = lines.numerals(1, len(header)), [cells for _, cells in body]
    except DataError as error:
        raise ScenarioError(error.errors) from None
    except (OSError, ValueError) as error:
        raise ScenarioError([f"{file}: cannot be read as a table ({error})"]) from None
    named = [(place, name) for place, name in enumerate(header) if name in BY_NAME or name == WEIGHT]
    return header, [
        {name: _read(numerals, place, cells[place]) for place, name in named if place < len(cells)} for cells in rows
    ]


def _read(numerals: Numerals, place: int, cell: Any) -> Any:
    """The number of a cell; what is wrong with it, as a text, if it is none."""
    try:
        return numerals.read(place, cell)
    except ValueError as error:
        return str(error)


def _number(cell: Any) -> tuple[float, str]:
    """A finite number of a cell and no problem, or 0 and what is wrong."""
    if cell is None or isinstance(cell, str):
        return 0.0, cell or "missing"
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return 0.0, f"{quoted(cell)} is not a number"
    return (value, "") if math.isfinite(value) else (0.0, f"{value} is not finite")


@dataclass(frozen=True)
class Uncertain:
    """Effect on one indicator over the posterior, at the horizon.

    `ci`: 95 % of the mean effect at given parameters; `predictive`: of the effect in one history; `standard_error` of
    the mean; `parameters` and `chance`: variances of one pair's effect, `share` of the parameters with its interval.
    All are nan where a share is of nobody in too many draws.
    """

    unit: str
    without: float
    with_: float
    mean: float
    standard_error: float
    ci: tuple[float, float]
    predictive: tuple[float, float]
    parameters: float
    chance: float
    share: float | None
    share_ci: tuple[float, float] | None


@dataclass(frozen=True)
class PosteriorEffect:
    """Effects over a posterior by indicator."""

    scenario: str
    source: str
    seed: int
    draws: int
    pairs: int  # in all
    months: int
    names: tuple[str, ...]  # parameters that vary
    indicators: dict[str, Uncertain]

    def __getitem__(self, indicator: str) -> Uncertain:
        position(indicator, tuple(self.indicators))
        return self.indicators[indicator]

    def as_dict(self) -> dict[str, Any]:
        """As printed by `effect --posterior --json`: the fields of `effect --json`, and the posterior's."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "pairs": self.pairs,
            "months": self.months,
            "posterior": {"file": self.source, "draws": self.draws, "parameters": list(self.names)},
            "indicators": {
                name: _without_nan(
                    {
                        "unit": one.unit,
                        "without": one.without,
                        "with": one.with_,
                        "mean": one.mean,
                        "standard_error": one.standard_error,
                        "ci_low": one.ci[0],
                        "ci_high": one.ci[1],
                        "pairs": self.pairs,
                        "pairing_gain": None,
                        "pairing_gain_ci": None,
                        "predictive": list(one.predictive),
                        "variance": {"parameters": one.parameters, "chance": one.chance},
                        "parameter_share": one.share,
                        "parameter_share_ci": list(one.share_ci) if one.share_ci else None,
                    }
                )
                for name, one in self.indicators.items()
            },
        }


def _without_nan(content: Any) -> Any:
    """The same with None for nan, which is not JSON."""
    if isinstance(content, dict):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and math.isnan(content) else content


def _pairs(scenario: Scenario, draws: Sequence[dict[str, Value]], seed: int, number: int) -> np.ndarray:
    """Ends of both arms of one draw's pairs, shape (pairs, 2, columns)."""
    drawn = scenario.with_values(draws[number])
    arms = [without_centre(drawn), drawn]
    return np.array(
        [[run.values[-1] for run in simulate_arms(arms, one)] for one in point_seeds(seed, number, PAIRS_A_DRAW)]
    )


def split_variance(effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance that the draws make (not below 0) and that chance makes; effects of shape (..., draws, pairs)."""
    pairs = effects.shape[-1]
    chance = effects.var(axis=-1, ddof=1).mean(axis=-1)
    return np.maximum(effects.mean(axis=-1).var(axis=-1, ddof=1) - chance / pairs, 0.0), chance


def uncertain(without: np.ndarray, with_: np.ndarray, unit: str, seed: int) -> Uncertain:
    """The effect on one indicator from arrays of shape (draws, pairs); a draw counts if all its pairs are defined."""
    defined = ~np.isnan(with_ - without).any(axis=1)
    if defined.sum() < FEWEST_DRAWS:
        nan = math.nan
        return Uncertain(unit, nan, nan, nan, nan, (nan, nan), (nan, nan), nan, nan, None, None)
    without, with_ = without[defined], with_[defined]
    effects = with_ - without
    means, draws = effects.mean(axis=1), len(effects)
    parameters, chance = (float(one) for one in split_variance(effects))
    spread = float(means.var(ddof=1))
    middle = float(means.mean())
    kept = min((parameters + spread / draws) / spread, 1.0) if spread > 0.0 else 0.0
    together = middle + (means - middle) * math.sqrt(kept)
    whole = parameters + chance
    share, share_ci = None, None
    if whole > 1e-18 * middle**2 and whole > 0.0:
        drawn = np.random.default_rng(seed).integers(draws, size=(RESAMPLES, draws))
        some, luck = split_variance(effects[drawn])
        total = some + luck
        shares = np.divide(some, total, out=np.zeros(RESAMPLES), where=total > 0.0)
        share, (low, high) = parameters / whole, np.quantile(shares, ENDS)
        share_ci = (float(low), float(high))
    low, high = np.quantile(together, ENDS)
    below, above = np.quantile(effects, ENDS)
    return Uncertain(
        unit,
        float(without.mean()),
        float(with_.mean()),
        middle,
        math.sqrt(spread / draws),
        (float(low), float(high)),
        (float(below), float(above)),
        parameters,
        chance,
        share,
        share_ci,
    )


def posterior_effect(
    scenario: Scenario,
    posterior: Posterior,
    *,
    draws: int = 100,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PosteriorEffect:
    """With and without the centre at `draws` draws of the parameters, `PAIRS_A_DRAW` pairs each.

    Raises ScenarioError for too few draws, or where a draw does not fit the scenario.
    """
    seed = checked_seed(seed)
    if draws < FEWEST_DRAWS:
        raise ScenarioError([f"draws {draws}: at least {FEWEST_DRAWS} draws are needed from a posterior"])
    values = posterior.draws(draws, seed)
    for one in values:
        scenario.with_values(one)
    run = partial(_pairs, scenario, values, seed)
    found = np.array(run_all(run, range(draws), workers=workers, progress=progress))
    columns = plan(scenario).columns
    indicators = {
        name: uncertain(found[:, :, 0, number], found[:, :, 1, number], unit(name), seed)
        for number, name in enumerate(columns)
        if name != GROSS
    }
    return PosteriorEffect(
        scenario.name,
        posterior.source,
        seed,
        draws,
        draws * PAIRS_A_DRAW,
        scenario.months,
        posterior.names,
        indicators,
    )
