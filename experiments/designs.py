"""What a sweep runs: rows of parameter values, arms over each row, replicates of each arm.

A design is read from a TOML file (designfile.py) or made in Python. How rows are laid out is a function in `KINDS`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from abm.chance import checked_seed, mix
from abm.parameters import Value
from abm.plan import plan
from abm.scenario import RULE_TEXTS, Scenario, ScenarioError
from experiments.effect import WITH, WITHOUT
from experiments.identity import digest, whole_key
from experiments.ranges import Range
from experiments.runner import replicate_seeds

Columns = dict[str, np.ndarray]
COMMON, INDEPENDENT = SEEDS = ("common", "independent")
DEFAULT_ARMS: Mapping[str, Mapping[str, Value]] = {WITHOUT: {"facilitator.fte": 0.0}, WITH: {}}
SHOWN = 3  # errors of rows that are listed one by one


@dataclass(frozen=True)
class Thinning:
    """Which columns of a trajectory are kept, every so many months."""

    indicators: tuple[str, ...]
    every: int


@dataclass(frozen=True, eq=False)
class Design:
    """A base scenario, `columns` of swept values (one entry a row), and arms that are laid over each row.

    With `common` seeds replicate r has the same firms, prices and luck in every row, so that rows can be compared in
    pairs; else each row has its own, or shares them with the rows of the same number in `luck`. The arms of one row and
    replicate always share them.
    """

    name: str
    scenario: Scenario
    columns: Columns
    replicates: int
    arms: Mapping[str, Mapping[str, Value]] = field(default_factory=lambda: DEFAULT_ARMS)
    seed: int = 1
    common: bool = True
    indicators: tuple[str, ...] = ()  # kept of each run's horizon; empty: all
    trajectories: Thinning | None = None
    layout: Mapping[str, Any] = field(default_factory=lambda: {"kind": "rows"})  # how the rows were made
    luck: np.ndarray | None = None

    def __post_init__(self) -> None:
        checked_seed(self.seed)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 1

    @property
    def runs(self) -> int:
        """Number of runs: rows, replicates and arms multiplied."""
        return self.rows * self.replicates * len(self.arms)

    @property
    def kept(self) -> tuple[str, ...]:
        """Columns of a trajectory that are kept at the horizon."""
        return self.indicators or plan(self.scenario).columns

    def row(self, number: int) -> dict[str, Value]:
        """Swept values of one row."""
        return {name: column[number].item() for name, column in self.columns.items()}

    @property
    def rule_files(self) -> dict[str, str]:
        """Digest of each of the user's rule files that any row or arm names, by path; raises ScenarioError."""
        found = dict(self.scenario.rule_files)
        changes: list[Mapping[str, Value]] = list(self.arms.values())
        for name in RULE_TEXTS:
            changes += [{name: value} for value in np.unique(self.columns.get(name, np.array([], str))).tolist()]
        for one in changes:
            texts = {name: value for name, value in one.items() if name in RULE_TEXTS}
            found |= dict(self.scenario.with_values(texts).rule_files if texts else ())
        return {path: hashlib.sha256(content).hexdigest() for path, content in found.items()}

    def row_keys(self) -> list[str]:
        """What each row is, whatever its number."""
        return row_keys(self.columns, self.luck)

    def seeds(self, number: int, row_key: str) -> list[int]:
        """Seeds of a row's replicates; they do not change when rows or replicates are added."""
        if self.luck is not None:
            row_key = digest(["luck", int(self.luck[number])])
        elif self.common:
            return replicate_seeds(self.seed, self.replicates)
        return replicate_seeds(int(mix(np.uint64(self.seed), whole_key(row_key))) >> 1, self.replicates)

    def taken(self, order: np.ndarray) -> Design:
        """The same with its rows in another order."""
        columns = {name: column[order] for name, column in self.columns.items()}
        return replace(self, columns=columns, luck=None if self.luck is None else self.luck[order])


def row_keys(columns: Columns, luck: np.ndarray | None) -> list[str]:
    """Digest of each row: of its values and luck, and of which of several equal ones it is."""
    count = len(next(iter(columns.values()))) if columns else 1
    keys, seen = [], dict[str, int]()
    for number in range(count):
        values = {name: column[number].item() for name, column in columns.items()}
        key = digest(values if luck is None else [values, int(luck[number])])
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else digest([key, seen[key]]))
    return keys


# -- how rows are laid out


def _factorial(ranges: Sequence[Range], content: Mapping[str, Any], base: Scenario, seed: int) -> Columns:
    """Every combination; the last parameter changes fastest."""
    mesh = np.meshgrid(*(np.array(one.grid()) for one in ranges), indexing="ij")
    return {one.name: axis.ravel() for one, axis in zip(ranges, mesh, strict=True)}


def _one_at_a_time(ranges: Sequence[Range], content: Mapping[str, Any], base: Scenario, seed: int) -> Columns:
    """The base, then each parameter's values with all others at their base."""
    usual = {one.name: base.values[one.name] for one in ranges}
    rows = [usual]
    rows += [usual | {one.name: value} for one in ranges for value in one.grid() if value != usual[one.name]]
    return {one.name: np.array([row[one.name] for row in rows]) for one in ranges}


def _spread(ranges: Sequence[Range], points: np.ndarray) -> Columns:
    return {one.name: one.at(points[:, number]) for number, one in enumerate(ranges)}


def _latin_hypercube(ranges: Sequence[Range], content: Mapping[str, Any], base: Scenario, seed: int) -> Columns:
    from scipy.stats import qmc

    sampler = qmc.LatinHypercube(len(ranges), rng=np.random.default_rng(seed))
    return _spread(ranges, sampler.random(content["rows"]))


def _sobol(ranges: Sequence[Range], content: Mapping[str, Any], base: Scenario, seed: int) -> Columns:
    """A scrambled Sobol sequence: the first half of a longer one is the shorter one, so a design can grow."""
    from scipy.stats import qmc

    _need_power_of_two(content["rows"])
    sampler = qmc.Sobol(len(ranges), scramble=True, rng=np.random.default_rng(seed))
    return _spread(ranges, sampler.random(content["rows"]))


def _saltelli(ranges: Sequence[Range], content: Mapping[str, Any], base: Scenario, seed: int) -> Columns:
    """The rows of SALib's Sobol analysis; `rows` is the number of base samples N, (2D + 2) N or (D + 2) N in all."""
    from SALib.sample import sobol

    _need_power_of_two(content["rows"])
    unit = {"num_vars": len(ranges), "names": [one.name for one in ranges], "bounds": [[0.0, 1.0]] * len(ranges)}
    second = content.get("second_order", False)
    generator = np.random.default_rng(seed)  # SALib takes a seed of 0 for none
    return _spread(ranges, sobol.sample(unit, content["rows"], calc_second_order=second, seed=generator))


def _need_power_of_two(rows: int) -> None:
    if rows & (rows - 1):
        below = 1 << (rows.bit_length() - 1)
        raise ValueError(f"rows: {rows} is not a power of two, as a Sobol sequence needs; try {below} or {2 * below}")


def _as_said(ranges: Sequence[Range], content: Mapping[str, Any]) -> int:
    return int(content["rows"])


@dataclass(frozen=True)
class Kind:
    """A way to lay out rows: from the ranges, the file's content, the base and the seed.

    `count` says beforehand how many rows that makes, at most; `keys` are those of the file that only it takes. What is
    sampled has seeds of its own for each row unless told otherwise.
    """

    lay_out: Callable[[Sequence[Range], Mapping[str, Any], Scenario, int], Columns]
    count: Callable[[Sequence[Range], Mapping[str, Any]], int]
    keys: tuple[str, ...] = ()

    @property
    def sampled(self) -> bool:
        """Does the file say how many rows?"""
        return "rows" in self.keys


KINDS = {
    "factorial": Kind(_factorial, lambda ranges, content: math.prod(len(one.grid()) for one in ranges)),
    "one_at_a_time": Kind(_one_at_a_time, lambda ranges, content: 1 + sum(len(one.grid()) for one in ranges)),
    "latin_hypercube": Kind(_latin_hypercube, _as_said, ("rows",)),
    "sobol": Kind(_sobol, _as_said, ("rows",)),
    "saltelli": Kind(
        _saltelli,
        lambda ranges, content: content["rows"] * (len(ranges) * (2 if content.get("second_order") else 1) + 2),
        ("rows", "second_order"),
    ),
}


def variants(design: Design, number: int) -> dict[str, Scenario]:
    """The scenario of each arm in one row; raises ScenarioError."""
    row = design.row(number)
    return {name: design.scenario.with_values({**row, **arm}) for name, arm in design.arms.items()}


def check_rows(design: Design, where: str) -> None:
    """Refuse a design with rows that cannot run: raises ScenarioError naming them."""
    errors = []
    for number in range(design.rows):
        try:
            variants(design, number)
        except ScenarioError as error:
            errors += [f"{where}: row {number}: {line}" for line in error.errors[:1]]
    if errors:
        more = len(errors) - SHOWN
        raise ScenarioError(errors[:SHOWN] + ([f"{where}: and {more} rows more"] if more > 0 else []))
