"""The engine against a second, plain implementation in Mesa: every month, every indicator, every pair."""

from __future__ import annotations

import numpy as np
import pytest

from abm.observe import INDICATORS
from abm.parameters import FUNCTIONS, Value
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate
from tests.twin import RegionModel
from tests.twin.compare import compare, is_close, traced

Changes = dict[str, Value]
SHORT: Changes = {"run.spin_up": 3}
SEEDS = (1, 2, 3)


def _only(function: str) -> Changes:
    """A centre that does one thing, with staff for a lot of it."""
    shares: Changes = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}
    return shares | {"facilitator.fte": 4.0}


# More happens in a short run when plants are aware, search and end their exchanges more often
BUSY: Changes = {
    "learning.aware_start": 0.5,
    "discovery.finds": 2.0,
    "operation.end_rate": 0.3,
    "discovery.cool_down": 3,
    "operation.patience": 2,
}
CASES: dict[str, Changes] = {
    "default": {},
    "npv": {"appraisal.rule": "npv"},
    "payback": {"appraisal.rule": "payback"},
    "no centre": {"facilitator.fte": 0.0},
    "part of a person": {"facilitator.fte": 0.7, "facilitator.start": 0},
    "16 FTE": {"facilitator.fte": 16.0},
    "closing centre": {"facilitator.fte": 8.0, "facilitator.stop": 40},
    **{f"only {name}": _only(name) for name in FUNCTIONS},
    "today's price": {"prices.expectations": "current"},
    "still prices": {"prices.volatility": 0.0},
    "wild prices": {"prices.volatility": 2.0, "operation.patience": 1},
    "busy": BUSY,
    "busy and cheap": BUSY | {"transaction.multiplier": 0.25, "facilitator.fte": 16.0},
    "crowded": BUSY | {"opportunities.max_partners": 2, "opportunities.min_share": 0.0, "closing.attention": 1},
    "dear": BUSY | {"transaction.multiplier": 4.0, "worth.landfill_tax": 1544.0, "worth.carbon_price": 1000.0},
    "thin": BUSY
    | {"appraisal.rule": "npv", "prices.volatility": 3.0, "appraisal.risk_aversion": 0.0, "operation.patience": 1},
    "no screening": {"discovery.hit_rate": 0.0, "discovery.cross_cut": 0.0},
    "elections": {"municipalities.election_loss": 0.9, "municipalities.spontaneous": 0.5},
}


def _short(changes: Changes) -> Scenario:
    return load_scenario("tiny", SHORT | changes, months=60)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES)
def test_twin_takes_the_same_decisions(case: str, seed: int) -> None:
    result = compare(_short(CASES[case]), seed)
    assert result.difference is None or result.difference.is_rounding, result.difference
    assert result.differing() == {}
    assert result.levels == []


@pytest.mark.parametrize("seed", SEEDS)
def test_twin_has_the_table_of_simulate(tiny: Scenario, seed: int) -> None:
    """At full length and without any tracing; counts are the same to the last digit."""
    run, model = simulate(tiny, seed), RegionModel(tiny, seed)
    model.run_model()
    table = model.datacollector.get_model_vars_dataframe()
    assert set(table.columns) == set(run.names)
    assert is_close(table[list(run.names)].to_numpy(float), run.values).all()
    for indicator in INDICATORS:
        if indicator.unit == "count" and indicator.name not in ("degree", "caseload"):
            assert np.array_equal(table[indicator.name], run[indicator.name]), indicator.name
    assert run["started"][-1] > 0


def test_twin_has_the_table_of_a_whole_region() -> None:
    """Thousands of pairs: the nearest partners, the search budget and the register matter."""
    scenario = load_scenario("ostergotland", SHORT | {"discovery.finds": 1.0, "facilitator.fte": 16.0}, months=60)
    run, model = simulate(scenario, 5), RegionModel(scenario, 5)
    model.run_model()
    table = model.datacollector.get_model_vars_dataframe()
    assert is_close(table[list(run.names)].to_numpy(float), run.values).all()
    assert run["exchanges"][-1] > 50


def test_adoption_by_maturity_where_a_municipality_has_no_participant() -> None:
    result = compare(_short({}), 19)
    assert result.difference is None
    assert result.differing() == {}


def test_much_happens_in_what_is_compared() -> None:
    """Each kind of ending, and both kinds of find, happen in some case: agreement on nothing would show nothing."""
    runs = [simulate(_short(changes), seed) for changes in CASES.values() for seed in SEEDS]
    for name in ("found_self", "found_broker", "forgotten", "failed", "started", "ended_loss", "ended_process"):
        assert sum(run[name][-1] for run in runs) > 0, name
    for name in ("registered", "caseload", "relief", "cofinance", "transaction_utilities"):
        assert max(run[name].max() for run in runs) > 0, name


@pytest.mark.parametrize(
    ("changed", "factor"),
    [("transaction.bargain_hours", 1.2), ("learning.social_decay", 1.1), ("prices.volatility", 1.01)],
)
def test_a_changed_twin_is_noticed(changed: str, factor: float) -> None:
    scenario = _short(BUSY)
    other = scenario.with_values({changed: float(scenario.values[changed]) * factor})
    result = compare(scenario, 1, other)
    rounding = result.difference is not None and result.difference.is_rounding
    assert not rounding
    assert result.difference or result.differing() or result.levels


def test_first_difference_names_the_decision() -> None:
    scenario = _short(BUSY)
    result = compare(scenario, 1, scenario.with_values({"operation.end_rate": 1.0}))
    assert result.difference
    assert result.difference.closest
    assert result.difference.closest.what == "clock"
    assert any(name.startswith("pair.stage") for name in result.difference.fields)


def test_tracing_changes_nothing_and_leaves_nothing(tiny: Scenario) -> None:
    plain = RegionModel(_short({}), 1)
    plain.run_model()
    with traced() as log:
        watched = RegionModel(_short({}), 1)
        watched.run_model()
    seen = len(log)
    RegionModel(_short({}), 1).run_model()
    assert len(log) == seen > 0
    assert plain.datacollector.model_vars == watched.datacollector.model_vars
