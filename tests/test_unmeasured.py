"""What nobody has measured: which parameters these are, and that a point's effect is that of its parameters."""

from __future__ import annotations

import numpy as np
import pytest

from abm.parameters import BY_NAME, LEVERS
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate_arms
from experiments.effect import without_centre
from experiments.unmeasured import (
    FACTORS,
    FEWEST_POINTS,
    LEFT_OUT,
    POINTS,
    TAKEN_IN,
    Unmeasured,
    over_unmeasured,
    points_for,
    unmeasured_ranges,
)

SHORT = {"run.spin_up": 3, "learning.aware_start": 0.5}
FEW = 24


@pytest.fixture(scope="module")
def short() -> Scenario:
    return load_scenario("tiny", SHORT, months=60)


@pytest.fixture(scope="module")
def found(short: Scenario) -> Unmeasured:
    return over_unmeasured(short, ("exchanges", "public_outlay"), points=FEW, replicates=2, seed=3)


def test_it_is_every_judgement_in_use_and_nothing_measured_or_decided(tiny: Scenario) -> None:
    names = [one.name for one in unmeasured_ranges(tiny)]
    assert {"transaction.multiplier", "discovery.finds", "facilitator.screenings", "worth.horizon"} <= set(names)
    measured = {"worth.landfill_tax", "appraisal.payback_median", "population.size_exponent", "facilitator.cost"}
    assert not set(names) & (measured | {"population.firms", "run.spin_up"} | LEVERS)
    assert all(name in TAKEN_IN or BY_NAME[name].source.startswith("judgement") for name in names)
    assert len(names) == len(set(names)) > 90
    assert all(LEFT_OUT.values())  # each with its reason
    assert not set(TAKEN_IN) & {name for name in BY_NAME if BY_NAME[name].source.startswith("judgement")}


def test_cost_of_an_intervention_counts_where_it_is_in_force(tiny: Scenario) -> None:
    name = "interventions.marketplace.cost"
    assert name not in {one.name for one in unmeasured_ranges(tiny)}
    there = tiny.with_values({"interventions.marketplace.level": 0.1})
    assert {one.name for one in unmeasured_ranges(there)} - {one.name for one in unmeasured_ranges(tiny)} == {name}


def test_a_factor_is_as_likely_to_halve_as_to_double(found: Unmeasured) -> None:
    for name in FACTORS:
        values = found.values[name]
        assert (BY_NAME[name].low or 0.0) <= values.min() < values.max() <= (BY_NAME[name].high or 0.0)
        assert np.sum(values < 1.0) == FEW / 2  # a Latin hypercube: half of the points in half of the range


def test_a_point_has_its_own_parameters_and_luck(short: Scenario, found: Unmeasured) -> None:
    again = over_unmeasured(short, ("exchanges",), points=FEW, replicates=2, seed=3, workers=1)
    np.testing.assert_array_equal(again.effects["exchanges"], found.effects["exchanges"])
    other = over_unmeasured(short, ("exchanges",), points=FEW, replicates=2, seed=4)
    assert not np.array_equal(other.effects["exchanges"], found.effects["exchanges"])
    assert found.points == FEW
    # outlay hangs on no luck where nothing is paid to the parties: staff and their cost alone
    here = short.with_values({name: values[0].item() for name, values in found.values.items()})
    without, with_ = simulate_arms([without_centre(here), here], 1)
    staff = with_["public_cost"][-1] - without["public_cost"][-1]
    assert found.effects["public_outlay"][0] >= staff - 1e-9
    assert found.effects["public_outlay"].std() > 0


def test_nine_points_of_ten() -> None:
    values = np.concatenate([np.arange(1.0, 100.0), [np.nan]])
    one = Unmeasured({}, {"exchanges": values}, 2, 1)
    assert one.span("exchanges") == pytest.approx((5.0, 95.0))


@pytest.mark.parametrize(("pairs", "points"), [(1, FEWEST_POINTS), (10, 40), (400, POINTS)])
def test_a_quick_study_is_quick_here_too(pairs: int, points: int) -> None:
    assert points_for(pairs) == points
