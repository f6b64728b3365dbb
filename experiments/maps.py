"""A two-way map: the outcome over a grid of two parameters, with its standard error, on the same replicates at all."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abm.scenario import ScenarioError
from experiments.questions import Question, too_few

STEPS = 5  # of each parameter
LEAST = 4  # replicates


def two_way(question: Question, runs: int) -> pd.DataFrame:
    """One row a point of the grid: both values, mean and standard error of the outcome, and replicates.

    All points share their seeds, so that what differs between them is what the parameters do. Raises ScenarioError
    unless there are two inputs and enough runs.
    """
    if len(question.inputs) != 2 or question.width != 2:
        raise ScenarioError(["method map: name two parameters (A,B)"])
    points = STEPS * STEPS
    replicates = runs // (points * question.arms)
    if replicates < LEAST:
        raise too_few(runs, points * question.arms * LEAST, "a map")
    grid = (np.arange(STEPS) + 0.5) / STEPS
    u = np.array([(first, second) for first in grid for second in grid])
    without, with_ = question.run(u, replicates, "map", np.zeros(points, int))
    y = without if with_ is None else with_ - without
    values = question.columns(u)
    table = pd.DataFrame({name: values[name] for name in values})
    table["mean"], table["error"] = y.mean(axis=1), y.std(axis=1, ddof=1) / np.sqrt(replicates)
    return table.assign(replicates=replicates)
