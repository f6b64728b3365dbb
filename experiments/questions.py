"""A question of sensitivity put to the model: which parameters over which ranges, of what outcome, on how many runs.

Rows are run as a sweep in a folder, so an analysis resumes and scales as sweeps do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from abm.parameters import BY_NAME, FUNCTIONS, Value
from abm.plan import plan
from abm.scenario import Scenario, ScenarioError
from abm.texts import nearest
from experiments.designs import Columns, Design
from experiments.effect import WITH, WITHOUT, unit
from experiments.ranges import DECLARED, Range, declared_range, read_range, uncertain
from experiments.runner import Progress
from experiments.store import Store
from experiments.sweep import run_sweep

EFFECT = "effect."  # of the centre, in front of an indicator
SHARES = "facilitator.shares"  # the five functions' shares as one input
NOBODY: Mapping[str, Value] = {"facilitator.fte": 0.0}


@dataclass(frozen=True)
class Input:
    """What is varied together: a parameter, or the functions' shares; `at` turns quantiles into values by parameter.

    Shares are uniform on the simplex: exponentials over their sum (Devroye 1986). One of them cannot be varied with the
    others at rest, so they are one input; what each function adds is for attribution.py.
    """

    name: str
    width: int
    at: Callable[[np.ndarray], Columns] = field(repr=False)
    ordered: bool = True  # do its values have an order that quantiles follow?


def of_range(one: Range) -> Input:
    """A parameter over its range."""
    return Input(one.name, 1, lambda u: {one.name: one.at(u[:, 0])}, one.parameter.numeric)


def _shares(u: np.ndarray) -> Columns:
    parts = -np.log1p(-u)
    shares = parts / parts.sum(axis=1, keepdims=True)
    return {f"{SHARES}.{name}": shares[:, number] for number, name in enumerate(FUNCTIONS)}


ALL_SHARES = Input(SHARES, len(FUNCTIONS), _shares)


def read_inputs(text: str, scenario: Scenario) -> list[Input]:
    """'discovery.finds, facilitator.shares' -> inputs over their declared ranges, choices over all that are declared;
    raises ScenarioError."""
    inputs, errors = [], []
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name == SHARES:
            inputs.append(ALL_SHARES)
            continue
        try:
            choices = BY_NAME[name].choices if name in BY_NAME else ()
            one = read_range(name, list(choices) or DECLARED, scenario.values)
            if name.startswith(f"{SHARES}."):
                raise ValueError(f"{name}: cannot vary while the other shares rest; name {SHARES} for all five")
            inputs.append(of_range(one))
        except ValueError as error:
            errors.append(f"parameters: {error}")
    errors += [f"parameters: {name} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
    if not names:
        errors.append("parameters: name at least one, or say how many")
    if errors:
        raise ScenarioError(errors)
    return inputs


def all_inputs(scenario: Scenario) -> list[Input]:
    """Everything that nobody decides on, over its declared range."""
    return [of_range(declared_range(one, scenario.values[one.name])) for one in uncertain(scenario)]


@dataclass(frozen=True)
class Outcome:
    """An indicator at the horizon, of the run without the centre or as the effect of the centre."""

    indicator: str
    effect: bool

    @property
    def name(self) -> str:
        """'effect.adoption'."""
        return f"{EFFECT if self.effect else ''}{self.indicator}"

    @property
    def unit(self) -> str:
        """Of the indicator."""
        return unit(self.indicator)


def read_outcome(text: str, scenario: Scenario) -> Outcome:
    """'effect.adoption' or 'adoption'; raises ScenarioError."""
    effect = text.startswith(EFFECT)
    name = text.removeprefix(EFFECT)
    columns = plan(scenario).columns
    if name not in columns:
        raise ScenarioError([f"outcome: no indicator {name!r}{nearest(name, columns)}; put {EFFECT} before it for "
                             "the effect of the centre"])  # fmt: skip
    if effect and not float(scenario.values["facilitator.fte"]) > 0.0:
        raise ScenarioError(["outcome: nobody works at the centre (facilitator.fte is 0), so it has no effect"])
    return Outcome(name, effect)


@dataclass(frozen=True)
class Question:
    """What is asked, and where and how it is run."""

    scenario: Scenario
    inputs: tuple[Input, ...]
    outcome: Outcome
    seed: int
    folder: Path
    workers: int | None = None
    executor: Executor | None = None
    stage: Callable[[str], Progress | None] = field(default=lambda name: None)

    @property
    def width(self) -> int:
        """Quantiles that a row takes."""
        return sum(one.width for one in self.inputs)

    @property
    def arms(self) -> int:
        """Runs of one replicate."""
        return 2 if self.outcome.effect else 1

    @property
    def unit_problem(self) -> dict[str, Any]:
        """SALib's problem over quantiles, with a group for each input if any takes more than one."""
        owners = [one.name for one in self.inputs for _ in range(one.width)]
        names = owners if len(set(owners)) == len(owners) else [f"{name}[{n}]" for n, name in enumerate(owners)]
        problem: dict[str, Any] = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
        return problem if names == owners else problem | {"groups": owners}

    def columns(self, u: np.ndarray) -> Columns:
        """Values of all parameters by row, from quantiles of shape (rows, width)."""
        columns: Columns = {}
        first = 0
        for one in self.inputs:
            columns |= one.at(u[:, first : first + one.width])
            first += one.width
        return columns

    def run(
        self, u: np.ndarray, replicates: int, part: str, luck: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Outputs of rows given by quantiles, shape (rows, replicates): without the centre, and with it if asked for.

        `part` names the sweep within the folder; rows with the same `luck` share their seeds, others have their own.
        Raises ScenarioError where a run failed.
        """
        arms: dict[str, Mapping[str, Value]] = {WITHOUT: NOBODY}
        if self.outcome.effect:
            arms[WITH] = {}
        design = Design(
            part, self.scenario, self.columns(u), replicates, arms, self.seed, False, (self.outcome.indicator,), None,
            {"kind": part}, luck,
        )  # fmt: skip
        told = self.stage(f"{part}, runs")
        folder = self.folder / part
        report = run_sweep(design, folder, workers=self.workers, executor=self.executor, progress=told)
        if report.left:
            raise ScenarioError([f"{folder}: {report.left} runs are missing; the same command goes on"])
        values = Store(folder).outputs(design, [self.outcome.indicator])[..., 0]
        return values[..., 0], values[..., 1] if self.outcome.effect else None


def too_few(asked: int, needed: int, what: str) -> ScenarioError:
    """The budget is too small."""
    return ScenarioError([f"runs {asked}: too few for {what}, which needs {needed} at least"])


def names_of(inputs: Sequence[Input]) -> list[str]:
    """Names in order."""
    return [one.name for one in inputs]
