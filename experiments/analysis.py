"""What every method of sensitivity analysis shares: outputs of the model's rows, and the form of what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from abm.scenario import ScenarioError
from experiments.questions import Question
from experiments.sensitivity import SobolResult, is_constant

DUMMY = "(an input that does nothing)"
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Analysis:
    """What a method found: one row an input, `measure` ranks them; `low` and `high` columns beside each measure."""

    method: str
    question: Question
    table: pd.DataFrame
    measure: str
    rows: int
    replicates: int
    words: tuple[str, ...] = ()
    sobol: SobolResult | None = None
    convergence: pd.DataFrame | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """Simulations."""
        return self.rows * self.replicates * self.question.arms

    def ranked(self) -> list[str]:
        """Inputs by the measure, strongest first."""
        table = self.table[self.table["name"] != DUMMY]
        return table.sort_values(self.measure, ascending=False)["name"].tolist()

    @property
    def basis(self) -> str:
        """What the numbers rest on."""
        question = self.question
        return (
            f"{question.outcome.name} in {question.scenario.name}: {self.rows} rows of {self.replicates} replicates, "
            f"{self.runs} runs, seed {question.seed}; 95 % intervals"
        )


@dataclass(frozen=True)
class Outputs:
    """The outcome of each row and replicate, shape (rows, replicates): the effect, or that without the centre.

    `size` is the largest output it is made of, against which differences are rounding.
    """

    y: np.ndarray
    size: float

    @property
    def defined(self) -> np.ndarray:
        """Rows all of whose replicates have a number."""
        return np.isfinite(self.y).all(axis=1)

    @property
    def unchanged(self) -> bool:
        """Is it the same in all runs that have one?"""
        there = self.y[np.isfinite(self.y)]
        return there.size > 0 and is_constant(there, self.size)

    def __getitem__(self, rows: np.ndarray) -> Outputs:
        return Outputs(self.y[rows], self.size)


def outputs_of(without: np.ndarray, with_: np.ndarray | None) -> Outputs:
    """Of the arms as they are run."""
    arms = [np.abs(arm[np.isfinite(arm)]) for arm in (without, with_) if arm is not None]
    size = max((float(arm.max()) for arm in arms if arm.size), default=0.0)
    return Outputs(without if with_ is None else with_ - without, size)


def unchanged_words(outcome: str) -> str:
    """What every method says of an outcome that never changes."""
    return f"{outcome} is the same in all runs, so there is nothing to attribute to anything."


def left_out_words(outcome: str, undefined: int, count: int, things: str) -> tuple[str, ...]:
    """What every method says of rows (or trajectories, ...) in which an outcome is not defined; nothing where it is."""
    if not undefined:
        return ()
    return (f"{outcome} is not defined in {undefined} of {count} {things}, which are left out.",)


def undefined_error(outcome: str, undefined: int, count: int, things: str, method: str) -> ScenarioError:
    """Too little is defined for a method."""
    return ScenarioError([
        f"outcome {outcome}: not defined in {undefined} of {count} {things}, too many for {method}; "
        "narrow the ranges or take another outcome"
    ])  # fmt: skip


def check_inputs(question: Question, method: str, choices: bool = False) -> None:
    """Refuse groups, and unless `choices` are taken what has no order; raises ScenarioError."""
    for one in question.inputs:
        if one.width > 1:
            raise ScenarioError(
                [f"parameters: {one.name} is several inputs in one, which only sobol takes, not {method}"]
            )
        if not one.ordered and not choices:
            taken = "sobol, pawn, delta and prim"
            raise ScenarioError([f"parameters: {one.name} is a choice without order, which {taken} take, not {method}"])


def salib_seed(seed: int) -> int:
    """A seed that SALib takes for one: 0 is none to it."""
    return 1 + seed % (2**31 - 2)
