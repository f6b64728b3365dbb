"""The engine's state in the form that tests ask for."""

from __future__ import annotations

import numpy as np

from abm.simulate import Trajectory
from abm.state import ACTIVE, IDENTIFIED, NEGOTIATING, State

KNOWN = (IDENTIFIED, NEGOTIATING, ACTIVE)


def of_pairs(state: State, field: str) -> np.ndarray:
    """A field of CASE by opportunity; 0 where its parties do not know of it."""
    cases = state.moving_cases()
    cases = cases[np.isin(cases["stage"], KNOWN)]
    values = np.zeros(len(state.pairs), cases[field].dtype)
    values[cases["pair"]] = cases[field]
    return values


SHARES = {"adoption_firms", "cost_per_tonne", "cross_sector", "distance", "degree"}  # indicators that may be of nobody


def undefined(run: Trajectory) -> set[str]:
    """Indicators that are not defined in some month; groups, which may be empty, left out."""
    holes = np.isnan(run.values).any(axis=0)
    return {name for name, hole in zip(run.names, holes, strict=True) if hole and "." not in name}
