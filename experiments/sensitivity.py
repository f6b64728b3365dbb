"""Sobol indices of the effect of a treatment, or of an outcome, of any stochastic model.

    kr.sensitivity.sobol(function, problem, base_samples, replicates, seed)

Sampling is SALib's; estimation corrects for chance (indices.py), which SALib's does not. `function(x, seed, treated)`
gives one number; both arms of a pair get the same seed, and no two pairs of the whole analysis share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from abm.chance import checked_seed
from abm.scenario import ScenarioError
from experiments.indices import LEAST_BLOCKS, Interval, Rows, intervals, moments

if TYPE_CHECKING:
    import pandas as pd

Quantity = Literal["effect", "outcome"]
Function = Callable[[Any, Any, bool], Any]
BLOCKS = 16  # independently scrambled; fewer where there are few samples
LEAST_SAMPLES = 8  # in a block
MOST_SEED = 2**63 - 1
ROUNDING = 1e-14  # of the outputs: some units in the last place


class SensitivityError(ValueError):
    """An analysis that cannot be made; `errors` holds one line each."""

    def __init__(self, *errors: str) -> None:
        super().__init__("\n".join(errors))
        self.errors = list(errors)


@dataclass(frozen=True)
class Sample:
    """Rows of a Sobol analysis: `x` has shape (K, n, D' + 2 or 2 D' + 2, num_vars), D' parameters or groups.

    The third axis is A, AB_1 ... AB_D', then BA_1 ... BA_D' where there is a second order, then B.
    """

    x: np.ndarray
    names: tuple[str, ...]
    second_order: bool

    @property
    def blocks(self) -> int:
        """Independently scrambled blocks."""
        return int(self.x.shape[0])

    @property
    def rows(self) -> np.ndarray:
        """All rows, shape (K n (D' + 2), num_vars)."""
        return self.x.reshape(-1, self.x.shape[-1])

    def arrange(self, means: np.ndarray, variances: np.ndarray, replicates: int) -> Rows:
        """Means and variances of all rows, shape (..., rows), by matrix."""
        count = len(self.names)
        y, var = (np.moveaxis(part.reshape(*part.shape[:-1], *self.x.shape[:3]), -1, -2) for part in (means, variances))
        ab, ba = slice(1, count + 1), slice(count + 1, 2 * count + 1)
        first, last = np.array(0), np.array(-1)
        return Rows(
            y[..., first, :],
            y[..., last, :],
            y[..., ab, :],
            var[..., first, :],
            var[..., last, :],
            var[..., ab, :],
            replicates,
            y[..., ba, :] if self.second_order else None,
        )


def check_problem(problem: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what gets an index: parameters, or groups; raises SensitivityError."""
    missing = [key for key in ("num_vars", "names", "bounds") if key not in problem]
    if missing:
        raise SensitivityError(f"problem: {', '.join(missing)} missing")
    names, bounds = list(problem["names"]), list(problem["bounds"])
    count = problem["num_vars"]
    errors = []
    if not len(names) == len(bounds) == count:
        errors.append(f"problem: num_vars is {count}, with {len(names)} names and {len(bounds)} bounds")
    errors += [f"problem: {name} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
    for name, (low, high) in zip(names, bounds, strict=False) if "dists" not in problem else ():
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            errors.append(f"problem: {name}: low {low:g} is not below high {high:g}")
    groups = problem.get("groups")
    if groups is not None and len(groups) != count:
        errors.append(f"problem: {len(groups)} groups for {count} parameters")
    if errors:
        raise SensitivityError(*errors)
    return tuple(dict.fromkeys(groups)) if groups is not None else tuple(names)


def blocks_of(base_samples: int) -> int:
    """How many blocks so many base samples make; raises SensitivityError unless they are a power of two, 32 or more."""
    least = LEAST_BLOCKS * LEAST_SAMPLES
    if not _whole(base_samples) or base_samples < least or int(base_samples) & (int(base_samples) - 1):
        raise SensitivityError(f"base_samples: {base_samples} is not a power of two from {least} on")
    return min(BLOCKS, base_samples // LEAST_SAMPLES)


def _whole(value: Any) -> bool:
    """Is it a whole number?"""
    return isinstance(value, (int, np.integer, float)) and not isinstance(value, bool) and value == value // 1


def sample(problem: Mapping[str, Any], size: int, blocks: Sequence[int], second_order: bool, seed: int) -> Sample:
    """Blocks of `size` base samples each, by their numbers: a block is the same whatever others are drawn."""
    from SALib.sample import sobol as saltelli

    names = check_problem(problem)
    drawn = [
        saltelli.sample(
            dict(problem), size, calc_second_order=second_order, seed=np.random.default_rng([seed, number])
        )  # a generator: SALib takes a seed of 0 for none
        for number in blocks
    ]
    rows = len(names) * (2 if second_order else 1) + 2
    return Sample(np.array(drawn).reshape(len(drawn), size, rows, -1), names, second_order)


# -- results


@dataclass(frozen=True)
class SobolResult(Mapping[str, Any]):
    """Indices with 95 % intervals; also reads as a mapping: S1, S1_low, S1_high, ST, ..., S2 where asked for, variance.

    Arrays stand in the problem's order (of groups: as they first appear). `variance` has, each with _low and _high:
    parametric, of the mean given the parameters; chance, of one replicate (of one pair: of the paired effect); pairing,
    what independent arms would add. Where the interval of the parametric variance includes zero nothing is
    `identified`, and the indices are nan.
    """

    names: tuple[str, ...]
    quantity: Quantity
    indices: Mapping[str, Interval]  # first, total and, where asked for, second
    variance: Mapping[str, float]
    identified: bool
    base_samples: int
    blocks: int
    replicates: int
    seed: int

    @property
    def rows(self) -> int:
        """Rows of the design."""
        return self.base_samples * (len(self.names) * (2 if "second" in self.indices else 1) + 2)

    @property
    def runs(self) -> int:
        """Calls of the function."""
        return self.rows * self.replicates * (2 if self.quantity == "effect" else 1)

    def _items(self) -> dict[str, Any]:
        found: dict[str, Any] = {"names": list(self.names)}
        for short, name in (("S1", "first"), ("ST", "total"), ("S2", "second")):
            if name in self.indices:
                one = self.indices[name]
                found |= {short: one.value, f"{short}_low": one.low, f"{short}_high": one.high}
        return found | {"variance": dict(self.variance), "identified": self.identified}

    def __getitem__(self, key: str) -> Any:
        return self._items()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())

    def __len__(self) -> int:
        return len(self._items())

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter: indices with their intervals, rows, replicates and seed."""
        import pandas as pd

        frame = pd.DataFrame({"name": self.names})
        for short, name in (("S1", "first"), ("ST", "total")):
            one = self.indices[name]
            frame[short], frame[f"{short}_low"], frame[f"{short}_high"] = one.value, one.low, one.high
        return frame.assign(rows=self.rows, replicates=self.replicates, blocks=self.blocks, seed=self.seed)


def result_of(
    design: Sample,
    with_: np.ndarray,
    without: np.ndarray | None,
    *,
    quantity: Quantity,
    seed: int,
) -> SobolResult:
    """Indices from outputs of shape (rows, replicates): of an effect those of both arms, of an outcome `without` is
    None and `with_` the outcome. Raises SensitivityError where a number is missing."""
    y = with_ if without is None else with_ - without
    bad = ~np.isfinite(y)
    if bad.any():
        raise SensitivityError(f"{int(bad.any(axis=1).sum())} of {len(y)} rows have a value that is no number")
    replicates = y.shape[1]
    means, variances = y.mean(axis=1), y.var(axis=1, ddof=1)
    if is_constant(y, max(float(np.abs(arm).max()) for arm in (with_, without) if arm is not None)):
        means, variances = np.zeros_like(means), np.zeros_like(variances)  # rounding is no variance
    found = intervals(moments(design.arrange(means, variances, replicates)), replicates)
    identified = bool(found["variance"].low > 0.0)
    kept = ("first", "total", "second") if design.second_order else ("first", "total")
    return SobolResult(
        design.names,
        quantity,
        {name: found[name] if identified else _nothing(found[name]) for name in kept},
        {
            **_budget("parametric", found["variance"]),
            **_budget("chance", found["noise"]),
            **_pairing(design, with_, without),
        },
        identified,
        design.blocks * design.x.shape[1],
        design.blocks,
        replicates,
        seed,
    )


def is_constant(y: np.ndarray, size: float) -> bool:
    """Are finite values the same but for rounding, as large as `size` are what they are made of?"""
    return bool(np.ptp(y) <= ROUNDING * size)


def _nothing(one: Interval) -> Interval:
    nan = np.full_like(one.value, np.nan)
    return Interval(nan, nan, nan)


def _budget(name: str, one: Interval) -> dict[str, float]:
    return {name: float(one.value), f"{name}_low": float(one.low), f"{name}_high": float(one.high)}


def _pairing(design: Sample, with_: np.ndarray, without: np.ndarray | None) -> dict[str, float]:
    """Variance that independent arms would add to one effect: twice the covariance of the arms within rows."""
    if without is None:
        return {}
    joint = (
        2.0
        * ((with_ - with_.mean(axis=1, keepdims=True)) * (without - without.mean(axis=1, keepdims=True))).sum(axis=1)
        / (with_.shape[1] - 1)
    )
    blocks = joint.reshape(design.blocks, -1).mean(axis=1)
    from scipy.special import stdtrit

    half = float(stdtrit(design.blocks - 1, 0.975)) * blocks.std(ddof=1) / np.sqrt(design.blocks)
    value = np.array(blocks.mean())
    return _budget("pairing", Interval(value, value - half, value + half))


# -- any function


def pair_seeds(rows: int, replicates: int, seed: int) -> np.ndarray:
    """A seed of its own for each replicate of each row, shape (rows, replicates)."""
    seeds: np.ndarray = np.random.default_rng([seed, 0x5EED]).integers(MOST_SEED, size=(rows, replicates))
    return seeds


def evaluate(function: Function, x: np.ndarray, seeds: np.ndarray, treated: bool, vectorized: bool) -> np.ndarray:
    """Outputs of all rows and replicates, shape (rows, replicates)."""
    if vectorized:
        flat = _numbers(function(np.repeat(x, seeds.shape[1], axis=0), seeds.ravel(), treated), seeds.size)
        return flat.reshape(seeds.shape)
    return np.array(
        [[_numbers(function(row, int(seed), treated), 1)[0] for seed in own] for row, own in zip(x, seeds, strict=True)]
    )


def _numbers(returned: Any, count: int) -> np.ndarray:
    """What a function returned as so many numbers, shape (count,); an array of one value counts as the value."""
    try:
        values = np.asarray(returned, float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if returned is None or values.size != count:
        found = f"an array of shape {values.shape}" if values.size > 1 else type(returned).__name__
        expected = "one number" if count == 1 else f"{count} numbers, one a row"
        raise SensitivityError(f"function: returned {found}; expected {expected}")
    return values.reshape(count)


def sobol(
    function: Function,
    problem: Mapping[str, Any],
    base_samples: int,
    replicates: int,
    seed: int,
    *,
    quantity: Quantity = "effect",
    second_order: bool = False,
    vectorized: bool = False,
) -> SobolResult:
    """Sobol indices of E[effect | parameters], or of an untreated outcome, of any stochastic function.

    `function(x, seed, treated) -> float`, or with `vectorized` `function(X, seeds, treated) -> array`; `problem` is
    SALib's dict (num_vars, names, bounds, optional groups and dists). Needs two replicates a row, also of a function
    without chance. Raises SensitivityError.
    """
    if not _whole(replicates) or replicates < 2:
        raise SensitivityError(f"replicates: {replicates}; chance can only be told from parameters with two or more")
    if quantity not in ("effect", "outcome"):
        raise SensitivityError(f"quantity: {quantity!r} is neither effect nor outcome")
    try:
        seed = checked_seed(seed)
    except ScenarioError as error:
        raise SensitivityError(*error.errors) from None
    check_problem(problem)
    count = blocks_of(base_samples)
    base_samples, replicates, seed = (int(one) for one in (base_samples, replicates, seed))
    design = sample(problem, base_samples // count, range(count), second_order, seed)
    seeds = pair_seeds(len(design.rows), replicates, seed)
    without = evaluate(function, design.rows, seeds, False, vectorized)
    if quantity == "outcome":
        return result_of(design, without, None, quantity=quantity, seed=seed)
    with_ = evaluate(function, design.rows, seeds, True, vectorized)
    return result_of(design, with_, without, quantity=quantity, seed=seed)
