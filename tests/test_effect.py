"""The paired effect: its estimates, and that the centre moves nothing but what it causes."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import stats

from abm.parameters import FUNCTIONS
from abm.scenario import Scenario
from abm.simulate import simulate, simulate_arms
from experiments.effect import (
    paired_effect,
    run_arms,
    single_function,
    without_centre,
)
from experiments.pairs import fieller, paired_differences
from experiments.runner import SWITCH, replicate_seeds, run_all

ONLY = {f"facilitator.shares.{name}": 0.0 for name in FUNCTIONS}
COSTS = ("public_cost", "public_outlay", "paid_region", "staff", "cost_per_tonne")


def _same(first: Any, second: Any, *, but: tuple[str, ...] = ()) -> bool:
    kept = [number for number, name in enumerate(first.names) if name not in but]
    return np.array_equal(first.values[:, kept], second.values[:, kept], equal_nan=True)


# -- chance and coupling


def test_same_seed_same_bits(region: Scenario) -> None:
    assert _same(simulate(region, 11), simulate(region, 11))
    assert not _same(simulate(region, 11), simulate(region, 12))


def test_threads_give_the_same_bits_as_one_after_the_other(tiny: Scenario) -> None:
    seeds = replicate_seeds(1, 6)
    serial = [simulate(tiny, seed) for seed in seeds]
    threaded = run_all(lambda seed: simulate(tiny, seed), seeds, workers=2)
    assert all(_same(first, second) for first, second in zip(serial, threaded, strict=True))


def test_an_arm_does_not_depend_on_the_others(region: Scenario) -> None:
    arms = [without_centre(region), region, region.with_values({"facilitator.fte": 8.0})]
    together = simulate_arms(arms, 5)
    for arm, trajectory in zip(arms, together, strict=True):
        alone = simulate(arm, 5)
        assert _same(alone, trajectory)
        assert np.array_equal(alone.ledger, trajectory.ledger)


def test_arms_with_different_histories_are_refused(region: Scenario) -> None:
    with pytest.raises(ValueError, match="share a spin-up"):
        simulate_arms([region, region.with_values({"transaction.wage": 800.0})], 1)


def test_nobody_at_the_centre_is_no_centre(region: Scenario) -> None:
    """Zero staff, a centre whose staff path is nothing, and zero staff with other shares and rates: the same bits."""
    nobody = simulate(without_centre(region), 3)
    assert _same(nobody, simulate(region.with_values({"facilitator.staff_path": "0:0"}), 3))
    shares = {**ONLY, "facilitator.shares.brokerage": 1.0, "facilitator.screenings": 500.0, "facilitator.fte": 0.0}
    assert _same(nobody, simulate(region.with_values(shares), 3))


@pytest.mark.parametrize(
    ("function", "switched_off"),
    [
        ("meeting", {"learning.social_event": 0.0, "learning.knowledge_event": 0.0, "learning.aware_event": 0.0}),
        ("knowledge", {"learning.knowledge_training": 0.0, "learning.aware_training": 0.0}),
        ("policy", {"facilitator.steps": 0.0, "facilitator.relief": 0.0}),
        ("brokerage", {"discovery.hit_rate": 1e-300}),
    ],
)
def test_an_intervention_moves_no_other_draw(region: Scenario, function: str, switched_off: dict[str, float]) -> None:
    """A busy centre whose work has no consequence leaves every draw where it was: nothing moves but its cost."""
    idle = region.with_values(switched_off)
    busy = idle.with_values({**ONLY, f"facilitator.shares.{function}": 1.0, "facilitator.fte": 16.0})
    without, with_ = simulate_arms([without_centre(idle), busy], 2)
    assert with_["public_cost"][-1] > 380
    assert _same(without, with_, but=(*COSTS, "registered"))


def test_before_it_opens_the_centre_changes_nothing(region: Scenario) -> None:
    without, with_ = simulate_arms([without_centre(region), region], 8)
    start = int(region.values["facilitator.start"])
    assert np.array_equal(without.values[:start], with_.values[:start], equal_nan=True)
    assert not np.array_equal(without.values[start + 24], with_.values[start + 24], equal_nan=True)
    assert np.array_equal(without["price_index"], with_["price_index"])


# -- estimates


def test_paired_difference_by_hand() -> None:
    without, with_ = np.array([1.0, 4.0, 2.0, 7.0]), np.array([2.0, 6.0, 2.0, 9.0])
    difference = paired_differences(without[:, None], with_[:, None], ["count"], 1)[0]
    test = stats.ttest_rel(with_, without).confidence_interval()
    assert difference.mean == 1.25
    assert (difference.ci_low, difference.ci_high) == pytest.approx((test.low, test.high))
    variances = with_.var(ddof=1) + without.var(ddof=1)
    assert difference.pairing_gain == pytest.approx(variances / (with_ - without).var(ddof=1))


@pytest.mark.slow
def test_intervals_cover_at_their_level() -> None:
    """Mean effect and pairing gain of a known normal law; 2,000 experiments of 60 pairs."""
    generator = np.random.default_rng(3)
    hits, hits_gain, experiments = 0, 0, 2000
    for number in range(experiments):
        common = generator.normal(0, 2, 60)
        without, with_ = common + generator.normal(0, 1, 60), 0.5 + common + generator.normal(0, 1, 60)
        difference = paired_differences(without[:, None], with_[:, None], ["count"], number)[0]
        hits += difference.ci_low <= 0.5 <= difference.ci_high
        assert difference.pairing_gain_ci is not None
        hits_gain += difference.pairing_gain_ci[0] <= 5.0 <= difference.pairing_gain_ci[1]
    error = np.sqrt(0.05 * 0.95 / experiments)
    assert abs(hits / experiments - 0.95) < 4 * error
    assert 0.90 < hits_gain / experiments < 0.98  # a percentile bootstrap of a variance ratio is a little short


@pytest.mark.slow
def test_fieller_covers_at_its_level() -> None:
    generator = np.random.default_rng(4)
    hits, experiments = 0, 2000
    for _ in range(experiments):
        lower = generator.normal(3.0, 4.0, 60)
        ratio = fieller(2.0 * lower + generator.normal(0.0, 3.0, 60), lower, "x")
        if ratio.ci_low is not None and ratio.ci_high is not None:
            hits += ratio.ci_low <= 2.0 <= ratio.ci_high
    assert abs(hits / experiments - 0.95) < 4 * np.sqrt(0.05 * 0.95 / experiments) + 0.003


def test_a_ratio_over_nothing_has_no_interval() -> None:
    assert fieller(np.ones(5), np.zeros(5), "x").value is None
    noisy = fieller(np.ones(5), np.array([1.0, -1.0, 2.0, -2.0, 0.1]), "x")
    assert noisy.ci_low is None


def test_effect_mapping_has_the_promised_shape(tiny: Scenario) -> None:
    result = paired_effect(tiny, replicates=5).as_dict()
    assert list(result)[:5] == ["scenario", "seed", "pairs", "months", "indicators"]
    adoption = result["indicators"]["adoption"]
    assert list(adoption) == [
        "unit",
        "without",
        "with",
        "mean",
        "ci_low",
        "ci_high",
        "future_low",
        "future_high",
        "pairs",
        "left_out",
        "pairing_gain",
        "pairing_gain_ci",
        "risk",
    ]
    assert set(adoption["risk"]) == {"small", "source", "chance_below", "ci_low", "ci_high"}
    costs = ("average_cost_per_tonne", "average_cost_per_exchange", "gross_cost_per_tonne")
    assert all(result[name]["unit"].startswith("SEK") for name in costs)
    assert adoption["mean"] == pytest.approx(adoption["with"] - adoption["without"])


# -- what the centre does


@pytest.mark.slow
def test_centre_and_each_of_its_functions_raise_adoption(region: Scenario) -> None:
    """Every function, alone with its staff, moves living exchanges beyond the paired interval."""
    arms = {"without": without_centre(region), "with": region}
    arms |= {function: single_function(region, function) for function in FUNCTIONS}
    result = run_arms(arms, replicates=60)
    assert result.difference("adoption").ci_low > 0
    for function in FUNCTIONS:
        assert result.difference("exchanges", arm=function).ci_low > 0, function


@pytest.mark.slow
def test_marginal_effect_of_staff_falls(region: Scenario) -> None:
    doses = (0.0, 2.0, 4.0, 8.0, 16.0)
    arms = {str(dose): region.with_values({"facilitator.fte": dose}) for dose in doses}
    result = run_arms({"without": without_centre(region), **arms}, replicates=40)
    exchanges = [result.end(str(dose), "exchanges") for dose in doses]
    slopes = [
        (after - before) / (high - low)
        for before, after, low, high in zip(exchanges, exchanges[1:], doses, doses[1:], strict=False)
    ]
    for earlier, later in pairwise(slopes):
        gap = earlier - later
        assert gap.mean() > 0
    overall = slopes[0] - slopes[-1]
    assert overall.mean() / (overall.std(ddof=1) / np.sqrt(overall.size)) > 4


@pytest.mark.slow
def test_withdrawal_slows_new_exchanges_but_keeps_living_ones(region: Scenario) -> None:
    arms = {
        "without": without_centre(region),
        "with": region,
        "closed": region.with_values({"facilitator.stop": 96}),
    }
    result = run_arms(arms, replicates=60, monthly=tuple(arms))
    after = slice(96, None)
    started = {arm: result.series(arm, "started")[:, -1] - result.series(arm, "started")[:, 95] for arm in arms}
    assert np.mean(started["closed"]) < np.mean(started["with"])
    kept = result.series("closed", "exchanges")[:, after] - result.series("without", "exchanges")[:, after]
    assert kept.mean(axis=0)[:12].min() > 0.7 * kept.mean(axis=0)[0]
    assert result.difference("exchanges", arm="closed").ci_low > 0


def test_runs_leave_the_interpreter_as_it_was() -> None:
    """Threads wait less for it while any runs are under way, those started within another's too; then as before."""
    usual = sys.getswitchinterval()

    def inner(_: int) -> float:
        return sys.getswitchinterval()

    def outer(_: int) -> float:
        assert run_all(inner, [1, 2], workers=1) == pytest.approx([SWITCH, SWITCH])
        return sys.getswitchinterval()

    assert usual > run_all(outer, [1], workers=1)[0] == pytest.approx(SWITCH)
    assert sys.getswitchinterval() == usual
    with pytest.raises(ZeroDivisionError):
        run_all(lambda seed: 1 // 0, [1], workers=1)
    assert sys.getswitchinterval() == usual
