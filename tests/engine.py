"""The engine's state in the form that tests ask for."""

from __future__ import annotations

import numpy as np

from abm.state import ACTIVE, IDENTIFIED, NEGOTIATING, State

KNOWN = (IDENTIFIED, NEGOTIATING, ACTIVE)


def of_pairs(state: State, field: str) -> np.ndarray:
    """A field of CASE by opportunity; 0 where its parties do not know of it."""
    cases = state.moving_cases()
    cases = cases[np.isin(cases["stage"], KNOWN)]
    values = np.zeros(len(state.pairs), cases[field].dtype)
    values[cases["pair"]] = cases[field]
    return values
