"""The price process against its own theory. Tolerances are four standard errors."""

from __future__ import annotations

import numpy as np
import pytest

from abm.catalogue import COMMODITY
from abm.chance import name_key
from abm.parameters import record
from abm.prices import annuity, deviations, guarantee, guaranteed, levels, markets, processes, unit_values
from abm.scenario import load_scenario

REPLICATES = 20_000
MONTHS = 13


def _commodity(**changes: float) -> np.ndarray:
    rows = np.zeros(1, COMMODITY)
    row = {"price": 100.0, "volatility": 0.25, "half_life": 3.0, "jump_rate": 0.2, "jump_sd": 0.3, "loading": 0.4}
    for name, value in (row | changes).items():
        rows[name] = value
    rows["key"] = name_key("test commodity")
    return rows


def _processes(rows: np.ndarray, volatility: float = 1.0) -> np.ndarray:
    p = record(dict(load_scenario("tiny", {"prices.volatility": volatility}).values))
    return processes(rows, p["prices"], 10.0)


def _paths(process: np.ndarray, replicates: int = REPLICATES) -> np.ndarray:
    return np.array([deviations(np.uint64(seed), process, MONTHS) for seed in range(replicates)])


@pytest.mark.parametrize("volatility", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("jump_rate", [0.0, 0.3])
def test_volatility_keeps_the_mean_price(volatility: float, jump_rate: float) -> None:
    process = _processes(_commodity(jump_rate=jump_rate), volatility)
    prices = levels(_paths(process)[:, 0].copy(), process)  # month 0 of each replicate, shape (replicates, 1)
    error = prices.std() / np.sqrt(prices.size)
    assert abs(prices.mean() - 100.0) <= 4 * error + 1e-9


@pytest.mark.parametrize("volatility", [1.0, 2.0])
def test_random_walk_keeps_the_mean_price_in_every_month(volatility: float) -> None:
    process = _processes(_commodity(half_life=np.inf), volatility)
    assert process["a"][0] == 1.0
    paths = _paths(process)
    for month in (0, MONTHS - 1):
        prices = np.array([levels(path, process)[month, 0] for path in paths])
        assert abs(prices.mean() - 100.0) <= 4 * prices.std() / np.sqrt(prices.size)


def test_frozen_prices() -> None:
    process = _processes(_commodity(), 0.0)
    assert np.all(levels(deviations(np.uint64(1), process, 50), process) == 100.0)


def test_moments() -> None:
    """Stationary variance, month-to-month correlation and the law of the start."""
    process = _processes(_commodity())
    a, s, rate, jump = (float(process[name][0]) for name in ("a", "s", "chance", "jump"))
    expected = (s**2 + rate * jump**2) / (1 - a**2)
    x = _paths(process)[:, :, 0]
    for month in (0, MONTHS - 1):  # the start is stationary already
        fourth = ((x[:, month] - x[:, month].mean()) ** 4).mean()
        error = np.sqrt((fourth - expected**2) / REPLICATES)
        assert abs(x[:, month].var() - expected) < 4 * error
    assert np.corrcoef(x[:, 0], x[:, 1])[0, 1] == pytest.approx(a, abs=4 / np.sqrt(REPLICATES))


def test_yearly_volatility_of_the_diffusion() -> None:
    """The variance of one month's change is what sigma and the half-life say."""
    process = _processes(_commodity(jump_rate=0.0))
    kappa = np.log(2) / 3.0
    assert float(process["s"][0]) ** 2 == pytest.approx(0.25**2 * (1 - np.exp(-kappa / 6)) / (2 * kappa))


def test_correlation_is_the_product_of_loadings() -> None:
    rows = np.concatenate((_commodity(jump_rate=0.0, loading=0.8), _commodity(jump_rate=0.0, loading=0.5)))
    rows["key"][1] = name_key("another commodity")
    process = _processes(rows)
    x = np.array([deviations(np.uint64(seed), process, 2) for seed in range(REPLICATES)])
    shocks = x[:, 1] - process["a"] * x[:, 0]
    assert np.corrcoef(shocks.T)[0, 1] == pytest.approx(0.4, abs=4 / np.sqrt(REPLICATES))


@pytest.mark.parametrize("half_life", [3.0, np.inf])
def test_unit_value_is_the_discounted_mean_of_what_follows(half_life: float) -> None:
    """A_k(t) against a simulation from a known price of today."""
    process = _processes(_commodity(half_life=half_life), 1.0)
    horizon, rate, start = 2.0, 0.1, 0.3
    a, s, p_jump, jump = (float(process[name][0]) for name in ("a", "s", "chance", "jump"))
    generator = np.random.default_rng(1)
    x = np.full(200_000, start)
    total = np.zeros(x.size)
    for month in range(1, 25):
        x = a * x + s * generator.standard_normal(x.size)
        x += (generator.random(x.size) < p_jump) * jump * generator.standard_normal(x.size)
        mean = process["mean"][0] if a < 1 else (month + 1) * process["mean"][0]
        if month % 6 == 3:
            total += 0.5 * np.exp(-rate * month / 12) * 100 * np.exp(x - mean)
    value = unit_values(np.array([[start]]), process, np.array([rate]), horizon, True)[0][0, 0, 0]
    assert value == pytest.approx(total.mean(), abs=4 * total.std() / np.sqrt(total.size))


def test_todays_price_for_ever() -> None:
    process = _processes(_commodity())
    x = np.array([[0.2]])
    value = unit_values(x, process, np.array([0.1]), 10.0, False)[0][0, 0, 0]
    assert value == pytest.approx(levels(x, process)[0, 0] * annuity(0.1, 10.0), rel=0.008)


def test_effective_volatility_of_a_long_half_life_is_the_total_one() -> None:
    process = _processes(_commodity(half_life=1e6))
    assert float(process["effective"][0]) == pytest.approx(np.sqrt(0.25**2 + 0.2 * 0.3**2), rel=1e-3)


@pytest.mark.parametrize("floor", [60.0, 100.0, 140.0])
def test_mean_of_a_guaranteed_price(floor: float) -> None:
    """Against lognormal draws; where nothing moves, the larger of the two."""
    draws = 100.0 * np.exp(0.4 * np.random.default_rng(3).standard_normal(400_000) - 0.08)
    mean, moving = guaranteed(100.0, 0.4, floor)
    error = 4 * draws.std() / np.sqrt(draws.size)
    assert mean == pytest.approx(np.maximum(draws, floor).mean(), abs=error)
    assert moving == pytest.approx(draws[draws > floor].sum() / draws.size, abs=error)
    assert guaranteed(100.0, 0.0, floor)[0] == max(100.0, floor)


def test_a_guarantee_adds_value_takes_risk_and_pays_the_gap() -> None:
    process, rates = _processes(_commodity()), np.array([0.08, 0.12, 0.18, 0.04])
    x = deviations(np.uint64(5), process, 60)
    plain, slopes = unit_values(x, process, rates, 10.0, True)
    values, market = plain.copy(), markets(x, process, plain)
    floors = np.zeros(60)
    floors[30:] = 0.9
    guarantee(floors, x, process, rates, 10.0, True, market, values, slopes)
    assert np.array_equal(values[:30], plain[:30])
    assert np.all(values[30:] > plain[30:])
    assert np.all(market["exposure"][:30] == 1.0)
    assert np.all((market["exposure"][30:] > 0.0) & (market["exposure"][30:] < 1.0))
    assert np.allclose(market["price"][30:] + market["top_up"][30:], np.maximum(market["price"][30:], 90.0))
    assert np.all(market["public_value"] == plain[:, :, 3])


def test_a_guarantee_far_below_the_price_is_worth_nothing() -> None:
    process, rates = _processes(_commodity()), np.array([0.08, 0.12, 0.18, 0.04])
    x = deviations(np.uint64(5), process, 12)
    plain, slopes = unit_values(x, process, rates, 10.0, True)
    values, market = plain.copy(), markets(x, process, plain)
    guarantee(np.full(12, 1e-3), x, process, rates, 10.0, True, market, values, slopes)
    assert np.allclose(values, plain, rtol=1e-9)
    assert np.allclose(market["exposure"], 1.0)
