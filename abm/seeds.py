"""What may be a seed: the same whole numbers wherever one is given.

Imports nothing heavy, so that the options of the command line can read the bounds.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

LARGEST_SEED = 2**63 - 1
SEEDS = "a whole number from 0 to 2**63 - 1"


def checked_seed(value: Any, name: str = "seed") -> int:
    """`value` as a Python integer; raises ScenarioError, naming the argument `name`, for what is no seed."""
    if isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= LARGEST_SEED:
        return int(value)
    from abm.scenario import ScenarioError

    raise ScenarioError([f"{name}: {repr(value)[:60]} is not {SEEDS}"])
