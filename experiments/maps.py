"""A two-way map: the outcome over a grid of two parameters, with its standard error, on the same replicates at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from abm.scenario import ScenarioError
from experiments.analysis import check_inputs, left_out_words, outputs_of, unchanged_words, undefined_error
from experiments.questions import Question, too_few

STEPS = 5  # of each parameter
LEAST = 4  # replicates


@dataclass(frozen=True)
class Map:
    """One row a point of the grid: both values, mean and standard error of the outcome, and replicates; what is said.

    Mean and error are nan at points where the outcome is not defined in every replicate.
    """

    table: pd.DataFrame
    replicates: int
    words: tuple[str, ...]


def two_way(question: Question, runs: int) -> Map:
    """The outcome over a grid of two inputs.

    All points share their seeds, so that what differs between them is what the parameters do. Raises ScenarioError
    unless there are two inputs and enough runs, and where the outcome is defined nowhere.
    """
    if len(question.inputs) != 2 or question.width != 2:
        raise ScenarioError(["method map: name two parameters (A,B)"])
    check_inputs(question, "map")
    points = STEPS * STEPS
    replicates = runs // (points * question.arms)
    if replicates < LEAST:
        raise too_few(runs, points * question.arms * LEAST, "a map")
    grid = (np.arange(STEPS) + 0.5) / STEPS
    u = np.array([(first, second) for first in grid for second in grid])
    outputs = outputs_of(*question.run(u, replicates, "map", np.zeros(points, int)))
    y, there, name = outputs.y, outputs.defined, question.outcome.name
    undefined = int(points - there.sum())
    if undefined == points:
        raise undefined_error(name, undefined, points, "points", "map")
    values = question.columns(u)
    table = pd.DataFrame({one: values[one] for one in values})
    table["mean"], table["error"] = np.nan, np.nan
    table.loc[there, "mean"] = y[there].mean(axis=1)
    table.loc[there, "error"] = y[there].std(axis=1, ddof=1) / np.sqrt(replicates)
    same = (unchanged_words(name),) if outputs.unchanged else ()
    words = same + left_out_words(name, undefined, points, "points")
    return Map(table.assign(replicates=replicates), replicates, words)
