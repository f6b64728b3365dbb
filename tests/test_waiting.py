"""What it pays to wait, against the textbook, the closed form, and optimal stopping solved on a grid of prices.

The solver here shares nothing with the rule but the process and the value of a unit: it discretises the generator of
the log price, jumps included, and improves the choice of where to stop until nothing is left to improve (Howard 1960).
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import solve_banded
from scipy.special import pbdv

from abm.prices import LONG, PROCESS, jump_sum, unit_values
from abm.scenario import Scenario
from abm.simulate import build, simulate
from abm.waiting import POINTS, REACH, STEP, between, slope, waiting, walking
from tests.conftest import horizon, runs, t_value

HORIZON = 10.0


@pytest.mark.parametrize(("volatility", "expected"), [(0.1, 1.42), (0.2, 2.00), (0.3, 2.76), (0.4, 3.73)])
def test_without_reversion_or_expiry_it_is_the_hurdle_of_dixit_and_pindyck(volatility: float, expected: float) -> None:
    """Dixit & Pindyck (1994), rho = delta = 4 %: value over cost beta/(beta - 1), which is 1/(1 - 1/beta)."""
    assert 1.0 / (1.0 - walking(volatility, 0.04)) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("nu", [0.02, 0.3, 1.0, 4.0, 15.0])
def test_slope_is_that_of_the_parabolic_cylinder_function(nu: float) -> None:
    """psi(y) = exp(y^2/4) D_-nu(-y), whose logarithm rises by nu D_-(nu+1)(-y)/D_-nu(-y)."""
    y = np.linspace(-4.0, 4.0, 33)
    exact = nu * pbdv(-nu - 1.0, -y)[0] / pbdv(-nu, -y)[0]
    table = slope(nu)
    assert table.shape == (POINTS,)
    assert np.array([between(table, one) for one in y]) == pytest.approx(exact, rel=1e-3)
    assert between(table, REACH + 5.0) == table[-1]
    assert between(table, -REACH - 5.0) == table[0]


@pytest.mark.parametrize("nu", [1e-4, 1e4])
def test_slope_of_extreme_impatience_stays_a_slope(nu: float) -> None:
    table = slope(nu)
    assert np.all(np.isfinite(table))
    assert np.all(np.diff(table) > 0.0)
    steady = 0.5 * (REACH + math.sqrt(REACH**2 + 4.0 * nu))
    assert table[-1] == pytest.approx(steady, rel=0.02)
    assert 1 + round(2.0 * REACH / STEP) == POINTS


def _process(sigma: float, half_life: float, jumps: tuple[float, float] = (0.0, 0.0)) -> tuple[np.ndarray, float]:
    """A raw material of price 1 with `jumps` a year of that standard deviation; and kappa."""
    kappa, (rate, size) = math.log(2.0) / half_life, jumps
    process = np.zeros(1, PROCESS)
    row = process[0]
    row["price"], row["a"], row["chance"], row["jump"] = 1.0, math.exp(-kappa / 12.0), rate / 12.0, size
    row["s"] = sigma * math.sqrt((1.0 - row["a"] ** 2) / (2.0 * kappa))
    row["spread"] = math.sqrt((sigma**2 + rate * size**2) / (2.0 * kappa))
    row["mean"] = row["s"] ** 2 / (2.0 * (1.0 - row["a"] ** 2)) + jump_sum(row, LONG)
    return process, kappa


def _rates_of_change(sigma: float, kappa: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates of steps up and down the grid, 1/yr: central differences, upwind where those would be negative."""
    step = x[1] - x[0]
    up, down = (0.5 * sigma**2 / step**2 + sign * -kappa * x / (2.0 * step) for sign in (1.0, -1.0))
    wrong = (up < 0.0) | (down < 0.0)
    up[wrong] = 0.5 * sigma**2 / step**2 + np.maximum(-kappa * x[wrong], 0.0) / step
    down[wrong] = 0.5 * sigma**2 / step**2 + np.maximum(kappa * x[wrong], 0.0) / step
    up[-1], down[0] = 0.0, 0.0
    return up, down


def _where_to_stop(
    up: np.ndarray, down: np.ndarray, impatience: float, payoff: np.ndarray, jumping: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Worth of the option and where it is used; `jumping` are rates of jumps between the points."""
    n, stop = payoff.size, payoff > 0.0
    if jumping is not None:
        change = jumping - np.diag(jumping.sum(axis=1)) + np.diag(up[:-1], 1) + np.diag(down[1:], -1)
        change -= np.diag(up + down)
        waits = impatience * np.eye(n) - change
    for _ in range(500):
        right = np.where(stop, payoff, 0.0)
        if jumping is None:
            bands = np.zeros((3, n))
            bands[0, 1:], bands[1] = np.where(stop, 0.0, -up)[:-1], np.where(stop, 1.0, impatience + up + down)
            bands[2, :-1] = np.where(stop, 0.0, -down)[1:]
            worth = solve_banded((1, 1), bands, right)
            drift = impatience * worth
            drift[:-1] -= up[:-1] * (worth[1:] - worth[:-1])
            drift[1:] -= down[1:] * (worth[:-1] - worth[1:])
        else:
            worth = np.linalg.solve(np.where(stop[:, None], np.eye(n), waits), right)
            drift = waits @ worth
        better = payoff - worth >= -drift - 1e-13
        if np.array_equal(better, stop):
            return worth, stop
        stop = better
    raise AssertionError("the choice of where to stop does not settle")


def _hurdles(
    points: int, sigma: float, half_life: float, rate: float, hazard: float, jumps: tuple[float, float] = (0.0, 0.0)
) -> list[tuple[float, float, float]]:
    """Value over cost from which to join: by the rule, by the solver; and what the rule loses of the option's worth.

    For costs that the rule is just content with at -1 to 3 standard deviations of the price (there is no such cost
    where it pays to wait for all of the value), and for a value of which all moves with the price, or from which a
    fixed cost of running is taken.
    """
    process, kappa = _process(sigma, half_life, jumps)
    spread = float(process[0]["spread"])
    x = np.linspace(-6.0 * spread, 6.0 * spread, points)
    values, slopes = unit_values(x[:, None].copy(), process, np.array([rate]), HORIZON, True)
    waits = waiting(x[:, None].copy(), process, np.array([rate]), hazard, True, values, slopes)[:, 0, 0]
    moving, middle, found = values[:, 0, 0], points // 2, []
    up, down = _rates_of_change(sigma, kappa, x)
    jumping = None
    if jumps[0] > 0.0:
        jumping = np.exp(-0.5 * ((x[None, :] - x[:, None]) / jumps[1]) ** 2)
        jumping *= jumps[0] / jumping.sum(axis=1, keepdims=True)
    for at, certain in itertools.product((-1.0, 0.0, 1.0, 2.0, 3.0), (0.0, -0.3)):
        value = moving + certain * moving[middle]
        place = int(np.argmin(np.abs(x - at * spread)))
        cost = float(value[place] - moving[place] * waits[place])
        if value[place] <= 0.0 or cost <= 0.0:
            continue
        worth, stop = _where_to_stop(up, down, rate + hazard, value - cost, jumping)
        own = value - moving * waits > cost
        by_rule = _where_to_stop(up, down, rate + hazard, np.where(own, value - cost, -1e9), jumping)[0]
        threshold = np.interp(x[np.argmax(stop)] - 0.5 * (x[1] - x[0]), x, value)
        found.append((value[place] / cost, threshold / cost, 1.0 - by_rule[middle] / worth[middle]))
    return found


GRID = tuple(itertools.product((0.15, 0.38, 0.6), (1.5, 3.5, 10.0), (0.04, 0.12), (0.0, 0.35)))


@pytest.mark.parametrize(("sigma", "half_life", "rate", "hazard"), GRID)
def test_rule_is_optimal_stopping(sigma: float, half_life: float, rate: float, hazard: float) -> None:
    """Within the solver's own error: half a point of its grid is at most 1 % of the value; nearly nothing is lost."""
    found = _hurdles(1601, sigma, half_life, rate, hazard)
    assert found
    for rule, solved, lost in found:
        assert rule == pytest.approx(solved, rel=0.015)
        assert lost < 1e-3


@pytest.mark.parametrize("jumps", [(0.2, 0.3), (5.0, 0.1)])
@pytest.mark.parametrize("hazard", [0.0, 0.35])
def test_jumps_count_by_their_variance_with_little_lost(jumps: tuple[float, float], hazard: float) -> None:
    """Rare jumps are not small steps: the rule waits a little longer than it should, and loses under 2 % by it."""
    for rule, solved, lost in _hurdles(361, 0.25, 3.5, 0.12, hazard, jumps):
        assert rule == pytest.approx(solved, rel=0.06)
        assert lost < 0.02


def test_known_value_of_a_referee() -> None:
    """sigma .38, half-life 3.5 yr, rate 12 %, at the mean: 2.22 without expiry, below 1.35 at a hazard of .35."""
    process, _ = _process(0.38, 3.5)
    x = np.zeros((1, 1))
    values, slopes = unit_values(x, process, np.array([0.12]), HORIZON, True)
    never, soon = (
        1.0 / (1.0 - waiting(x, process, np.array([0.12]), hazard, True, values, slopes)[0, 0, 0])
        for hazard in (0.0, 0.35)
    )
    assert never == pytest.approx(2.22, abs=0.005)
    assert 1.2 < soon < 1.35


def test_what_is_soon_forgotten_is_not_waited_for() -> None:
    process, _ = _process(0.38, 3.5)
    x = np.zeros((1, 1))
    values, slopes = unit_values(x, process, np.array([0.12]), HORIZON, True)
    waits = [
        waiting(x, process, np.array([0.12]), hazard, True, values, slopes)[0, 0, 0] for hazard in (0.0, 0.35, 2.0, 1e4)
    ]
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] < 0.02


def test_nothing_is_waited_for_where_prices_stand_still(tiny: Scenario) -> None:
    assert not build(tiny.with_values({"prices.volatility": 0.0}), 1)[0].waiting.any()


@pytest.mark.parametrize("expectations", ["reverting", "current"])
def test_waiting_is_a_share_that_grows_with_volatility(tiny: Scenario, expectations: str) -> None:
    waits = [
        build(tiny.with_values({"prices.volatility": v, "prices.expectations": expectations}), 1)[0].waiting
        for v in (0.5, 1.0, 2.0)
    ]
    assert all(np.all((one > 0.0) & (one < 1.0)) for one in waits)
    assert waits[0].mean() < waits[1].mean() < waits[2].mean()


def test_a_guarantee_leaves_less_to_wait_for(tiny: Scenario) -> None:
    floor = {"interventions.price_floor.level": 1.0, "interventions.price_floor.start": 0}
    without, with_ = (build(tiny.with_values(changes), 1)[0] for changes in ({}, floor))  # type: ignore[arg-type]
    assert np.all(with_.waiting[tiny.spin_up_months :] < without.waiting[tiny.spin_up_months :])


@pytest.mark.slow
def test_forgetting_faster_lowers_what_is_waited_for(region: Scenario) -> None:
    """Of what is looked at, more is begun: talks over finds, option to wait against net present value."""
    ratios = []
    for rule in ("real_option", "npv"):
        changes = {"appraisal.rule": rule, "prices.volatility": 2.0, "facilitator.fte": 0.0}
        slow, fast = (
            horizon(found, "talks") / (horizon(found, "found_self") + 1.0)
            for found in (runs(region, 20, changes | {"discovery.forgetting": one}) for one in (0.15, 0.7))
        )
        ratios.append((slow, fast))
    held_back = [npv - option for option, npv in zip(*ratios, strict=True)]
    assert t_value(held_back[0]) > 3
    assert t_value(held_back[0] - held_back[1]) > 3


def test_talks_cannot_be_put_off(tiny: Scenario, tmp_path: Path) -> None:
    """At a look there is something to wait for, at the end of talks nothing: who asks for it starts talks in vain."""
    file = tmp_path / "patient.py"
    file.write_text("def patient(prospect): return prospect.waiting > 0.0\n")
    found = simulate(tiny.with_values({"appraisal.rule": f"{file}:patient"}), 3)
    assert found["talks"][-1] > 0
    assert found["failed"][-1] > 0
    assert found["exchanges"].max() == 0
