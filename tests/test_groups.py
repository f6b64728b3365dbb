"""Who gains: groups are formed by what a centre cannot change, and a group of nobody is not defined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from abm.scenario import Scenario
from abm.simulate import simulate, simulate_arms

MANDATE = {"interventions.mandate.level": 2, "interventions.mandate.start": 0}


def test_maturity_groups_are_those_of_month_0(tiny: Scenario) -> None:
    """A mandate makes every municipality active at once; who was passive stays in its group."""
    run = simulate(tiny.with_values(MANDATE), 3)
    assert run["active_municipalities"][-1] == 1.0
    for group, town in (("active", "Storstad"), ("exploring", "Mellanby"), ("passive", "Lillbyn")):
        assert np.array_equal(run[f"adoption.maturity.{group}"], run[f"adoption.municipality.{town}"], equal_nan=True)


def test_a_group_without_members_is_not_defined_and_never_0(tiny: Scenario) -> None:
    towns = tuple(town.model_copy(update={"maturity": 2}) for town in tiny.region.municipality)
    region = tiny.region.model_copy(update={"municipality": towns})
    arms = [replace(tiny.with_values({"facilitator.fte": fte}), region=region) for fte in (0.0, 4.0)]
    for run in simulate_arms(arms, 3):
        assert np.isnan(run["adoption.maturity.passive"]).all()
        assert np.isnan(run["adoption.maturity.exploring"]).all()
        assert np.isfinite(run["adoption.maturity.active"]).all()
        assert np.isnan(run["adoption.sector.C19"]).all()  # no refinery in the region
        assert np.isfinite(run["adoption"]).all()


def test_what_no_exchange_has_is_not_defined(tiny: Scenario) -> None:
    run = simulate(tiny.with_values({"learning.aware_start": 0.0, "run.spin_up": 0, "facilitator.fte": 0.0}), 3)
    nothing = run["exchanges"] == 0
    assert nothing.any()
    for name in ("distance", "cross_sector", "degree"):
        assert np.array_equal(np.isnan(run[name]), nothing), name
    assert np.all(run["adoption"][nothing] == 0.0)
