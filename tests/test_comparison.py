"""Comparisons at equal budget: levels cost what they should, sums and probabilities are right, regret is unbiased."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.interventions import INTERVENTIONS
from abm.scenario import Scenario, ScenarioError, load_scenario
from abm.simulate import simulate_arms
from experiments.breakeven import years_below
from experiments.budget import AT_MOST, BETWEEN, PASSES, UNUSED, WHOLE_STEPS, Search, solve, solving_seed, yearly_cost
from experiments.comparison import Comparison, compare
from experiments.effect import WITHOUT, run_arms
from experiments.options import CENTRE, Option, known_parts, parse_options, without_any, years_in_force
from experiments.precision import UntilNarrow
from experiments.ranking import CHEAPEST, rank
from experiments.regret import points_of_ranges, regrets
from experiments.runner import replicate_seeds
from results.comparing import brings_rows, comparison_text, costs_rows
from results.comparisonfiles import comparison_frame, towns_frame
from results.comparisonwords import answer, break_even_text
from tests.processes import call

ALL = "resource_centre,transaction_cost_subsidy,landfill_tax,information_campaign,digital_marketplace"


@pytest.fixture(scope="module")
def short() -> Scenario:
    return load_scenario("ostergotland", {"run.spin_up": 5}, months=72)


@pytest.fixture(scope="module")
def found(short: Scenario) -> Comparison:
    options = parse_options(f"{ALL},mandate,resource_centre+grant")
    return compare(short, options, 4.0, replicates=12, seed=3, robust=False)


# -- what is compared


def test_names_and_titles_are_both_known() -> None:
    assert [option.name for option in parse_options(ALL)] == [
        "resource_centre", "transaction_subsidy", "landfill_tax", "campaign", "marketplace",
    ]  # fmt: skip
    (mixed,) = parse_options("resource_centre + digital_marketplace")
    assert (mixed.name, mixed.title) == ("resource_centre+marketplace", "resource centre and digital marketplace")


def test_everything_declared_can_be_compared() -> None:
    assert set(known_parts()) == {CENTRE, *INTERVENTIONS}
    for part in known_parts().values():
        assert part.most > 0
        assert part.stop != part.start
    assert {name for name, part in known_parts().items() if part.tax} == {"landfill_tax", "carbon_price"}
    beyond = known_parts(beyond=True)
    assert (beyond["grant"].most, beyond["marketplace"].most) == (1.0, 12.0)
    assert beyond["landfill_tax"].most == 1e5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("resource_center", "did you mean resource_centre?"),
        ("", "name at least one"),
        ("grant,grant", "grant is given twice"),
        ("grant+grant", "names the same twice"),
        ("grant+landfill_tax", "a tax brings money in"),
    ],
)
def test_unknown_or_senseless_options_are_refused(text: str, line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse_options(text)
    assert any(line in one for one in error.value.errors)


def test_a_question_without_sense_is_refused(short: Scenario) -> None:
    options = parse_options("grant")
    for budget, replicates, line in ((0.0, 5, "budget 0"), (math.nan, 5, "budget nan"), (4.0, 2, "at least 3")):
        with pytest.raises(ScenarioError, match=line):
            compare(short, options, budget, replicates=replicates)
    with pytest.raises(ScenarioError, match="not in force within the 12 months"):
        compare(load_scenario("tiny", months=12), options, 4.0)


# -- levels for a budget


def _solve_by_hand(option: Option, cost: dict[float, float] | None, budget: float, curve: float = 1.0) -> Search:
    search = Search(option, budget)
    for _ in range(PASSES):
        if search.done:
            break
        multiple = search.next()
        level = float(next(iter(option.levels(multiple).values())))
        search.learn(multiple, cost[level] if cost else 10.0 * (level / option.parts[0].most) ** curve)
    return search


@pytest.mark.parametrize("curve", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("budget", [0.01, 1.0, 9.9])
def test_a_level_that_costs_the_budget_is_found(curve: float, budget: float) -> None:
    (option,) = parse_options("grant")
    solved = _solve_by_hand(option, None, budget, curve).solved()
    assert solved.cost == pytest.approx(budget, rel=0.005)
    assert solved.note == ""
    assert len(_solve_by_hand(option, None, budget, curve).tried) <= PASSES


def test_what_cannot_spend_the_budget_is_at_its_most() -> None:
    (option,) = parse_options("grant")
    solved = _solve_by_hand(option, None, 11.0).solved()
    assert (solved.note, solved.levels) == (AT_MOST, {"interventions.grant.level": option.parts[0].most})


def test_whole_steps_stay_below_the_budget_or_are_the_first() -> None:
    (option,) = parse_options("mandate", beyond=True)
    cost = {1.0: 4.0, 2.0: 8.0}
    for budget, level, note in ((6.0, 1, WHOLE_STEPS), (1.0, 1, WHOLE_STEPS), (9.0, 2, AT_MOST), (4.0, 1, "")):
        solved = _solve_by_hand(option, cost, budget).solved()
        assert (solved.levels["interventions.mandate.level"], solved.note) == (level, note), budget


def test_a_jump_over_the_budget_is_not_called_equal() -> None:
    """A cost that leaps from a half to ten: the dearest level below is shown, and marked."""
    (option,) = parse_options("grant")
    search = Search(option, 5.0)
    for _ in range(PASSES):
        if search.done:
            break
        multiple = search.next()
        search.learn(multiple, 10.0 if multiple > 0.7 * option.farthest else multiple / option.farthest)
    solved = search.solved()
    assert solved.note == BETWEEN
    assert solved.cost < 0.71


@pytest.mark.slow
def test_a_mix_has_all_its_parts(short: Scenario) -> None:
    """A mandate costs nearly the whole budget by itself; it is not left out, and the rest is spent on the other."""
    options = parse_options("mandate+grant")
    # of eight replicates one grant is a step that no level splits on some seeds: not on this one
    (solved,) = solve(without_any(short, options), options, 5.0, replicates=8, seed=4)
    assert solved.levels["interventions.mandate.level"] == 1
    assert float(solved.levels["interventions.grant.level"]) > 0.0
    assert solved.cost == pytest.approx(5.0, rel=0.005)


@pytest.mark.slow
def test_options_cost_the_same_on_their_own_seeds(short: Scenario) -> None:
    # of few replicates a single large grant is a step that no level splits: twenty have none here
    options = parse_options("resource_centre,landfill_tax,resource_centre+grant")
    base = without_any(short, options)
    solved = solve(base, options, 4.0, replicates=20, seed=3)
    arms = {WITHOUT: base} | {one.option.name: base.with_values(one.levels) for one in solved}
    runs = run_arms(arms, replicates=20, seed=solving_seed(3))
    for one in solved:
        cost = yearly_cost(runs, one.option.name, one.option, base)
        assert one.cost == pytest.approx(cost.mean())
        assert one.cost == pytest.approx(4.0, rel=0.005)
    mix = solved[2]
    assert all(float(level) > 0 for level in mix.levels.values())
    assert not set(replicate_seeds(3, 200)) & set(replicate_seeds(solving_seed(3), 200))


def test_years_in_force(short: Scenario) -> None:
    (option,) = parse_options("grant+marketplace")
    assert years_in_force(short, option) == 5.0
    changed = short.with_values({"interventions.grant.stop": 48, "interventions.marketplace.start": 24})
    assert years_in_force(changed, option) == 5.0
    assert years_in_force(changed.with_values({"interventions.marketplace.stop": 36}), option) == 3.0


# -- what is found


def test_accounts_of_a_comparison_close(found: Comparison, short: Scenario) -> None:
    for one in found.spending:
        paid = sum(one.effects[name].mean for name in ("paid_national", "paid_region", "paid_municipal"))
        assert paid == pytest.approx(one.effects["public_outlay"].mean)
        years = years_in_force(short, one.option)
        assert one.cost.mean * years == pytest.approx(one.effects["public_outlay"].mean)
        for entry, name in (("saving", "saving"), ("carbon", "carbon")):
            total = sum(town.mean for town in one.towns[entry])
            assert total == pytest.approx(one.effects[name].mean, abs=1e-6)
        spent = sum(one.effects[name].mean for name in ("transaction_firms", "transaction_utilities", "investment"))
        assert sum(town.mean for town in one.towns["spent"]) == pytest.approx(spent, abs=1e-6)
        assert sum(town.mean for town in one.towns["paid"]) == pytest.approx(one.effects["paid_municipal"].mean)
        value = float(short.values["worth.carbon_value"])
        net = one.effects["saving"].mean + value * one.effects["carbon"].mean / 1e6 - spent - paid
        assert one.net[1, -1] == pytest.approx(net)
        assert np.all(one.net[0] <= one.net[1] + 1e-9)
        assert np.all(one.net[1] <= one.net[2] + 1e-9)


def test_taxes_stand_apart_and_bring_in_the_budget(found: Comparison) -> None:
    assert [one.option.name for one in found.taxes] == ["landfill_tax"]
    tax = found.taxes[0]
    assert tax.solved.cost == pytest.approx(4.0, rel=0.005)
    assert tax.effects["public_outlay"].mean == 0.0
    assert tax.break_even is None
    assert tax.public_per_tonne.value is None
    assert all(one.effects["tax_revenue"].mean == 0.0 for one in found.spending)


def test_shares_of_being_best_are_shares(found: Comparison) -> None:
    for ranking in found.ranking.values():
        assert sum(ranking.best.values()) + ranking.tied <= 1.0 + 1e-9
        assert set(ranking.best) == {one.option.name for one in found.spending}
    assert sum(found.ranking["carbon"].best.values()) + found.ranking["carbon"].tied == pytest.approx(1.0)


def _figure(text: str) -> float:
    return float(text.partition(" (")[0].replace(" ", "").removesuffix("pp").lstrip("+"))


def test_what_is_shown_recomputes(found: Comparison) -> None:
    """Money, tonnes and SEK per tonne of the printed tables are one another's quotients, to the digits shown."""
    for brings, costs in zip(brings_rows(found.spending, "public outlay"), costs_rows(found), strict=True):
        money, tonnes = _figure(brings["in all, MSEK"]), _figure(brings["emissions avoided in all, t CO2e"])
        if not costs["public outlay, SEK per t CO2e"].startswith(("no", "not")):
            assert _figure(costs["public outlay, SEK per t CO2e"]) == pytest.approx(1e6 * money / tonnes, rel=0.015)
    for one in found.spending:
        ratio = one.public_per_tonne
        if ratio.value is not None:
            shown = 1e6 * one.effects["public_outlay"].mean / one.effects["carbon"].mean
            assert ratio.value == pytest.approx(shown, rel=1e-12)
    assert "marginal" not in comparison_text(found).lower()


def test_ties_are_ties() -> None:
    """Whoever is named first is not the winner; what avoids nothing is not in the running."""
    nothing = rank(np.zeros((10, 3)), "abc")
    assert (nothing.best, nothing.tied) == ({"a": 0.0, "b": 0.0, "c": 0.0}, 1.0)
    values = np.array([[1.0, 1.0 + 1e-13, 0.0], [2.0, 1.0, np.nan], [np.nan] * 3, [-3.0, -2.0, np.nan]])
    mixed = rank(values, "abc")
    assert (mixed.best, mixed.tied) == ({"a": 0.25, "b": 0.25, "c": 0.0}, 0.25)


@pytest.fixture(scope="module")
def idle() -> Comparison:
    """One month in which nothing comes about."""
    names = ("grant", "campaign", "marketplace")
    one_month = load_scenario("tiny", {f"interventions.{name}.start": 0 for name in names}, months=1)
    return compare(one_month, parse_options(",".join(names)), 1.0, replicates=4, robust=False)


def test_where_nothing_comes_about_nobody_wins(idle: Comparison) -> None:
    for name in ("adoption", "exchanges", "tonnes", "carbon"):
        assert idle.ranking[name].tied == 1.0
    assert idle.ranking[CHEAPEST].tied == 0.0
    assert set(idle.ranking[CHEAPEST].best.values()) == {0.0}
    said = answer(idle)
    assert said.startswith("Most further participants: a tie, no option changes them in 100 % of draws.")
    assert "none of the options avoids any in 100 % of draws" in said
    assert [one.solved.note for one in idle.spending] == [UNUSED, AT_MOST, AT_MOST]
    text = comparison_text(idle)
    assert "investment grant: nothing is paid at any level" in text
    assert "first on participants" in text


def test_break_even_is_the_last_time_below_zero() -> None:
    paths = np.array([[0.0] * 24, [-1.0] * 12 + [1.0] * 12, [-1.0] * 24, [-1.0, 2.0] * 6 + [-1.0] + [1.0] * 11])
    assert years_below(paths).tolist() == [0.0, 1.0, math.inf, 13 / 12]
    assert break_even_text(None, 24) == ""


def test_the_comparison_is_of_the_same_firms_and_luck(found: Comparison, short: Scenario) -> None:
    one = found.spending[0]
    base = without_any(short, parse_options(f"{ALL},mandate,resource_centre+grant"))
    ends = []
    for seed in replicate_seeds(3, 12):
        without, with_ = simulate_arms([base, base.with_values(one.solved.levels)], seed)
        ends.append(with_["exchanges"][-1] - without["exchanges"][-1])
    assert one.effects["exchanges"].mean == pytest.approx(np.mean(ends))


def test_tables_and_text(found: Comparison) -> None:
    text = comparison_text(found)
    assert "* municipal mandate: comes in whole steps" in text or "* municipal mandate: cannot spend" in text
    assert "Taxes that raise 4 MSEK a year" in text
    assert "12 replicates of seed 3" in text
    frame = comparison_frame(found)
    assert len(frame[frame["indicator"] == "adoption"]) == 7
    towns = towns_frame(found)
    assert set(towns["entry"]) == {"saving", "carbon", "spent", "paid"}
    assert towns["municipality"].nunique() == 13


@pytest.mark.slow
def test_until_narrow(short: Scenario) -> None:
    options = parse_options("resource_centre,marketplace")
    result = compare(short, options, 4.0, replicates=UntilNarrow(6.0, "exchanges"), seed=3, robust=False)
    widths = [one.effects["exchanges"].ci_high - one.effects["exchanges"].ci_low for one in result.spending]
    assert max(widths) <= 6.0
    assert result.pairs >= 30


# -- regret


def test_regret_without_noise_is_what_is_lost() -> None:
    ends = np.array([[[5.0], [3.0]], [[1.0], [4.0]]]).repeat(4, axis=2)
    lost, best, tied = regrets(ends)
    assert lost.tolist() == [[0.0, 2.0], [3.0, 0.0]]
    assert best.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert not tied.any()


def test_equals_share_the_first_place_and_lose_nothing() -> None:
    lost, best, tied = regrets(np.array([[[2.0], [2.0], [1.0]], [[0.0], [0.0], [0.0]]]).repeat(4, axis=2))
    assert lost.tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert not best.any()
    assert tied.tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]


def test_regret_of_equals_is_nothing_on_average() -> None:
    """Options that are the same but for noise: chosen and measured on the same runs they would seem to differ."""
    generator = np.random.default_rng(1)
    ends = generator.normal(size=(4000, 3, 6))
    lost, best, _ = regrets(ends)
    assert np.all(np.abs(lost.mean(axis=0)) < 4 * lost.std(axis=0) / math.sqrt(4000))
    naive = ends.mean(axis=2).max(axis=1, keepdims=True) - ends.mean(axis=2)
    assert naive.mean() > 0.3
    assert np.abs(best.mean(axis=0) - 1 / 3).max() < 0.03


def test_points_fill_the_declared_ranges(short: Scenario) -> None:
    points = points_of_ranges(short, 32, 1)
    assert len(points) == 32
    wages = [point["transaction.wage"] for point in points]
    assert len(set(wages)) == 32
    for point in points:
        short.with_values(point)  # every one is a valid scenario


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    """Figure, tables and page; the answer in numbers for machines."""
    ended = call(
        "compare", "tiny", "--interventions", ALL, "--budget", "2", "--replicates", "10", "--out", "out", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)
    assert [one["option"] for one in facts["options"]] == [
        "resource_centre", "transaction_subsidy", "campaign", "marketplace",
    ]  # fmt: skip
    assert [one["option"] for one in facts["taxes"]] == ["landfill_tax"]
    assert facts["options"][0]["cost"]["mean"] == pytest.approx(2.0, rel=0.2)
    assert facts["points"] == 32
    assert set(facts["unit_costs"]) == {
        "facilitator.cost", "interventions.campaign.cost", "interventions.marketplace.cost",
    }  # fmt: skip
    assert facts["options"][0]["effects"]["adoption"]["risk"]["small"] == 0.01
    assert set(facts["regret"]["adoption"]) == {one["option"] for one in facts["options"]}
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "comparison.csv", "comparison.md", "comparison.png", "comparison.svg", "manifest.json", "municipalities.csv",
        "net.png", "net.svg", "regret.csv", "unit_costs.csv",
    }  # fmt: skip
    regret = pd.read_csv(tmp_path / "out" / "regret.csv")
    assert len(regret) == 16


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--interventions", "grants", "--budget", "8"], "did you mean grant?"),
        (["--interventions", "grant", "--budget", "-1"], "--budget -1"),
        (["--interventions", "grant", "--budget", "8", "--replicates", "2"], "at least 3"),
        (["--interventions", "grant", "--budget", "8", "--ci-width", "1"], "--ci-width"),
        (["--interventions", "grant"], "--budget"),
    ],
)
def test_bad_input_is_one_line_and_nothing_written(tmp_path: Path, arguments: list[str], line: str) -> None:
    ended = call("compare", "tiny", *arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert line in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
