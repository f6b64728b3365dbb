"""Decision rules at their known limits; every rule of the registry compiles to what its plain function says."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.rules import PROSPECT, RULES, compiled, hurdle
from abm.scenario import Scenario
from abm.simulate import simulate


@numba.njit
def _call(rule: Any, prospects: np.ndarray) -> bool:
    return rule(prospects[0])  # type: ignore[no-any-return]


def _prospect(**values: float) -> np.ndarray:
    row = {"value": 2.0, "cost": 1.0, "priced": 1.0, "volatility": 0.2, "rate": 0.04, "annuity": 8.0, "payback": 2.0}
    prospects = np.zeros(1, PROSPECT)
    for name, value in (row | values).items():
        prospects[name] = value
    return prospects


@pytest.mark.parametrize(("volatility", "expected"), [(0.1, 1.42), (0.2, 2.00), (0.3, 2.76), (0.4, 3.73)])
def test_hurdle_of_dixit_and_pindyck(volatility: float, expected: float) -> None:
    """Dixit & Pindyck (1994), rho = delta = 4 %."""
    assert hurdle(volatility, 0.04) == pytest.approx(expected, abs=0.005)


def test_hurdle_without_volatility_is_one() -> None:
    assert hurdle(0.0, 0.04) == 1.0
    assert hurdle(1e-6, 0.04) == pytest.approx(1.0, abs=1e-4)


@given(st.floats(1e-3, 1.0), st.floats(0.01, 0.5))
def test_hurdle_rises_with_volatility_and_falls_with_the_rate(volatility: float, rate: float) -> None:
    assert hurdle(volatility * 1.1, rate) > hurdle(volatility, rate) > 1.0
    assert hurdle(volatility, rate * 1.1) < hurdle(volatility, rate)


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
def test_compiled_rule_is_the_plain_one(name: str, data: st.DataObject) -> None:
    positive = st.floats(1e-3, 1e3)
    prospects = _prospect(**{field: data.draw(positive) for field in PROSPECT.names or ()})
    plain = RULES[name].decide(prospects.view(np.recarray)[0])
    assert _call(compiled(name), prospects) == plain


@pytest.mark.parametrize("name", RULES)
def test_every_rule_joins_when_it_costs_nothing_and_says_what_it_does(name: str) -> None:
    assert _call(compiled(name), _prospect(cost=0.0))
    assert RULES[name].meaning


def test_payback_limit() -> None:
    assert _call(compiled("payback"), _prospect(value=8.0, cost=2.0))  # 8 over 8 years: 1 a year, 2 years
    assert not _call(compiled("payback"), _prospect(value=8.0, cost=2.1))


def test_real_option_without_volatility_is_npv_bit_for_bit(tiny: Scenario) -> None:
    results = [
        simulate(tiny.with_values({"prices.volatility": 0.0, "appraisal.rule": rule}), 3).values
        for rule in ("real_option", "npv")
    ]
    assert np.array_equal(results[0], results[1])


def test_rules_differ_when_prices_move(region: Scenario) -> None:
    talks = [simulate(region.with_values({"appraisal.rule": rule}), 3)["talks"] for rule in RULES]
    assert len({tuple(path) for path in talks}) == len(RULES)
