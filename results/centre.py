"""The staff of the resource centre in a scenario, in words and months."""

from __future__ import annotations

import numpy as np

from abm.parameters import read_path
from abm.scenario import Scenario, resource_centre
from abm.staffing import staff_path


def staff_text(scenario: Scenario) -> str:
    """'4 FTE', with its dated multiples."""
    fte = float(scenario.values["facilitator.fte"])
    path = str(scenario.values["facilitator.staff_path"])
    later = [f"{fte * multiple:g} from month {month}" for month, multiple in read_path(path)]
    return ", ".join([f"{fte:g} FTE", *later])


def opening(scenario: Scenario) -> int | None:
    """Month in which the centre opens, or None if it does not within the run."""
    staffed = _staffed(scenario)
    return int(staffed[0]) if staffed.size else None


def closing(scenario: Scenario) -> int | None:
    """Month in which the centre closes, or None if it does not within the run."""
    staffed = _staffed(scenario)
    return int(staffed[-1]) + 1 if staffed.size and staffed[-1] + 1 < scenario.months else None


def _staffed(scenario: Scenario) -> np.ndarray:
    """Months with staff planned at the centre."""
    return np.flatnonzero(staff_path(resource_centre(scenario.values), 0, scenario.months))
