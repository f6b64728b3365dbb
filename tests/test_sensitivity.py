"""Sensitivity: exact answers, intervals that hold, guard rails, and the methods on the model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import kretslopp as kr
from abm.parameters import BY_NAME as PARAMETERS
from abm.parameters import FUNCTIONS
from abm.scenario import Scenario, ScenarioError, load_scenario
from experiments.attribution import (
    GAMES,
    attribute,
    coalitions,
    interactions,
    players,
    reach_points,
    reach_ranks,
    shapley,
    with_coalition,
)
from experiments.effect import REACH, single_function
from experiments.maps import two_way
from experiments.methods import (
    DUMMY,
    METHODS,
    best_replicates,
    elementary_effects,
    least_runs,
    morris,
    salib_seed,
    sobol,
)
from experiments.questions import SHARES, Question, all_inputs, read_inputs, read_outcome
from experiments.sensitivity import SensitivityError, blocks_of, check_problem, pair_seeds, sample
from results.influence import analysis_dict, analysis_text, words, write_analysis
from tests.exact import A_VARIANCE, PROBLEMS, Exact, plain_salib, repeat
from tests.processes import call

A, B, ISHIGAMI, SOBOL_G = PROBLEMS
BY_NAME = {exact.name: exact for exact in PROBLEMS}


# -- exact answers


def test_the_answers_are_those_of_the_literature() -> None:
    assert ISHIGAMI.variance == pytest.approx(13.844588, abs=1e-6)
    assert ISHIGAMI.first == pytest.approx([0.313905, 0.442411, 0.0], abs=1e-6)
    assert ISHIGAMI.total == pytest.approx([0.557589, 0.442411, 0.243684], abs=1e-6)
    assert SOBOL_G.variance == pytest.approx(0.465424, abs=1e-6)
    assert SOBOL_G.first[:4] == pytest.approx([0.71619, 0.17905, 0.02368, 0.00716], abs=1e-5)
    assert SOBOL_G.total[:4] == pytest.approx([0.78714, 0.24220, 0.03432, 0.01046], abs=1e-5)
    assert A.first == pytest.approx([0.1579, 0, 0.6316, 0.1579, 0], abs=1e-4)
    assert A.total == pytest.approx([0.2105, 0, 0.6316, 0.2105, 0], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [exact.name for exact in PROBLEMS])
def test_the_public_entry_is_unbiased(name: str) -> None:
    """120 analyses by the public entry: no index off by more than three standard errors, adjusted for their number."""
    exact = BY_NAME[name]
    found = [
        kr.sensitivity.sobol(
            exact.function, exact.problem, 256, 4 if exact.quantity == "effect" else 2, seed, quantity=exact.quantity,
            vectorized=True,
        )
        for seed in range(120)
    ]  # fmt: skip
    indices = np.array([np.concatenate((one["S1"], one["ST"])) for one in found])
    truth = np.concatenate((exact.first, exact.total))
    error = indices.std(axis=0, ddof=1) / math.sqrt(len(found))
    limit = stats.norm.isf(stats.norm.sf(3.0) / len(truth))
    assert np.all(np.abs(indices.mean(axis=0) - truth) < limit * error + 1e-12)
    variance = np.array([one["variance"]["parametric"] for one in found])
    assert abs(variance.mean() - exact.variance) < 4 * variance.std(ddof=1) / math.sqrt(len(found))
    for part, value in (("chance", exact.chance), ("pairing", exact.pairing)):
        if part in found[0]["variance"]:
            values = np.array([one["variance"][part] for one in found])
            assert abs(values.mean() - value) < 4 * values.std(ddof=1) / math.sqrt(len(found)) + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", [exact.name for exact in PROBLEMS])
def test_intervals_hold(name: str) -> None:
    """600 repetitions: coverage of each index, inert inputs among them, within sampling error of 93 to 97 %."""
    exact = BY_NAME[name]
    table = repeat(exact, 600, 512, 4 if exact.quantity == "effect" else 2, first_seed=5000).table()
    slack = 3.5 * math.sqrt(0.95 * 0.05 / 600)
    assert table["coverage"].min() > 0.93 - slack
    assert table["coverage"].max() < 0.97 + slack
    assert abs(table["coverage"].mean() - 0.95) < 0.02


@pytest.mark.slow
def test_second_order_indices() -> None:
    for exact in (A, B):
        found = np.array([
            kr.sensitivity.sobol(exact.function, exact.problem, 256, 4, seed, second_order=True, vectorized=True)["S2"]
            for seed in range(40)
        ])  # fmt: skip
        error = found.std(axis=0, ddof=1) / math.sqrt(40)
        for (i, j), value in exact.second.items():
            assert abs(found[:, i, j].mean() - value) < 4 * error[i, j]
            assert np.array_equal(found[:, i, j], found[:, j, i])
        assert np.all(found[:, 0, 0] == 0.0)


@pytest.mark.slow
def test_plain_sobol_is_badly_wrong_here() -> None:
    """The inert x2 of problem A: SALib on one paired replicate gives it 0.7, on eight 0.2; corrected it is zero."""
    one, eight = (
        np.mean([plain_salib(A, *size, seed) for seed in range(1, 21)], axis=0) for size in ((2048, 1), (256, 8))
    )
    ours = np.array([
        kr.sensitivity.sobol(A.function, A.problem, 256, 8, seed, vectorized=True)["ST"] for seed in range(20)
    ])  # fmt: skip
    assert one[1] > 0.6
    assert 0.1 < eight[1] < 0.4
    assert abs(ours[:, 1].mean()) < 4 * ours[:, 1].std(ddof=1) / math.sqrt(20)


def test_groups_share_one_index() -> None:
    problem = A.problem | {"groups": ["both", "inert", "third", "both", "inert"]}
    found = kr.sensitivity.sobol(A.function, problem, 1024, 8, 3, vectorized=True)
    assert found.names == ("both", "inert", "third")
    exact = np.array([(1 / 48 + 1 / 48 + 1 / 144) / A_VARIANCE, 0.0, (1 / 12) / A_VARIANCE])
    assert np.all((found["S1_low"] < exact) & (exact < found["S1_high"]))


def _noise(x: np.ndarray, seed: int, treated: bool) -> float:
    return float(np.random.default_rng(seed).normal())


def test_without_parametric_variance_nothing_is_identified() -> None:
    problem = {"num_vars": 2, "names": ["a", "b"], "bounds": [[0, 1]] * 2}
    found = kr.sensitivity.sobol(_noise, problem, 64, 4, 1, quantity="outcome")
    assert not found["identified"]
    assert np.isnan(found["ST"]).all()
    assert found["variance"]["parametric_low"] < 0 < found["variance"]["parametric_high"]
    assert found["variance"]["chance"] == pytest.approx(1.0, abs=0.2)
    assert "pairing" not in found["variance"]


def test_the_result_reads_as_a_mapping() -> None:
    found = kr.sensitivity.sobol(_one_by_one, A.problem, 32, 2, 0)
    assert {"S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high", "variance"} <= set(found)
    assert found["S1"].shape == (5,)
    assert found.runs == 32 * 7 * 2 * 2
    frame = found.to_frame()
    assert frame["name"].tolist() == A.problem["names"]
    assert {"rows", "replicates", "blocks", "seed", "ST_low"} <= set(frame.columns)


def _one_by_one(x: np.ndarray, seed: int, treated: bool) -> float:
    return float(A.function(x[None], np.array([seed]), treated)[0])


def test_vectorised_and_one_by_one_are_the_same() -> None:
    one = kr.sensitivity.sobol(_one_by_one, A.problem, 32, 2, 7)
    many = kr.sensitivity.sobol(A.function, A.problem, 32, 2, 7, vectorized=True)
    assert one["variance"] == many["variance"]
    other = kr.sensitivity.sobol(A.function, A.problem, 32, 2, 8, vectorized=True)
    assert one["variance"] != other["variance"]


def test_no_two_pairs_share_a_seed() -> None:
    seeds = pair_seeds(2000, 16, 0)
    assert len(np.unique(seeds)) == seeds.size
    assert seeds.min() >= 0


def test_a_block_is_the_same_whatever_others_are_drawn() -> None:
    some, more = (sample(A.problem, 16, range(count), False, 3) for count in (4, 8))
    assert np.array_equal(some.x, more.x[:4])
    assert not np.array_equal(more.x[0], more.x[1])


# -- guard rails


def _nan(x: np.ndarray, seeds: np.ndarray, treated: bool) -> np.ndarray:
    y = A.function(x, seeds, treated)
    y[17] = np.nan
    return y


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda: kr.sensitivity.sobol(_nan, A.problem, 32, 2, 1, vectorized=True),
            "1 of 224 rows have a value that is",
        ),
        (lambda: kr.sensitivity.sobol(_noise, A.problem, 100, 2, 1), "100 is not a power of two"),
        (lambda: kr.sensitivity.sobol(_noise, A.problem, 16, 2, 1), "not a power of two from 32 on"),
        (lambda: kr.sensitivity.sobol(_noise, A.problem, 32, 1, 1), "two or more"),
        (lambda: kr.sensitivity.sobol(_noise, A.problem, 32, 2, -1), "seed"),
        (lambda: kr.sensitivity.sobol(_noise, A.problem, 32, 2, 1, quantity="both"), "neither effect nor outcome"),
        (lambda: check_problem({"names": ["a"], "bounds": [[0, 1]]}), "num_vars missing"),
        (lambda: check_problem({"num_vars": 1, "names": ["a"], "bounds": [[1, 1]]}), "a: low 1 is not below high 1"),
        (lambda: check_problem({"num_vars": 2, "names": ["a", "a"], "bounds": [[0, 1]] * 2}), "a is given twice"),
        (lambda: check_problem({"num_vars": 2, "names": ["a"], "bounds": [[0, 1]]}), "num_vars is 2"),
        (lambda: blocks_of(33), "33"),
    ],
)
def test_what_cannot_be_analysed_is_refused(change: Callable[[], Any], line: str) -> None:
    with pytest.raises(SensitivityError, match=line):
        change()


def test_salib_is_never_given_a_seed_of_zero() -> None:
    assert all(salib_seed(seed) > 0 for seed in (0, 1, 2**31 - 2, 2**31 - 1, 2**63 - 1))


# -- the model's own questions


@pytest.fixture
def ask(tiny: Scenario, tmp_path: Path) -> Callable[..., Question]:
    """A question on tiny, run in this process."""
    short = load_scenario("tiny", {"run.spin_up": 2}, months=36)

    def question(names: str, outcome: str = "effect.exchanges", part: str = "runs", **more: Any) -> Question:
        scenario = more.pop("scenario", short)
        return Question(
            scenario, tuple(read_inputs(names, scenario)), read_outcome(outcome, scenario), 1, tmp_path / part, 1,
            ThreadPoolExecutor(1), **more,
        )  # fmt: skip

    return question


def test_elementary_effects_by_hand() -> None:
    u = np.array([[0.0, 0.0], [2 / 3, 0.0], [2 / 3, 2 / 3], [1.0, 1.0], [1.0, 1 / 3], [1 / 3, 1 / 3]])
    y = (3.0 * u[:, 0] - u[:, 1])[:, None] * [1.0, 2.0]
    effects = elementary_effects(u, y, 2)
    np.testing.assert_allclose(effects, np.array([[[3, 6], [-1, -2]]] * 2))


def test_screening_finds_what_matters(ask: Callable[..., Question]) -> None:
    """What a person costs moves what the centre costs by the same in every trajectory; who supports nobody, nothing."""
    names = "facilitator.cost, facilitator.support_gain"
    found = morris(ask(names, "effect.public_cost"), 600)
    table = found.table.set_index("name")
    cost, inert = table.loc["facilitator.cost"], table.loc["facilitator.support_gain"]
    assert found.ranked()[0] == "facilitator.cost"
    years, low, high = 2.0, PARAMETERS["facilitator.cost"].low, PARAMETERS["facilitator.cost"].high
    assert cost["mu_star"] == pytest.approx(4.0 * years * (high - low) / 1e6)
    assert cost["above_floor"]
    assert cost["sigma"] == pytest.approx(0.0, abs=1e-9)
    assert inert["mu_star"] == inert["floor"] == 0.0  # the same bits
    assert not inert["above_floor"]
    assert found.runs <= 600
    assert morris(ask(names, "effect.public_cost"), 600).table.equals(found.table)


@pytest.mark.slow
def test_the_floor_of_a_screening_is_what_chance_seems_to_be(ask: Callable[..., Question]) -> None:
    """Two runs that part by chance differ at random: no change is called clear that noise alone could make."""
    found = morris(ask("discovery.finds, turnover.exit", "effect.exchanges"), 600)
    assert (found.table["floor"] > 0.0).all()
    assert (found.table["above_floor"] == (found.table["mu_star_low"] > found.table["floor"])).all()


COSTS = "facilitator.fte, facilitator.cost, facilitator.support_gain"


def _exact_costs() -> tuple[np.ndarray, np.ndarray]:
    """First and total indices of staff times its cost, both uniform; nobody supports anybody, so the third is inert."""
    (low, high), (cheap, dear) = ((PARAMETERS[name].low, PARAMETERS[name].high) for name in COSTS.split(", ")[:2])
    staff, cost = (low + high) / 2, (cheap + dear) / 2
    v_staff, v_cost = (high - low) ** 2 / 12, (dear - cheap) ** 2 / 12
    parts = np.array([cost**2 * v_staff, staff**2 * v_cost, 0.0])
    both = v_staff * v_cost
    variance = parts.sum() + both
    return parts / variance, (parts + np.array([both, both, 0.0])) / variance


@pytest.mark.slow
def test_sobol_of_the_model(ask: Callable[..., Question], tmp_path: Path) -> None:
    """What the centre's staff costs has known indices; the analysis resumes, and is written."""
    found = sobol(ask(COSTS, "effect.public_cost"), 6000)
    table, (first, total) = found.table, _exact_costs()
    assert found.sobol is not None
    assert found.sobol.identified
    for short, exact in (("S1", first), ("ST", total)):
        low, high = table[f"{short}_low"].to_numpy(), table[f"{short}_high"].to_numpy()
        half = (high - low) / 2  # three intervals and their halves: four standard errors or so
        assert np.all((low - half <= exact + 1e-9) & (exact - 1e-9 <= high + half)), short
    assert found.replicates == 2  # there is no chance in it
    assert found.sobol.variance["chance"] == pytest.approx(0.0, abs=1e-9)
    assert found.runs <= 6000
    shards = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").rglob("*.parquet")}
    assert sobol(ask(COSTS, "effect.public_cost"), 6000).table.equals(table)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").rglob("*.parquet")} == shards
    assert found.basis in " ".join(analysis_text(found).split())
    json.dumps(analysis_dict(found), allow_nan=False)
    write_analysis(found, tmp_path / "page")
    assert (tmp_path / "page" / "indices.png").exists()


@pytest.mark.slow
def test_blocks_are_added_until_intervals_are_narrow(ask: Callable[..., Question]) -> None:
    question = ask("facilitator.fte, facilitator.cost", "effect.public_cost")
    wide = sobol(question, 3000, width=0.5)
    assert "Stopped since intervals are at most 0.5 wide" in " ".join(wide.words)
    narrow = sobol(ask("facilitator.fte, facilitator.cost", "effect.public_cost", "narrow"), 3000, width=1e-6)
    assert "Stopped with the runs spent" in " ".join(narrow.words)
    assert narrow.convergence is not None
    assert narrow.convergence["blocks"].nunique() > 1
    assert wide.rows < narrow.rows


@pytest.mark.slow
def test_shares_are_one_input_on_the_simplex(ask: Callable[..., Question]) -> None:
    (shares,) = read_inputs(SHARES, load_scenario("tiny"))
    columns = shares.at(np.random.default_rng(1).random((4000, 5)))
    table = np.column_stack(list(columns.values()))
    assert np.allclose(table.sum(axis=1), 1.0)
    for share in table.T:  # each is Beta(1, 4)
        assert stats.kstest(share, stats.beta(1, 4).cdf).pvalue > 1e-4
    found = sobol(ask(f"{SHARES}, discovery.finds", "effect.exchanges"), 1600)
    assert found.table["name"].tolist() == [SHARES, "discovery.finds"]
    assert found.rows == found.sobol.base_samples * 4 if found.sobol else False


def test_replicates_follow_chance() -> None:
    """About as evidence has it: eight or so where chance is two and a half times the parametric variance."""
    assert best_replicates(0.0) == 2
    assert 6 <= best_replicates(2.5) <= 16
    assert best_replicates(math.inf) == best_replicates(1e9) == 16
    assert [best_replicates(ratio) for ratio in (0.1, 0.5, 1, 2, 5)] == sorted(
        best_replicates(ratio) for ratio in (0.1, 0.5, 1, 2, 5)
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pawn", "delta", "rbd_fast"])
def test_methods_on_a_sample(method: str, ask: Callable[..., Question], capsys: pytest.CaptureFixture[str]) -> None:
    found = METHODS[method].run(ask("facilitator.cost, facilitator.support_gain", "effect.public_cost"), 1200)
    assert found.ranked()[0] == "facilitator.cost"
    table = found.table.set_index("name")
    assert table.loc["facilitator.cost", "above_floor"]
    assert not table.loc["facilitator.support_gain", "above_floor"]
    assert DUMMY in table.index
    assert capsys.readouterr().out == ""
    assert words(found)


@pytest.mark.slow
def test_prim_says_where_the_centre_costs_least(ask: Callable[..., Question]) -> None:
    """The lowest quarter of what the centre costs is where staff is cheap, whoever they support."""
    found = METHODS["prim"].run(ask("facilitator.cost, facilitator.support_gain", "effect.public_cost"), 800)
    box = found.table.set_index("name")
    cost = PARAMETERS["facilitator.cost"]
    assert box["restricted"].to_dict() == {"facilitator.cost": True, "facilitator.support_gain": False}
    assert cost.low <= box.loc["facilitator.cost", "low"]
    assert box.loc["facilitator.cost", "high"] < cost.low + 0.4 * (cost.high - cost.low)
    assert found.more["density"] > 0.8
    assert "lowest quarter" in words(found)


def test_a_map_is_on_the_same_replicates(ask: Callable[..., Question]) -> None:
    table = two_way(ask("transaction.multiplier, prices.volatility"), 300).table
    assert len(table) == 25
    assert table["replicates"].iloc[0] == 6
    assert table["transaction.multiplier"].nunique() == table["prices.volatility"].nunique() == 5
    with pytest.raises(ScenarioError, match="name two parameters"):
        two_way(ask("transaction.multiplier", part="other"), 300)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--method", "sobl"], "did you mean sobol?"),
        (["--outcome", "effect.adoptoin"], "did you mean adoption?"),
        (["--outcome", "effect.adoption", "--set", "facilitator.fte=0"], "nobody works at the centre"),
        (["--parameters", "discovery.find"], "did you mean discovery.finds?"),
        (["--parameters", "appraisal.rule"], "is a choice without order"),
        (["--parameters", "appraisal.mix"], "no declared bounds"),
        (["--parameters", "facilitator.shares.policy"], "cannot vary while the other shares rest"),
        (["--parameters", "discovery.finds,discovery.finds"], "given twice"),
        (["--parameters", "0"], "from 1 to"),
        (["--method", "sobol", "--parameters", "3", "--runs", "100"], "too few"),
        (["--method", "sobol", "--parameters", "discovery.finds", "--runs", "100"], "too few"),
        (["--runs", "100"], "too few for morris"),
        (["--method", "functions", "--runs", "100"], "too few for functions"),
        (["--method", "functions", "--outcome", "adoption"], "functions share an effect"),
        (["--method", "map"], "name two parameters"),
        (["--ci-width", "0.1"], "goes with method sobol"),
    ],
)
def test_bad_input_is_one_line_and_nothing_written(tmp_path: Path, arguments: list[str], line: str) -> None:
    ended = call("sensitivity", "tiny", *arguments, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert line in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert list(tmp_path.rglob("*.parquet")) == []


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    ended = call(
        "sensitivity", "tiny", "--method", "sobol", "--parameters", "discovery.finds,turnover.exit", "--runs", "4000",
        "--months", "24", "--out", "out", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)
    assert [one["name"] for one in facts["inputs"]] == ["discovery.finds", "turnover.exit"]
    assert facts["runs"] <= 4000
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"indices.csv", "indices.png", "variance.png", "sensitivity.md", "manifest.json", "runs"} <= names
    shares = call("sensitivity", "tiny", "--method", "functions", "--runs", "400", "--out", "f", cwd=tmp_path)
    assert shares.returncode == 0, shares.stderr
    assert "first at" in shares.stdout
    assert "which is judgement" in " ".join(shares.stdout.split())


# -- attribution


def test_shapley_by_hand() -> None:
    """The glove game: one left, two right gloves; and an additive game, whose values are the players' own."""
    names = ("left", "right", "other")
    gloves = {part: np.array(float("left" in part and len(part) > 1)) for part in coalitions(names)}
    assert shapley(gloves, names) == pytest.approx([2 / 3, 1 / 6, 1 / 6])
    own = {"left": 1.0, "right": 2.0, "other": 4.0}
    additive = {part: np.array(sum(own[name] for name in part)) for part in coalitions(names)}
    assert shapley(additive, names) == pytest.approx([1.0, 2.0, 4.0])
    assert interactions(additive, names) == pytest.approx(np.zeros((3, 3)))
    pair = {part: np.array(float({"left", "right"} <= part)) for part in coalitions(names)}
    assert interactions(pair, names)[0, 1] == pytest.approx(1.0)
    assert interactions(pair, names)[0, 2] == pytest.approx(0.0)


def test_shapley_of_ishigami() -> None:
    """Total variances of groups as worths give the Shapley effects of the literature (Owen 2014)."""
    first, total = ISHIGAMI.first, ISHIGAMI.total
    both = total[0] - first[0]
    own = {"x1": first[0], "x2": first[1], "x3": 0.0}
    worth = {
        part: np.array(sum(own[name] for name in part) + both * ({"x1", "x3"} <= part))
        for part in coalitions(("x1", "x2", "x3"))
    }
    assert shapley(worth, ("x1", "x2", "x3")) == pytest.approx([0.435747, 0.442411, 0.121842], abs=1e-6)


def test_coalitions_have_their_staff(region: Scenario) -> None:
    everybody = frozenset(FUNCTIONS)
    for game in GAMES:
        whole = with_coalition(region, everybody, game)
        assert float(whole.values["facilitator.fte"]) == pytest.approx(float(region.values["facilitator.fte"]))
    alone = with_coalition(region, frozenset({"policy"}), "additive")
    assert dict(alone.values) == dict(single_function(region, "policy").values)
    fixed = with_coalition(region, frozenset({"policy", "meeting"}), "fixed")
    assert float(fixed.values["facilitator.fte"]) == float(region.values["facilitator.fte"])
    assert float(fixed.values["facilitator.shares.policy"]) == 0.5
    assert float(with_coalition(region, frozenset(), "fixed").values["facilitator.fte"]) == 0.0
    few = region.with_values({"facilitator.shares.policy": 0.0, "facilitator.shares.meeting": 0.4})
    assert set(players(few)) == set(FUNCTIONS) - {"policy"}


def test_values_sum_to_the_whole_effect(tiny: Scenario) -> None:
    found = attribute(tiny, ("exchanges", "adoption"), replicates=6)
    assert len(found) == 4
    for one in found:
        assert math.fsum(value.mean for value in one.values.values()) == pytest.approx(one.whole.mean, abs=1e-12)
        assert len(one.pairs_of) == 10
    exchanges = {one.game: one for one in found if one.indicator == "exchanges"}
    assert exchanges["additive"].whole.mean == exchanges["fixed"].whole.mean
    again = attribute(tiny, ("exchanges",), replicates=6, workers=1)
    assert again[0].values == exchanges["additive"].values
    with pytest.raises(ValueError, match="nobody works"):
        attribute(tiny.with_values({"facilitator.fte": 0.0}))


def test_a_function_that_is_idle_adds_nothing(tiny: Scenario) -> None:
    """With no hours in a meeting place, its value is zero in each replicate of the additive game."""
    idle = tiny.with_values({"facilitator.attendances": 0.0})
    additive = attribute(idle, ("exchanges",), replicates=4)[0]
    assert additive.values["meeting"].mean == 0.0
    assert additive.dropped["meeting"].mean == 0.0


def test_ranks_move_with_reach(tiny: Scenario) -> None:
    ranks = reach_ranks(tiny, "exchanges", points=4, replicates=3)
    assert ranks.values.shape == (4, 5)
    assert math.fsum(ranks.first.values()) == pytest.approx(1.0)
    points = reach_points(tiny, 8, 1)
    names = [name for rates in REACH.values() for name in rates]
    assert all(list(point) == names for point in points)
    assert len({point["facilitator.cases"] for point in points}) == 8


def test_all_inputs_are_taken_by_a_screening(region: Scenario) -> None:
    inputs = all_inputs(region)
    assert len(inputs) > 100
    assert least_runs(len(inputs), read_outcome("effect.adoption", region)) < 45 * 100


def test_exact_problems_are_functions_of_their_seed() -> None:
    x = np.random.default_rng(1).random((50, 5))
    seeds = np.arange(50)
    for treated in (False, True):
        assert np.array_equal(A.function(x, seeds, treated), A.function(x, seeds, treated))
    assert isinstance(A, Exact)
