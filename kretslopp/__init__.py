"""kretslopp: does a resource centre make the circular economy happen?

    import kretslopp as kr
    scenario = kr.load_scenario("ostergotland", {"prices.volatility": 2.0, "appraisal.rule": "npv"})
    trajectory = kr.simulate(scenario, seed=1)
    effect = kr.paired_effect(scenario, replicates=100)
    kr.run_sweep(kr.load_design("design.toml"), "runs/design")
    table = kr.Store("runs/design").frame()

Names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abm.model import SymbiosisModel
    from abm.scenario import Scenario, ScenarioError, load_scenario
    from abm.simulate import Trajectory, simulate, simulate_arms
    from calibration.posterior import posterior_effect, read_posterior
    from experiments import sensitivity as sensitivity
    from experiments.comparison import Comparison, compare
    from experiments.designfile import load_design
    from experiments.designs import Design
    from experiments.effect import PairedEffect, paired_effect
    from experiments.hypotheses import load_hypotheses, put_to_test
    from experiments.options import parse_options
    from experiments.precision import UntilNarrow
    from experiments.store import Store
    from experiments.sweep import run_sweep

_HOME = {
    "SymbiosisModel": "abm.model",
    "Scenario": "abm.scenario",
    "ScenarioError": "abm.scenario",
    "load_scenario": "abm.scenario",
    "Trajectory": "abm.simulate",
    "simulate": "abm.simulate",
    "simulate_arms": "abm.simulate",
    "posterior_effect": "calibration.posterior",
    "read_posterior": "calibration.posterior",
    "PairedEffect": "experiments.effect",
    "paired_effect": "experiments.effect",
    "UntilNarrow": "experiments.precision",
    "Design": "experiments.designs",
    "load_design": "experiments.designfile",
    "run_sweep": "experiments.sweep",
    "Store": "experiments.store",
    "Comparison": "experiments.comparison",
    "compare": "experiments.comparison",
    "parse_options": "experiments.options",
    "load_hypotheses": "experiments.hypotheses",
    "put_to_test": "experiments.hypotheses",
}

__all__ = [
    "Comparison",
    "Design",
    "PairedEffect",
    "Scenario",
    "ScenarioError",
    "Store",
    "SymbiosisModel",
    "Trajectory",
    "UntilNarrow",
    "compare",
    "load_design",
    "load_hypotheses",
    "load_scenario",
    "paired_effect",
    "parse_options",
    "posterior_effect",
    "put_to_test",
    "read_posterior",
    "run_sweep",
    "sensitivity",
    "simulate",
    "simulate_arms",
]


def __getattr__(name: str) -> Any:
    if name == "sensitivity":
        return import_module("experiments.sensitivity")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kretslopp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
