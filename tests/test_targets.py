"""Targets: the table, and what each statistic says of runs whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from abm.catalogue import DataError, catalogue
from abm.scenario import ScenarioError, load_scenario
from calibration import statistics
from calibration.evaluation import answers, evaluation, input_ranges, point_seeds, simulate, values_at
from calibration.statistics import STATISTICS, Seen, taken
from calibration.targets import FILE, USES, load_targets
from experiments.pool import SturdyPool

BASE = load_scenario("tiny", {"facilitator.start": 12})


class Made(dict):
    """A trajectory with these series; `network` aside."""

    network = None


def seen(setting, at=(), scenario=BASE, **arms):
    return Seen(scenario, {setting: arms}, at)


def network(supplier, receiver, byproduct, quantity=None, sector=None):
    ids = [row.id for row in catalogue().byproduct_rows]
    numbers = np.array([ids.index(name) for name in byproduct])
    amounts = np.ones(len(numbers)) if quantity is None else np.array(quantity, float)
    return SimpleNamespace(
        supplier=np.array(supplier), receiver=np.array(receiver), byproduct=numbers, quantity=amounts, sector=sector
    )


def test_every_use_has_targets_and_every_row_a_source():
    targets = load_targets().targets
    assert {target.use for target in targets} == set(USES)
    assert {target.letter for target in targets} >= set("abcdefghijk")
    assert {target.statistic for target in targets} == set(STATISTICS)


def test_kalundborg_answers_only_what_one_cluster_can():
    def fitted(region, rule):
        scenario = load_scenario(region, {"appraisal.rule": rule})
        return {target.name for target in load_targets().of(scenario, ("fit",)).targets}

    assert fitted("kalundborg", "payback") == {"cluster_streams", "audit_adoption"}
    assert fitted("kalundborg", "npv") == {"cluster_streams"}  # has no parameter of reluctance
    assert "distance" in fitted("ostergotland", "npv")


def test_unknown_target_gets_the_nearest_name():
    with pytest.raises(ScenarioError, match="did you mean distance"):
        load_targets().named(["distanse"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('setting = ["cluster"]', 'setting = ["clutser"]', "no setting 'clutser'; did you mean cluster?"),
        ('statistic = "distance"', 'statistic = "distanse"', "no statistic 'distanse'; did you mean distance?"),
        ("value = [5, 12, 19]", "value = [5, 12]", "value: expected 3 number"),
        ("sd = 5.0", "sd = -5.0", "sd: is below 0"),
        ('use = "hold-out"', 'use = "holdout"', "use:"),
    ],
)
def test_what_is_wrong_with_the_table_is_said(tmp_path, old, new, message):
    file = tmp_path / "targets.toml"
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError) as error:
        load_targets(file)
    assert any(message in line for line in error.value.errors), error.value.errors


def test_streams_are_read_at_the_end_of_each_year():
    living = np.repeat(np.arange(1.0, 41.0), 12)  # one more a year
    found = statistics.streams_by_year(seen("cluster", (1, 20, 39), without=Made(exchanges=living)))
    assert found.tolist() == [1, 20, 39]


def test_donors_and_streams():
    one = Made()
    one.network = network([1, 1, 2, 3, 3], [5, 6, 5, 6, 7], ["ash", "ash", "ash", "gypsum", "slag"])
    assert statistics.one_stream_donors(seen("region", centre=one)) == pytest.approx(2 / 3)  # 1 and 2, not 3


def test_share_of_district_heat():
    table, run = catalogue(), Made()
    sector = np.array([table.sector_index("C17"), table.sector_index("D35"), table.sector_index("A0113")])
    heat = ["excess_heat", "excess_heat", "wood_residues"]
    run.network = network([0, 0, 0], [1, 2, 1], heat, [52_000.0, 9e9, 9e9], sector)
    people = sum(town.population for town in BASE.region.municipality)
    assert statistics.district_heat_share(seen("region", without=run)) == pytest.approx(10_000 / people)


def test_ten_years_after_the_opening():
    living = np.arange(1.0, 181.0)
    found = statistics.reached_in_ten_years(seen("region", centre=Made(exchanges=living)))
    assert found == pytest.approx(132 / 180)  # opened in month 12
    assert np.isnan(statistics.reached_in_ten_years(seen("region", centre=Made(exchanges=living[:100]))))


def test_cost_and_tonnes_are_logs():
    run = Made(public_outlay=[10.0], carbon=[1e5], tonnes=[5e4], registered=[50.0])
    assert statistics.gross_cost(seen("region", centre=run)) == pytest.approx(2.0)
    assert statistics.tonnes_per_member(seen("region", centre=run)) == pytest.approx(3.0)
    empty = Made(public_outlay=[10.0], carbon=[0.0], tonnes=[0.0], registered=[0.0])
    assert np.isnan(statistics.gross_cost(seen("region", centre=empty)))
    assert np.isnan(statistics.tonnes_per_member(seen("region", centre=empty)))


def test_payback_rule_takes_what_its_limits_say():
    """Share of limits (lognormal, median 2) above a payback of 1 to 2 years, by quadrature; 500 measures: 4 errors."""
    from scipy.special import ndtr

    scenario = BASE.with_values({"appraisal.rule": "payback", "appraisal.risk_aversion": 0.0})
    spread = float(scenario.values["appraisal.payback_spread"])
    exact = float(np.mean(ndtr(-np.log(np.linspace(1, 2, 2001) / 2.0) / spread)))
    assert taken(scenario) == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 500) ** 0.5)
    assert taken(scenario, cost=1.5) == pytest.approx(taken(scenario, saving=1 / 1.5), abs=1e-12)


def test_textbook_rules_take_every_measure_that_pays_back_in_two_years():
    assert taken(BASE.with_values({"appraisal.rule": "npv"})) == 1.0
    assert np.isnan(taken(BASE.with_values({"appraisal.mix": "payback@0.3"})))


def test_answers_are_those_of_the_runs_and_settings_keep_their_own_values():
    scenario = load_scenario("tiny", {"appraisal.rule": "satisficing"}, months=60)
    targets = load_targets().of(scenario, ("fit", "property"))
    one = evaluation(scenario, targets)
    assert one.arms["region"]["centre"].months == 180
    assert one.arms["cluster"]["without"].region_name == "kalundborg"
    assert one.arms["cluster"]["without"].spin_up_months == 0
    found = answers(one, {"appraisal.rule": "payback", "prices.volatility": 1.5}, point_seeds(1, 0, 1))
    assert found.shape == (1, len(targets.points))
    names = [point.name for point in targets.points]
    assert found[0, names.index("audit_adoption")] == taken(BASE.with_values({"appraisal.rule": "payback"}))
    again = answers(one, {"prices.volatility": 0.5}, point_seeds(1, 0, 1))
    assert again[0, names.index("waiting")] == found[0, names.index("waiting")]  # rule and volatility are its own


@pytest.mark.slow
def test_points_have_seeds_of_their_own_and_any_pool_gives_the_same():
    seeds = [one for number in range(50) for one in point_seeds(3, number, 4)]
    assert len(set(seeds)) == len(seeds)
    scenario = load_scenario("kalundborg", {"appraisal.rule": "payback"})
    targets = load_targets().of(scenario, ("fit",))
    one, ranges = evaluation(scenario, targets), input_ranges(scenario, ["discovery.finds", "appraisal.interval"])
    unit = np.array([[0.1, 0.9], [0.6, 0.2]])
    values = values_at(ranges, unit)
    assert isinstance(values[0]["appraisal.interval"], int)
    with SturdyPool(2) as pool:
        found = simulate(unit, 2, 3, one=one, ranges=ranges, executor=pool)
    alone = np.array([answers(one, row, point_seeds(3, number, 2)) for number, row in enumerate(values)])
    assert np.array_equal(found, alone)
