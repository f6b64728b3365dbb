"""History matching, ABC-SMC and recovery on simulators whose answers are known."""

from dataclasses import replace
from math import gamma, pi

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from abm.parameters import uncertainties
from calibration.abc import contraction, sample_posterior
from calibration.emulator import fit_emulator
from calibration.matching import CUT, emulated, first_design, implausibility, match, sample_below, what_is_left
from calibration.problem import Problem
from calibration.recovery import DRAWS, Recovery, recover_one
from calibration.screening import screen

SLOPES = np.array([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, -0.5, 0.0]])  # the fourth input does nothing
LUCK, SPREAD = 0.15, 0.1  # of one run; of observation and of discrepancy each


class Line:
    """Two sums of the inputs and noise."""

    def __init__(self):
        self.points = 0

    def many(self, unit, replicates, seed, *, progress=None):
        self.points += len(unit)
        noise = np.random.default_rng(seed).normal(size=(len(unit), replicates, 2)) * LUCK
        return (unit @ SLOPES.T)[:, None, :] + noise

    def one(self, unit, seed):
        return self.many(unit[None], 1, seed)[0, 0]


def problem(observed=(0.8, 0.2), simulator=None):
    line = simulator or Line()
    spreads = np.full(2, SPREAD)
    return Problem(tuple("abcd"), ("x", "y"), np.array(observed), spreads, spreads, line.many, line.one)


def matched(one, waves=2, points=60):
    return match(
        one,
        points=points,
        replicates=8,
        most_waves=waves,
        seed=1,
        simulate=lambda number, unit: one.simulate_many(unit, 8, 100 + number),
    )


# -- emulator


def test_emulator_knows_mean_error_and_noise_that_varies():
    """Left-out and fresh points within their standard deviations; the modelled noise near the true one."""
    rng = np.random.default_rng(2)

    def mean(unit):
        return np.sin(3 * unit[:, 0]) + unit[:, 1] ** 2

    def spread(unit):
        return 0.05 + 0.3 * unit[:, 1]

    unit = first_design(3, 120, 1)
    runs = mean(unit)[:, None] + spread(unit)[:, None] * rng.normal(size=(120, 8))
    one = fit_emulator(unit, runs, 1)
    fresh = rng.uniform(size=(500, 3))
    found, variance, luck = one.predict(fresh)
    standard = (found - mean(fresh)) / np.sqrt(variance)
    assert 0.85 < np.mean(np.abs(standard) < 2) <= 1.0
    assert np.sqrt(np.mean((found - mean(fresh)) ** 2)) < 0.08
    middle = (fresh[:, 1] > 0.2) & (fresh[:, 1] < 0.8)
    ratio = np.sqrt(luck[middle]) / spread(fresh[middle])
    assert 0.75 < np.median(ratio) < 1.25
    assert one.holds
    assert np.mean(np.abs(one.errors) < 2) > 0.9


def test_emulator_of_something_certain_is_sure_and_of_nothing_is_none():
    unit = first_design(2, 40, 1)
    runs = np.repeat((unit @ [1.0, -2.0])[:, None], 4, axis=1)
    found, variance, luck = fit_emulator(unit, runs, 1).predict(unit + 1e-3)
    assert found == pytest.approx((unit + 1e-3) @ [1.0, -2.0], abs=1e-3)
    assert variance.max() < 1e-5
    assert luck.max() < 1e-5
    assert fit_emulator(unit, np.full((40, 4), np.nan), 1) is None


# -- sampling what is left


@pytest.mark.parametrize("inputs", [2, 5, 10])
def test_volume_of_a_ball(inputs):
    """Mean of eight log volumes within three standard errors of the exact one, as each run states its own."""
    exact = pi ** (inputs / 2) / gamma(inputs / 2 + 1) * 0.25**inputs
    found = [
        sample_below(lambda unit: np.linalg.norm((unit - 0.5) / 0.25, axis=1), inputs, 1.0, 600, seed)
        for seed in range(8)
    ]
    errors = [np.log(volume / exact) for _, volume, _ in found]
    stated = np.mean([spread for *_, spread in found]) / len(found) ** 0.5
    assert abs(np.mean(errors)) < 3 * stated
    points = np.vstack([points for points, *_ in found])
    radius = np.linalg.norm((points - 0.5) / 0.25, axis=1)
    assert radius.max() <= 1.0
    assert np.mean(radius**inputs) == pytest.approx(0.5, abs=0.05)  # uniform in the ball: r^d is uniform


def test_two_islands_are_both_found():
    """Two balls of the same size far apart: each has between a third and two thirds of the sample."""

    def nearest(unit):
        return np.minimum(*(np.linalg.norm((unit - centre) / 0.08, axis=1) for centre in (0.2, 0.8)))

    points, volume, spread = sample_below(nearest, 4, 1.0, 1000, 3)
    exact = 2 * pi**2 / 2 * 0.08**4
    assert abs(np.log(volume / exact)) < 3 * spread
    assert 1 / 3 < np.mean(points[:, 0] < 0.5) < 2 / 3


def test_a_set_that_is_not_there_is_not_found():
    points, volume, _ = sample_below(lambda unit: 5.0 + unit[:, 0], 2, 1.0, 200, 1)
    assert (len(points), volume) == (0, 0.0)


# -- waves


def test_waves_rule_out_what_is_far_and_keep_what_is_near():
    one = problem()
    found = matched(one)
    fresh = np.random.default_rng(5).uniform(size=(4000, 4))
    exact = np.abs(one.observed - fresh @ SLOPES.T) / np.hypot(one.tolerance, LUCK)
    kept = found.plausible(fresh)
    assert kept[exact.max(axis=1) < 0.85 * CUT].mean() > 0.97
    assert kept[exact.max(axis=1) > 1.2 * CUT].mean() < 0.03
    share = (exact.max(axis=1) <= CUT).mean()
    assert found.left[-1].volume == pytest.approx(share, rel=0.15)
    assert found.runs == sum(len(wave.unit) * 8 for wave in found.waves)


@pytest.mark.slow
def test_impossible_targets_are_said_to_be():
    found = matched(problem((5.0, 0.2)))
    assert found.empty
    assert found.left[-1].culprits == ("x",)
    assert len(found.waves) == 1
    with pytest.raises(ValueError, match="everything is ruled out"):
        sample_posterior(found, particles=20, generations=2, seed=1)


def test_a_target_that_is_never_defined_rules_nothing_out():
    one = problem()
    unit = first_design(4, 60, 1)
    runs = one.simulate_many(unit, 8, 1)
    runs[:, :, 1] = np.nan
    wave = emulated(one, unit, runs, 1)
    assert wave.emulators[1] is None
    assert implausibility(one, [wave], unit)[:, 1].max() == 0.0


# -- posterior


@pytest.mark.slow
@pytest.mark.parametrize("often", [1.0, 1e9], ids=["generations", "single"])
def test_posterior_of_a_line_is_the_exact_one(monkeypatch, often):
    """Mean within 4 standard errors of the particles, spread within a quarter; the idle input keeps its prior."""
    monkeypatch.setattr("calibration.abc.OFTEN", often)
    one = problem()
    sample = sample_posterior(matched(one), particles=200, generations=4, seed=2)
    assert (sample.effective == pytest.approx(200)) == (often > 1)
    unit = np.random.default_rng(1).uniform(size=(400_000, 4))
    variance = LUCK**2 + one.tolerance[0] ** 2
    weight = np.exp(-0.5 * ((one.observed - unit @ SLOPES.T) ** 2).sum(axis=1) / variance)
    weight /= weight.sum()
    exact = weight @ unit
    spread = np.sqrt(weight @ (unit - exact) ** 2)
    mean = sample.weights @ sample.unit
    error = spread / sample.effective**0.5
    assert (np.abs(mean - exact) < 4 * error).all()
    assert np.sqrt(sample.weights @ (sample.unit - mean) ** 2) == pytest.approx(spread, rel=0.25)
    table = contraction(sample, 1).set_index("name")
    assert table.loc["a", "informed"]
    assert table.loc["b", "informed"]
    assert not table.loc["d", "informed"]
    assert sample.weights.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_posterior_repeats_itself_and_leaves_the_global_state_alone():
    found = matched(problem())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    one, other = (sample_posterior(found, particles=20, generations=2, seed=3) for _ in range(2))
    assert np.array_equal(one.unit, other.unit)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    third = sample_posterior(found, particles=20, generations=2, seed=4)
    assert not np.array_equal(one.unit, third.unit)


@pytest.mark.slow
def test_answers_that_are_not_defined_are_never_accepted_at_the_end():
    line = Line()

    def sometimes(unit, seed):
        return line.one(unit, seed) if unit[3] < 0.5 else np.array([np.nan, np.nan])

    found = matched(problem(simulator=line))
    sample = sample_posterior(
        replace(found, problem=replace(found.problem, simulate_one=sometimes)), particles=40, generations=3, seed=1
    )
    assert (sample.unit[:, 3] < 0.5).all()


# -- recovery


@pytest.mark.slow
def test_known_parameters_are_recovered():
    """Hits of the 90 % intervals over 12 truths and 3 informed inputs lie within the binomial's 99.9 %."""
    one = problem()
    unit = first_design(4, 60, 1)
    first = emulated(one, unit, one.simulate_many(unit, 8, 1), 1)
    rows = [row for number in range(12) for row in recover_one(one, first, 60, 3, 9, number)[0]]
    hits = sum(row["within_90"] for row in rows)
    low, high = binom.ppf([0.0005, 0.9995], len(rows), 0.9)
    assert low <= hits <= high
    ranks = np.array([row["rank"] for row in rows])
    assert 20 < np.nanmean(ranks) < 80


def test_what_is_left_does_not_depend_on_who_asks():
    one = problem()
    unit = first_design(4, 60, 1)
    first = emulated(one, unit, one.simulate_many(unit, 8, 1), 1)
    assert np.array_equal(what_is_left(one, [first], 1).points, what_is_left(one, [first], 1).points)


# -- screening


def test_screening_finds_the_inputs_that_move_a_target():
    inputs = uncertainties()[:8]

    def run(unit, replicates, seed, luck):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(len(unit), replicates, 2)) * 0.05
        return np.stack([3 * unit[:, 1], 2 * unit[:, 4] ** 2], axis=1)[:, None, :] + noise

    found = screen(inputs, ["x", "y"], np.array([0.5, 1.0]), run, trajectories=6, replicates=4, seed=1)
    assert found.chosen() == (inputs[1].name, inputs[4].name)
    top = found.table.iloc[0]
    assert (top["target"], top["score"]) == ("x", pytest.approx(6.0, abs=0.4))
    assert found.chosen(1) == (inputs[1].name,)


@pytest.mark.parametrize("particles", [5, 20])
def test_ranks_of_few_particles_are_expected_as_an_exact_posterior_shows_them(particles):
    """Truth and particles of the same law: chi-square finds nothing, but ranks that lie low."""
    rng = np.random.default_rng(1)
    many = 4000
    below = (rng.uniform(size=(many, particles)) < rng.uniform(size=(many, 1))).sum(axis=1)
    ranks = rng.binomial(DRAWS, below / particles).astype(float)
    counts, expected, p = Recovery(pd.DataFrame({"rank": ranks}), many, 0, particles, 1, 0, 1).ranks()
    assert counts.sum() == many
    assert expected.sum() == pytest.approx(many)
    assert p > 0.01
    low = Recovery(pd.DataFrame({"rank": 0.8 * ranks}), many, 0, particles, 1, 0, 1)
    assert low.ranks()[2] < 1e-6
