"""What pairs of runs tell: what is not defined is left out and never 0, single futures, and the chance of little."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from abm.plan import plan
from abm.scenario import Scenario, ScenarioError
from abm.simulate import simulate
from calibration.posterior import uncertain
from experiments.effect import GROSS, WITH, WITHOUT, Arms, PairedEffect, effect_of
from experiments.increments import increments
from experiments.pairs import FEWEST_FUTURES, fieller, future_interval, paired_differences
from experiments.precision import widest
from experiments.risk import ASKED, SMALL, Small, read_small, risk_of, share_interval
from experiments.shards import NotFinite, _checked
from results.drawing import Study
from results.report import group_rows
from results.tables import effect_table, effects_frame

PAIRS = 24
SOME, ONE, NONE = (f"adoption.maturity.{name}" for name in ("passive", "exploring", "active"))
GONE = "adoption.sector.C24"


@pytest.fixture(scope="module")
def arms(tiny: Scenario) -> Arms:
    """Made by hand: shares defined in all pairs, in some, in one and in none."""
    columns = plan(tiny).columns
    ends = np.random.default_rng(5).uniform(0.1, 0.4, (2, PAIRS, len(columns)))
    ends[1] += 0.2
    ends[0, 3:9, columns.index(SOME)] = np.nan
    ends[1, 7:12, columns.index(SOME)] = np.nan
    ends[0, 1:, columns.index(ONE)] = np.nan
    ends[:, :, columns.index(NONE)] = ends[1, :, columns.index(GONE)] = np.nan
    return Arms(1, (WITHOUT, WITH), columns, ends, {}, np.zeros((2, PAIRS, 1)), {}, ())


@pytest.fixture(scope="module")
def effect(arms: Arms, tiny: Scenario) -> PairedEffect:
    return effect_of(arms, tiny)


def test_a_pair_counts_only_where_both_arms_are_defined(arms: Arms, effect: PairedEffect) -> None:
    one, kept = effect[SOME], [*range(3), *range(12, PAIRS)]
    without, with_ = (arms.end(name, SOME)[kept] for name in (WITHOUT, WITH))
    assert (one.pairs, one.left_out) == (15, 9)
    assert one.mean == pytest.approx((with_ - without).mean())
    assert one.mean == pytest.approx(one.with_ - one.without)
    test = stats.ttest_rel(with_, without).confidence_interval()
    assert (one.ci_low, one.ci_high) == pytest.approx((test.low, test.high))
    variances = with_.var(ddof=1) + without.var(ddof=1)
    assert one.pairing_gain == pytest.approx(variances / (with_ - without).var(ddof=1))
    assert one.pairing_gain_ci is not None
    assert one.pairing_gain_ci[0] < one.pairing_gain < one.pairing_gain_ci[1]
    whole = effect["adoption"]
    assert (whole.pairs, whole.left_out) == (PAIRS, 0)


def test_of_one_pair_there_is_a_mean_and_of_none_nothing(arms: Arms, effect: PairedEffect) -> None:
    single, nothing = effect[ONE], effect[NONE]
    assert single.mean == pytest.approx(arms.end(WITH, ONE)[0] - arms.end(WITHOUT, ONE)[0])
    assert math.isnan(single.ci_low)
    assert (single.pairs, single.left_out, nothing.pairs, nothing.left_out) == (1, PAIRS - 1, 0, PAIRS)
    assert all(math.isnan(value) for value in (nothing.mean, nothing.without, nothing.with_, nothing.ci_high))


def test_json_has_null_and_csv_an_empty_cell(effect: PairedEffect) -> None:
    content = json.loads(json.dumps(effect.as_dict(), allow_nan=False))
    assert content["indicators"][NONE] | {"risk": 0} == {
        "unit": "share", "without": None, "with": None, "mean": None, "ci_low": None, "ci_high": None,
        "future_low": None, "future_high": None, "pairs": 0, "left_out": PAIRS, "pairing_gain": None,
        "pairing_gain_ci": None, "risk": 0,
    }  # fmt: skip
    assert content["indicators"][ONE]["mean"] is not None
    lines = effects_frame({WITH: effect}).to_csv(index=False).splitlines()
    (row,) = (line.split(",") for line in lines if f",{NONE}," in line)
    cells = dict(zip(lines[0].split(","), row, strict=True))
    assert (cells["mean"], cells["without"], cells["ci_low"], cells["left_out"]) == ("", "", "", str(PAIRS))
    assert "nan" not in "\n".join(lines).lower().replace("finance", "")


def test_tables_show_a_dash_and_the_pairs_that_are_left(arms: Arms, effect: PairedEffect, tiny: Scenario) -> None:
    study = Study(tiny, arms, effect, {}, {}, {})
    maturity = {row["name"]: row for row in group_rows(study, "maturity")}
    assert (maturity["active"]["without"], maturity["active"]["change"]) == ("-", f"-; 0 of {PAIRS} pairs")
    assert maturity["active"]["bars"] == (0.0, 0.0)
    assert maturity["passive"]["change"].endswith(f"; 15 of {PAIRS} pairs")
    assert "one pair: no interval" in maturity["exploring"]["change"]
    sectors = group_rows(study, "sector")
    assert len(sectors) == sum(name.startswith("adoption.sector.") for name in arms.columns) - 1
    assert "nan" not in f"{effect_table(effect)}{maturity}{sectors}".lower().replace("finance", "")


def test_an_indicator_that_is_nowhere_defined_has_no_risk_either(arms: Arms, tiny: Scenario) -> None:
    ends = arms.ends.copy()
    ends[..., arms.columns.index("adoption")] = np.nan
    effect = effect_of(Arms(1, arms.arm_names, arms.columns, ends, {}, arms.ledgers, {}, ()), tiny)
    assert effect.as_dict()["indicators"]["adoption"]["risk"]["chance_below"] is None
    row = next(line for line in effect_table(effect).splitlines() if line.startswith("Participants"))
    assert row.split()[-5:] == ["-"] * 5


def test_ratios_and_widths_leave_undefined_pairs_out() -> None:
    upper, lower = np.random.default_rng(1).uniform(1, 2, (2, 40))
    holes = upper.copy()
    holes[::4] = np.nan
    kept = ~np.isnan(holes)
    assert fieller(holes, lower, "x") == fieller(upper[kept], lower[kept], "x")
    assert fieller(np.full(5, np.nan), np.ones(5), "x").value is None
    assert widest(np.column_stack([lower, holes])) == max(widest(lower[:, None]), widest(upper[kept][:, None]))
    assert widest(np.full((40, 1), np.nan)) == (math.inf, False)


def test_draws_of_a_posterior_with_undefined_pairs_are_left_out() -> None:
    effects = np.random.default_rng(3).normal(5.0, 1.0, (40, 4))
    holes = effects.copy()
    holes[:8, 2] = np.nan
    assert uncertain(np.zeros((40, 4)), holes, "share", 1) == uncertain(np.zeros((32, 4)), effects[8:], "share", 1)
    holes[:35] = np.nan
    assert math.isnan(uncertain(np.zeros((40, 4)), holes, "share", 1).mean)


def test_a_run_may_lack_a_share_but_nothing_else(tiny: Scenario) -> None:
    columns = plan(tiny).columns
    values = np.zeros((2, len(columns)))
    values[0, [columns.index(name) for name in (GONE, "distance", GROSS)]] = np.nan
    assert _checked(replace(simulate(tiny, 1), values=values)).values is values
    for wrong, name in ((np.nan, "exchanges"), (np.inf, "adoption")):
        bad = values.copy()
        bad[1, columns.index(name)] = wrong
        with pytest.raises(NotFinite, match=f"{name} is not a number in month 2"):
            _checked(replace(simulate(tiny, 1), values=bad))


# -- single futures and the chance of little


@pytest.mark.parametrize("pairs", [FEWEST_FUTURES, 60])
@pytest.mark.parametrize("law", ["normal", "lognormal"])
def test_nine_futures_in_ten_are_nine(pairs: int, law: str) -> None:
    """A further draw is outside in a tenth of 4,000 experiments, whatever the law."""
    draws = getattr(np.random.default_rng(8), law)(size=(4000, pairs + 1))
    spans = np.array([future_interval(sample) for sample in draws[:, 1:]])
    outside = np.mean((draws[:, 0] < spans[:, 0]) | (draws[:, 0] > spans[:, 1]))
    assert abs(outside - 0.1) < 4 * math.sqrt(0.1 * 0.9 / 4000)


def test_too_few_pairs_tell_nothing_of_single_futures() -> None:
    values = np.arange(FEWEST_FUTURES - 1.0)[:, None]
    (one,) = paired_differences(np.zeros_like(values), values, ["count"], 1)
    assert math.isnan(one.future_low)
    assert not math.isnan(one.ci_low)


@pytest.mark.parametrize(("count", "of"), [(0, 12), (3, 12), (12, 12), (0, 0)])
def test_chance_of_little_has_the_exact_interval(count: int, of: int) -> None:
    effects = np.array([9.0] * count + [10.0] * (of - count) + [np.nan])
    risk = risk_of(effects, Small(10.0))
    if of:
        exact = stats.binomtest(count, of).proportion_ci(method="exact")
        assert (risk.ci_low, risk.ci_high) == pytest.approx((exact.low, exact.high))
        assert risk.chance == count / of
    else:
        assert math.isnan(risk.chance)
        assert share_interval(0, 0) == (0.0, 1.0)


def test_small_values_are_declared_and_can_be_set(tiny: Scenario) -> None:
    columns = [name for name in plan(tiny).columns if name != GROSS]
    assert set(SMALL) <= set(columns)
    assert all(one.source == "judgement" for one in SMALL.values())
    read = read_small(["exchanges = 20", "tonnes=1e3"], columns)
    assert (read["exchanges"], read["adoption"]) == (Small(20.0, ASKED), SMALL["adoption"])


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["exchange=10"], "did you mean exchanges?"),
        (["exchanges"], "expected exchanges=NUMBER"),
        (["exchanges=many"], "expected exchanges=NUMBER"),
        (["adoption=nan"], "expected adoption=NUMBER"),
        (["exchanges=1", "exchanges=2"], "given twice"),
        ([f"{GROSS}=1"], "no indicator"),
    ],
)
def test_small_values_that_make_no_sense_are_refused(tiny: Scenario, texts: list[str], said: str) -> None:
    with pytest.raises(ScenarioError, match=said.replace("?", r"\?")):
        read_small(texts, [name for name in plan(tiny).columns if name != GROSS])


# -- steps in size


def test_a_step_is_the_larger_less_the_smaller(tiny: Scenario) -> None:
    names = (WITHOUT, "4 FTE", "1 FTE")
    columns = ("exchanges", "carbon", "public_outlay")
    ends = np.random.default_rng(2).normal([10.0, 1e4, 30.0], [1.0, 1e2, 1.0], (3, 30, 3))
    ends *= np.array([1.0, 4.0, 2.0])[:, None, None]
    arms = Arms(1, names, columns, ends, {}, np.zeros((3, 30, 1)), {}, ())
    first, second = increments(arms, {4.0: "4 FTE", 1.0: "1 FTE"})
    assert (first.name, second.name) == ("0 to 1", "1 to 4")
    assert second.exchanges.mean == pytest.approx((ends[1] - ends[2])[:, 0].mean())
    assert second.marginal_cost == fieller(1e6 * (ends[1] - ends[2])[:, 2], (ends[1] - ends[2])[:, 1], "SEK/t CO2e")
    whole = (ends[1] - ends[0]).mean(axis=0)
    for column, name in enumerate(("exchanges", "carbon", "outlay")):
        assert getattr(first, name).mean + getattr(second, name).mean == pytest.approx(whole[column])
