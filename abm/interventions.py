"""Month's step 2: dated policy levers.

A lever is a path over the months; the resource centre is one: its staff from opening to closing. Levers are laid out
before the run, so no mechanism ever asks which policy is on.
"""

from __future__ import annotations

import numpy as np

from abm.compiled import mechanism
from abm.scenario import Scenario

LEVERS = np.dtype([("fte", "f8"), ("landfill_tax", "f8"), ("carbon_price", "f8")], align=True)


def lever_paths(scenario: Scenario) -> np.ndarray:
    """Levers of each month from the start of the spin-up, record array of length spin-up + months."""
    spin_up = scenario.spin_up_months
    paths = np.zeros(spin_up + scenario.months, LEVERS)
    values = scenario.values
    start, stop = int(values["facilitator.start"]), int(values["facilitator.stop"])
    paths["fte"][spin_up + start : spin_up + stop] = values["facilitator.fte"]
    paths["landfill_tax"] = values["worth.landfill_tax"]
    paths["carbon_price"] = values["worth.carbon_price"]
    return paths


@mechanism
def step(t, world, state):
    """The levers of month `t` are in force."""
    state.lever[0] = world.levers[t]
