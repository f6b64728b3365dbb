"""Every declared parameter does something; what volatility does by rule. Signs: tests/test_directions.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from abm.interventions import INTERVENTIONS
from abm.parameters import BY_NAME, FUNCTIONS, NEVER, PARAMETERS, Parameter, Value
from abm.rules import PLANNED
from abm.scenario import Scenario, load_scenario
from tests.conftest import horizon, looks, runs, t_value
from tests.test_facilitators import NODES

NUMERIC = [parameter for parameter in PARAMETERS if parameter.numeric and "shares" not in parameter.name]
REPLICATES = 40
MORE = {"appraisal.redundancy": 160}  # few needs have two suppliers: a small effect, but one
CLEAR = 5.0  # t value of the clearest of some seventy indicators: not by chance (p < 0.01 after Bonferroni)

LEADERSHIP: dict[str, Value] = {"facilitator.fte": 16.0} | {
    f"facilitator.shares.{name}": float(name == "leadership") for name in FUNCTIONS
}
AT_HIGH: dict[str, dict[str, Value]] = {
    name: {one.level.name: type(one.level.default)(one.level.high)}  # type: ignore[arg-type]
    for name, one in INTERVENTIONS.items()
}
SUPPORTED = {
    "facilitator.support_gain",
    "facilitator.support_half",
    "facilitator.coordination",
}  # need other facilitators
# Where a parameter is active but not in the default scenario, the scenario in which it is
ACTIVE_IN: dict[str, dict[str, Value]] = {
    "appraisal.payback_median": {"appraisal.rule": "payback"},
    "appraisal.payback_spread": {"appraisal.rule": "payback"},
    **{f"appraisal.{name}": {"appraisal.rule": "planned_behaviour"} for name in PLANNED},
    "appraisal.aspiration": {"appraisal.rule": "satisficing"},
    "appraisal.aspiration_decay": {"appraisal.rule": "satisficing"},
    # Else public carbon decides most utilities' choices, and a low rate raises value and hurdle alike
    "worth.discount_municipal": {"prices.volatility": 2.0, "worth.carbon_value": 0.0},
    "discovery.value_cap": {"discovery.value_exponent": 1.0},
    # Few exchanges run into loss: those that npv lets through at volatile prices do
    "operation.patience": {"prices.volatility": 2.0, "run.spin_up": 5, "appraisal.rule": "npv"},
    "facilitator.cofinance": LEADERSHIP,
    "transaction.support_cut": LEADERSHIP,
    "closing.support_cut": LEADERSHIP,
    "appraisal.case_interval": LEADERSHIP,
    "facilitator.patience": LEADERSHIP,
    "facilitator.relief_most": {"facilitator.fte": 60.0},
    "facilitator.funding.municipal": {"municipalities.cofund_threshold": 4.0},
    "municipalities.cofund_threshold": {"facilitator.funding.municipal": 0.5},
    "municipalities.cofund_grace": {"facilitator.funding.municipal": 0.5},
    "facilitator.project_end": {"facilitator.funding.national": 0.5},
    "facilitator.funding.national": {"facilitator.project_end": 60},
    "facilitator.review_period": {"facilitator.review_threshold": 8.0},
    "facilitator.review_threshold": {"facilitator.review_period": 2},
    **{f"interventions.{name}.{when}": AT_HIGH[name] for name in INTERVENTIONS for when in ("start", "stop", "cost")},
}


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_declaration_is_whole(parameter: Parameter) -> None:
    assert parameter.unit
    assert parameter.meaning
    assert parameter.source
    assert parameter.check(parameter.default) is None
    if parameter.numeric:
        low, high = parameter.low, parameter.high
        assert low is not None
        assert high is not None
        assert low < high
        assert low <= parameter.default <= high  # type: ignore[operator]
        assert parameter.check(type(parameter.default)(low)) is None
        assert parameter.check(type(parameter.default)(high)) is None
        for wrong in (math.nan, math.inf, "much", True, None):
            assert parameter.check(wrong) is not None


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(PARAMETERS)


def _ends(region: Scenario, parameter: Parameter, changes: dict[str, Value], seeds: Sequence[int]) -> list[np.ndarray]:
    """All indicators on average over the run at the low and the high bound, shape (replicates, columns) each."""
    kind = type(parameter.default)
    ends = []
    for bound in (parameter.low, parameter.high):
        assert bound is not None
        value = kind(bound) if bound != NEVER else NEVER
        trajectories = runs(region, seeds, changes | {parameter.name: value})
        # the mean over the run, so that what moves only on the way counts too
        ends.append(np.array([trajectory.values.mean(axis=0) for trajectory in trajectories]))
    return ends


@pytest.mark.slow
@pytest.mark.parametrize("parameter", NUMERIC, ids=lambda parameter: parameter.name)
def test_every_parameter_moves_an_indicator(region: Scenario, parameter: Parameter) -> None:
    scenario = load_scenario(NODES) if parameter.name in SUPPORTED else region

    def change(seeds: Sequence[int]) -> np.ndarray:
        low, high = _ends(scenario, parameter, ACTIVE_IN.get(parameter.name, {}), seeds)
        return high - low

    assert _moves(change, MORE.get(parameter.name, REPLICATES))


def _moves(change: Callable[[Sequence[int]], np.ndarray], most: int = REPLICATES) -> bool:
    """Does any indicator clearly move, or by the same amount in every pair?"""
    for found, clear in looks(change, CLEAR, most):
        clearest = max(abs(t_value(column)) for column in found.T)
        constant = (np.ptp(found, axis=0) == 0) & (found[0] != 0)
        print(f"clearest t = {clearest:.1f} in {len(found)} pairs, asked are {clear:.1f}")
        if clearest > clear or constant.any():
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_share_moves_an_indicator(region: Scenario, function: str) -> None:
    """All staff on one function against an even split."""
    shares: dict[str, Value] = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}

    def change(seeds: Sequence[int]) -> np.ndarray:
        pairs = zip(runs(region, seeds), runs(region, seeds, shares), strict=True)
        return np.array([only.values[-1] - even.values[-1] for even, only in pairs])

    assert any(max(abs(t_value(column)) for column in found.T) > clear for found, clear in looks(change, CLEAR))


@pytest.mark.slow
def test_expectations_matter(region: Scenario) -> None:
    reverting, current = (
        horizon(runs(region, REPLICATES, {"prices.expectations": name}), "started") for name in ("reverting", "current")
    )
    assert not np.array_equal(reverting, current)


@pytest.mark.slow
def test_fourfold_transaction_hours_lower_adoption(region: Scenario) -> None:
    """With the centre too; the sign is theory's, the size the model's."""
    ends = [horizon(runs(region, REPLICATES, {"transaction.multiplier": value}), "adoption") for value in (1.0, 4.0)]
    assert t_value(ends[1] - ends[0]) < -10


@pytest.mark.slow
def test_volatility_matters_with_the_option_to_wait_and_hardly_without(region: Scenario) -> None:
    """Change of living exchanges from frozen to doubled volatility, by rule, on the same replicates."""
    change, relative = {}, {}
    for rule in ("npv", "real_option"):
        frozen, doubled = (
            horizon(
                runs(region, 40, {"facilitator.fte": 0.0, "appraisal.rule": rule, "prices.volatility": value}),
                "exchanges",
            )
            for value in (0.0, 2.0)
        )
        change[rule], relative[rule] = doubled - frozen, doubled.mean() / frozen.mean() - 1
    assert relative["real_option"] < -0.1
    assert abs(relative["npv"]) < abs(relative["real_option"])
    assert t_value(change["npv"] - change["real_option"]) > 3


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["npv", "real_option"])
def test_frequent_looks_are_a_free_option(region: Scenario, rule: str) -> None:
    """Who looks every month catches the good ones among volatile prices: volatility then costs fewer exchanges."""
    changes = []
    for interval in (12, 1):
        fixed: dict[str, Value] = {
            "facilitator.fte": 0.0,
            "appraisal.rule": rule,
            "appraisal.interval": interval,
        }
        frozen, doubled = (
            horizon(runs(region, REPLICATES, fixed | {"prices.volatility": value}), "exchanges") for value in (0.0, 2.0)
        )
        changes.append(doubled - frozen)
    assert t_value(changes[1] - changes[0]) > 3
