"""What a budget buys at other unit costs: the same as runs at these costs, and percentages are over them too."""

from __future__ import annotations

import numpy as np
import pytest

from abm.parameters import BY_NAME
from abm.scenario import Scenario, load_scenario
from experiments.budget import AT_MOST, Solved
from experiments.comparison import Comparison, compare
from experiments.effect import WITHOUT, Arms, run_arms
from experiments.options import Option, parse_options, without_any
from experiments.pairs import BOOTSTRAP
from experiments.ranges import Range, declared_range
from experiments.unitcosts import Ladder, drawn_costs, further_levels, ladder, uncertain_costs
from results.comparing import comparison_text

NAMES = "resource_centre,marketplace,grant,mandate,resource_centre+marketplace"
CENTRE, MARKETPLACE, MANDATE = "facilitator.cost", "interventions.marketplace.cost", "interventions.mandate.cost"


@pytest.fixture(scope="module")
def base() -> Scenario:
    scenario = load_scenario("tiny", {"run.spin_up": 5, "interventions.marketplace.start": 12}, months=72)
    return without_any(scenario, parse_options(NAMES))


def _runs(base: Scenario, option: Option, multiples: list[float]) -> Arms:
    arms = {WITHOUT: base} | {str(one): base.with_values(option.levels(one)) for one in multiples}
    return run_arms(arms, replicates=6, seed=2, workers=2)


def _ladder(base: Scenario, option: Option, multiples: list[float], budget: float) -> Ladder:
    runs, costs = _runs(base, option, multiples), uncertain_costs(base, [option])
    solved = Solved(option, multiples[0], budget)
    return ladder(base, solved, budget, costs, {one: (runs, str(one)) for one in multiples}, runs, ["carbon"])


@pytest.mark.parametrize("name", ["resource_centre", "marketplace", "mandate", "resource_centre+marketplace"])
def test_outlay_at_another_unit_cost_is_that_of_a_run_at_it(base: Scenario, name: str) -> None:
    """The level held: outlay and emissions are those of the model run at the unit cost itself."""
    (option,) = parse_options(name)
    multiple = 0.3 * option.farthest
    one = _ladder(base, option, [multiple], 1.0)
    costs = {part.cost: BY_NAME[part.cost].high for part in option.parts if part.cost}
    outlay, brings = one.at({cost: np.array([high]) for cost, high in costs.items()}, None)
    dear = base.with_values(costs)
    runs = _runs(dear, option, [multiple])
    run = {name: runs.difference(name, str(multiple)).mean for name in ("public_outlay", "carbon")}
    assert outlay[0] == pytest.approx(run["public_outlay"], rel=1e-9)
    assert brings["carbon"][0] == pytest.approx(run["carbon"], rel=1e-9, abs=1e-9)
    usual, _ = one.at({cost: np.array([base.values[cost]]) for cost in costs}, None)
    assert outlay[0] > 1.2 * usual[0]


def test_a_dearer_unit_buys_less_of_it(base: Scenario) -> None:
    """A line through nothing: half the unit cost buys twice the level, as far as there is one."""
    (option,) = parse_options("marketplace")
    multiples = [0.25, 0.5, 1.0]
    paid, units = np.zeros((3, 3)), np.tile(multiples, (3, 1))
    one = Ladder(
        option, tuple(multiples), 5.0, paid, {MARKETPLACE: units}, {"carbon": np.tile([1.0, 2.0, 3.0], (3, 1))}
    )
    outlay, brings = one.at({MARKETPLACE: np.array([5.0, 10.0, 20.0, 40.0, 20.0 / 3.0])}, None)
    assert outlay.tolist() == pytest.approx([5.0, 5.0, 5.0, 10.0, 5.0])  # the dearest: no level that low was run
    assert brings["carbon"].tolist() == pytest.approx([3.0, 2.0, 1.0, 1.0, 2.5])


def test_whole_steps_are_the_dearest_within_the_budget() -> None:
    (option,) = parse_options("mandate", beyond=True)
    steps = np.tile([1.0, 2.0], (3, 1))
    one = Ladder(option, (0.5, 1.0), 4.0, np.zeros((3, 2)), {MANDATE: steps}, {"carbon": 10.0 * steps})
    outlay, brings = one.at({MANDATE: np.array([1.0, 2.0, 3.0, 9.0])}, None)
    assert outlay.tolist() == [2.0, 4.0, 3.0, 9.0]
    assert brings["carbon"].tolist() == [20.0, 20.0, 10.0, 10.0]


def test_levels_reach_over_the_range_and_are_all_different(base: Scenario) -> None:
    (centre, market, grant, mandate, _) = parse_options(NAMES)
    costs = uncertain_costs(base, [centre, market, grant, mandate])
    assert set(costs) == {CENTRE, MARKETPLACE, MANDATE}
    multiple = 0.1 * centre.farthest
    levels = further_levels(base, Solved(centre, multiple, 1.0), costs)
    assert (levels[0], levels[-1]) == (pytest.approx(0.8 * multiple), pytest.approx(2.0 * multiple))
    assert multiple in levels
    at_most = further_levels(base, Solved(market, market.farthest, 1.0, AT_MOST), costs)
    assert at_most[-1] == market.farthest
    assert at_most[0] == pytest.approx(0.4 * market.farthest)
    assert further_levels(base, Solved(grant, 0.5, 1.0), costs) == [0.5]
    steps = [mandate.levels(one) for one in further_levels(base, Solved(mandate, mandate.farthest, 1.0), costs)]
    assert all(steps.count(one) == 1 for one in steps)


def test_where_funders_look_at_what_a_person_costs_it_is_not_drawn(base: Scenario) -> None:
    options = parse_options(NAMES)
    reviewed = base.with_values({"facilitator.review_threshold": 1.0})
    assert CENTRE in uncertain_costs(base, options)
    assert CENTRE not in uncertain_costs(reviewed, options)
    free = base.with_values({MARKETPLACE: 0.0})
    assert MARKETPLACE not in uncertain_costs(free, options)


def test_draws_fill_the_ranges() -> None:
    costs: dict[str, Range] = {name: declared_range(BY_NAME[name], BY_NAME[name].default) for name in (CENTRE, MANDATE)}
    drawn = drawn_costs(costs, 1)
    for name, one in costs.items():
        assert drawn[name].shape == (BOOTSTRAP,)
        assert np.quantile(drawn[name], 0.25) == pytest.approx(0.75 * one.low + 0.25 * one.high, rel=0.01)
    assert abs(np.corrcoef(*drawn.values())[0, 1]) < 0.1


@pytest.fixture(scope="module")
def found(base: Scenario) -> Comparison:
    return compare(base, parse_options("resource_centre,marketplace,grant"), 1.0, replicates=8, seed=2, robust=False)


def test_unit_costs_are_in_the_percentages(found: Comparison, base: Scenario) -> None:
    """A marketplace is a tenth as dear at one end of its range as at the other, at the same level."""
    market = found.spending[1]
    assert market.solved.note == AT_MOST
    assert market.at_costs is not None
    low, high = market.at_costs
    assert high.per_tonne == pytest.approx(10.0 * float(low.per_tonne or 0.0))
    assert found.spending[2].at_costs is None
    centre = found.spending[0].at_costs
    assert centre is not None
    assert centre[0].public_outlay == pytest.approx(centre[1].public_outlay, rel=0.02)  # the budget, at both ends
    assert centre[0].carbon > centre[1].carbon
    text = comparison_text(found)
    assert "at once, of unit costs, evenly over their ranges (facilitator.cost 1 000 000 to 2 500 000" in " ".join(
        text.split()
    )


def test_without_unit_costs_percentages_are_over_replicates(base: Scenario) -> None:
    found = compare(base, parse_options("grant,transaction_subsidy"), 0.2, replicates=6, seed=2, robust=False)
    assert found.unit_costs == {}
    assert "no option having an uncertain unit cost" in " ".join(comparison_text(found).split())
