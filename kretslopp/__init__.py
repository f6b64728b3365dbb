"""kretslopp: does a resource centre make the circular economy happen?

    import kretslopp as kr
    scenario = kr.load_scenario("ostergotland", {"prices.volatility": 2.0, "appraisal.rule": "npv"})
    trajectory = kr.simulate(scenario, seed=1)
    effect = kr.paired_effect(scenario, replicates=100)

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abm.model import SymbiosisModel
    from abm.scenario import Scenario, ScenarioError, load_scenario
    from abm.simulate import Trajectory, simulate
    from experiments.effect import PairedEffect, paired_effect

_HOME = {
    "SymbiosisModel": "abm.model",
    "Scenario": "abm.scenario",
    "ScenarioError": "abm.scenario",
    "load_scenario": "abm.scenario",
    "Trajectory": "abm.simulate",
    "simulate": "abm.simulate",
    "PairedEffect": "experiments.effect",
    "paired_effect": "experiments.effect",
}

__all__ = [
    "PairedEffect",
    "Scenario",
    "ScenarioError",
    "SymbiosisModel",
    "Trajectory",
    "load_scenario",
    "paired_effect",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kretslopp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
