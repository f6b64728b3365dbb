"""Methods of sensitivity analysis where the answer is known: nothing to find, something to find, nothing defined."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import qmc

import kretslopp as kr
from abm.scenario import Scenario, ScenarioError, load_scenario
from experiments.attribution import GAMES, Attribution, _attribution, coalitions
from experiments.maps import two_way
from experiments.methods import METHODS, Analysis
from experiments.questions import Question, read_inputs, read_outcome
from experiments.sampled import LEVEL as PAWN_LEVEL
from experiments.sampled import PERMUTATIONS, distances, pawn_floor, slices_of
from experiments.sensitivity import SensitivityError
from results.influence import (
    analysis_dict,
    analysis_text,
    attribution_rows,
    attribution_words,
    map_figure,
    write_analysis,
)
from results.influence import words as words_of
from tests.exact import PROBLEMS

ISHIGAMI = next(exact for exact in PROBLEMS if exact.name == "Ishigami")
Model = Callable[[np.ndarray, np.ndarray], np.ndarray]  # quantiles and noise of each run -> outcome
NAMES = "discovery.finds, transaction.multiplier"
SAME = "effect.adoption is the same in all runs, so there is nothing to attribute to anything."


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Question]:
    """A question whose runs are a function of the quantiles instead of the model."""

    def question(model: Model, names: str = NAMES, outcome: str = "effect.adoption") -> Question:
        def run(
            self: Question, u: np.ndarray, replicates: int, part: str, luck: np.ndarray | None = None
        ) -> tuple[np.ndarray, np.ndarray | None]:
            noise = np.random.default_rng([len(part), len(u)]).normal(size=(len(u), replicates))
            base = np.random.default_rng([len(part), len(u), 1]).random((len(u), replicates))
            y = model(u[:, None, :], noise)
            return (base, base + y) if self.outcome.effect else (y, None)

        monkeypatch.setattr(Question, "run", run)
        scenario = load_scenario("tiny")
        return Question(scenario, tuple(read_inputs(names, scenario)), read_outcome(outcome, scenario), 1, tmp_path)

    return question


def _same(u: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.full(noise.shape, 0.0)


def _undefined(share: float) -> Model:
    """A sum that is not defined where the second input is in its highest `share`."""
    return lambda u, noise: np.where(u[..., 1] > 1.0 - share, np.nan, u[..., 0] + u[..., 1] + 0.1 * noise)


# -- nothing to divide


@pytest.mark.parametrize("method", sorted(METHODS))
def test_an_outcome_that_never_changes_is_said_in_one_sentence(
    method: str, ask: Callable[..., Question], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = METHODS[method].run(ask(_same), 3000)
    assert words_of(found) == SAME
    assert not found.table.get("above_floor", pd.Series([False])).any()
    assert not found.table.get("restricted", pd.Series([False])).any()
    assert SAME in " ".join(analysis_text(found).split())
    json.dumps(analysis_dict(found), allow_nan=False)
    write_analysis(found, tmp_path)
    assert SAME in (tmp_path / "sensitivity.md").read_text(encoding="utf-8")
    assert capsys.readouterr() == ("", "")


def test_a_map_of_it_says_so_too(ask: Callable[..., Question]) -> None:
    found = two_way(ask(_same), 300)
    assert found.words == (SAME,)
    assert (found.table["mean"] == 0.0).all()


def _shared(effect: Callable[[int], np.ndarray]) -> list[Attribution]:
    """An attribution whose coalitions of so many functions have these effects in the replicates."""
    names, base = ("knowledge", "brokerage"), np.random.default_rng(1).random(6)
    worths = {part: base + effect(len(part)) for part in coalitions(names)}
    return [_attribution(game, "adoption", names, worths, 1) for game in GAMES]


def test_functions_of_it_say_so_too() -> None:
    found = _shared(lambda size: np.zeros(6))
    assert SAME in attribution_words(found, "adoption", None)
    assert len(attribution_rows(found, "adoption", None)) == 3


@pytest.mark.parametrize("size", [0.1, 1e-9, 1e12])
def test_rounding_is_no_variance(size: float) -> None:
    found = kr.sensitivity.sobol(
        lambda x, seed, treated: size, ISHIGAMI.problem, 64, 2, 1, quantity="outcome"
    )  # fmt: skip
    assert found["variance"]["parametric"] == found["variance"]["chance"] == 0.0
    assert not found["identified"]


# -- not everywhere defined


@pytest.mark.parametrize("method", ["pawn", "delta", "rbd_fast", "prim"])
def test_rows_without_a_value_are_left_out_and_counted(method: str, ask: Callable[..., Question]) -> None:
    found = METHODS[method].run(ask(_undefined(0.2)), 8 * 100)
    assert found.rows == 80
    assert "effect.adoption is not defined in 20 of 100 rows, which are left out." in words_of(found)
    assert np.isfinite(found.table[found.measure]).all()


def test_trajectories_without_a_value_are_left_out_and_counted(ask: Callable[..., Question]) -> None:
    found = METHODS["morris"].run(ask(lambda u, noise: np.where(u.prod(axis=-1) == 1.0, np.nan, u[..., 0])), 4000)
    count = found.rows // 3
    assert 4 <= count < 4000 // (6 * 16)
    assert "trajectories, which are left out." in words_of(found)
    assert f"({count} trajectories)" in words_of(found)
    assert found.table.set_index("name").loc["discovery.finds", "mu_star"] == pytest.approx(1.0)


@pytest.mark.parametrize(("method", "share"), [("sobol", 0.2), ("morris", 1.0), ("pawn", 0.95), ("prim", 1.0)])
def test_too_little_that_is_defined_is_refused_by_name(method: str, share: float, ask: Callable[..., Question]) -> None:
    with pytest.raises(ScenarioError, match=r"outcome effect.adoption: not defined in .* too many for"):
        METHODS[method].run(ask(_undefined(share)), 3000)


def test_points_of_a_map_without_a_value_are_blank(ask: Callable[..., Question]) -> None:
    found = two_way(ask(_undefined(0.25)), 300)
    assert found.table["mean"].isna().sum() == 5  # one column of five
    assert found.words == ("effect.adoption is not defined in 5 of 25 points, which are left out.",)
    figure = map_figure(found.table, "effect.adoption", "share", "")
    assert sum(text.get_text() == "not\ndefined" for text in figure.axes[0].texts) == 5
    with pytest.raises(ScenarioError, match="not defined in 25 of 25 points"):
        two_way(ask(_undefined(1.0)), 300)


def test_replicates_without_a_value_are_left_out_of_shares() -> None:
    found = _shared(lambda size: np.where(np.arange(6) == 2, np.nan, float(size)))
    assert found[0].pairs == 5
    assert found[0].values["knowledge"].mean == pytest.approx(1.0)
    assert "effect.adoption is not defined in 1 of 6 replicates, which are left out." in attribution_words(
        found, "adoption", None
    )
    with pytest.raises(ScenarioError, match="not defined in 6 of 6 replicates"):
        _shared(lambda size: np.full(6, np.nan))


# -- what is lost, and what it costs


def test_an_opportunity_cost_is_called_one() -> None:
    """A function that adds, but less than its staff would in the other: its own worth first, no word of harm."""
    names, noise = ("knowledge", "brokerage"), 0.01 * np.random.default_rng(1).normal(size=40)
    both = frozenset(names)
    own = {frozenset(): 0.0, frozenset({"knowledge"}): 2.0, frozenset({"brokerage"}): 8.0, both: 10.0}
    shared = {frozenset(): 0.0, frozenset({"knowledge"}): 4.0, frozenset({"brokerage"}): 15.0, both: 10.0}
    found = [
        _attribution(game, "exchanges", names, {part: worth + noise for part, worth in worths.items()}, 1)
        for game, worths in zip(GAMES, (own, shared), strict=True)
    ]
    rows = {row["function"]: row for row in attribution_rows(found, "exchanges", None)}
    columns = list(rows["Knowledge"])
    assert columns[1] == "adds, with its own staff"
    assert [name.endswith("(opportunity cost)") for name in columns[3:]] == [True, True]
    assert rows["Knowledge"]["adds, with its own staff"].startswith("+2 ")
    assert rows["Knowledge"]["against giving its staff to the others (opportunity cost)"].startswith("-5 ")
    said = attribution_words(found, "exchanges", None)
    assert "Knowledge: +2 (2 to 2) with its own staff; in the others the same staff would bring 5 more." in said
    assert "lost" not in said
    assert "harm" not in said


# -- PAWN


def test_distances_are_those_of_kolmogorov_and_smirnov() -> None:
    random = np.random.default_rng(4)
    u, y = random.random((150, 2)), np.round(random.normal(size=150), 1)  # some tie
    slices = slices_of(u)
    assert (np.bincount(slices[0]) == 15).all()
    for one, found in zip(slices, distances(slices, y), strict=True):
        assert found == pytest.approx(np.mean([stats.ks_2samp(y[one == place], y).statistic for place in range(10)]))
    assert distances(slices, np.zeros(150)).tolist() == [0.0, 0.0]


def test_they_are_near_those_of_salib() -> None:
    """Which leaves out the highest row of each input, and now and then a row at an edge of its quantiles."""
    from SALib.analyze import pawn as analysis

    u = qmc.LatinHypercube(3, rng=np.random.default_rng(1)).random(1000)
    y = ISHIGAMI.function(_ishigami_inputs(u), np.zeros(1000, int), False)
    theirs = analysis.analyze(ISHIGAMI.problem, u, y, S=10)["mean"]
    assert distances(slices_of(u), y) == pytest.approx(np.array(theirs), abs=0.005)


def _ishigami_inputs(u: np.ndarray) -> np.ndarray:
    return math.pi * (2.0 * u[:, :3] - 1.0)


def test_the_floor_of_pawn_lets_through_what_it_says() -> None:
    """Four inputs that do nothing, 400 samples of 200 rows: any is above the floor in 5 % of them."""
    generator, above, samples = np.random.default_rng(2), 0, 400
    floor = pawn_floor(slices_of(generator.random((200, 4))), generator.random(200), 1)  # of ranks alone
    for _ in range(samples):
        above += distances(slices_of(generator.random((200, 4))), generator.random(200)).max() > floor
    error = math.sqrt(PAWN_LEVEL * (1.0 - PAWN_LEVEL) * (1.0 / samples + 1.0 / PERMUTATIONS))
    assert above / samples <= PAWN_LEVEL + 3.0 * error
    assert above > 0


def test_an_input_with_a_total_index_of_a_quarter_is_above_it() -> None:
    """Ishigami's third input has no first-order effect and a total index of .24; five more inputs do nothing."""
    rows, samples = 1000, 25
    found = np.zeros(8)
    for number in range(samples):
        u = qmc.LatinHypercube(8, rng=np.random.default_rng(number)).random(rows)
        y = ISHIGAMI.function(_ishigami_inputs(u), np.zeros(rows, int), False)
        slices = slices_of(u)
        if number == 0:
            floor = pawn_floor(slices, y, 1)  # without ties it is the same for all
        found += distances(slices, y) > floor
    assert found[:2].tolist() == [samples, samples]
    assert found[2] >= 0.9 * samples
    assert stats.binom.sf(found[3:].sum() - 1, 5 * samples, PAWN_LEVEL) > 0.001


# -- PRIM


def test_the_share_overall_is_that_of_the_rows(ask: Callable[..., Question]) -> None:
    found = METHODS["prim"].run(ask(lambda u, noise: np.where(u[..., 0] > 2.0, 1.0, 0.0) + (noise > 2.2)), 8 * 100)
    assert found.more["overall"] > 0.9
    assert f"is 0 or less: {100 * found.more['overall']:.0f} % of the 100 rows." in words_of(found)
    assert "No box sets rows apart" in words_of(found)
    assert not found.table["restricted"].any()


@pytest.mark.slow
def test_boxes_over_choices_and_whole_numbers(ask: Callable[..., Question], tmp_path: Path) -> None:
    """`appraisal.rule` is varied over its rules, of which the first two of five give the lowest outcome."""
    names = "appraisal.rule, interventions.mandate.level, closing.attention, discovery.finds"
    found = METHODS["prim"].run(ask(lambda u, noise: 1.0 * (u[..., 0] > 0.4) + 0.2 * noise, names), 8 * 150)
    assert isinstance(found, Analysis)
    table = found.table.set_index("name")
    assert table.loc["appraisal.rule", "values"] == "npv, payback"
    assert table.loc["appraisal.rule", "restricted"]
    assert table.loc["appraisal.rule", "kept"] == pytest.approx(0.4)
    assert not table.drop("appraisal.rule")["restricted"].any()
    assert table.loc["interventions.mandate.level", ["low", "high"]].tolist() == [0.0, 1.0]
    assert "Limits that are more than chance: appraisal.rule." in words_of(found)
    json.dumps(analysis_dict(found), allow_nan=False)
    write_analysis(found, tmp_path)
    assert "| appraisal.rule | npv, payback | yes |" in (tmp_path / "sensitivity.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["morris", "rbd_fast"])
def test_what_has_no_order_is_refused_where_order_is_needed(method: str, ask: Callable[..., Question]) -> None:
    with pytest.raises(ScenarioError, match=r"appraisal\.rule is a choice without order"):
        METHODS[method].run(ask(_same, "appraisal.rule, discovery.finds"), 3000)
    with pytest.raises(ScenarioError, match="not map"):
        two_way(ask(_same, "appraisal.rule, discovery.finds"), 3000)


# -- SALib leaves nothing behind


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(METHODS))
def test_global_state_is_left_alone(method: str, ask: Callable[..., Question]) -> None:
    """SALib's delta seeds numpy's generator and changes how Python shows warnings."""
    question = ask(lambda u, noise: u[..., 0] + 0.1 * noise)
    before, shown, filters = np.random.get_state()[1].copy(), warnings.formatwarning, list(warnings.filters)  # noqa: NPY002
    runs = 3000 if method in ("sobol", "morris") else 8 * 60
    first, second = METHODS[method].run(question, runs), METHODS[method].run(question, runs)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert warnings.formatwarning is shown
    assert list(warnings.filters) == filters
    pd.testing.assert_frame_equal(first.table, second.table)


# -- the public entry


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"seed": None}, "seed: None is not a whole number from 0 to"),
        ({"seed": 1.5}, "seed: 1.5 is not a whole number"),
        ({"seed": "one"}, "seed: 'one' is not"),
        ({"replicates": None}, "replicates: None"),
        ({"replicates": 2.5}, "replicates: 2.5"),
        ({"base_samples": None}, "base_samples: None"),
        ({"base_samples": float("inf")}, "base_samples: inf"),
        ({"function": lambda x, seed, treated: None}, "returned NoneType; expected one number"),
        ({"function": lambda x, seed, treated: "a"}, "returned str; expected one number"),
        ({"function": lambda x, seed, treated: np.zeros(2)}, r"an array of shape \(2,\); expected one number"),
        ({"function": lambda x, seed, treated: np.zeros(3), "vectorized": True}, "expected 448 numbers, one a row"),
    ],
)
def test_wrong_arguments_are_said_in_words(change: dict[str, Any], line: str) -> None:
    problem = {"num_vars": 5, "names": list("abcde"), "bounds": [[0, 1]] * 5}
    given: dict[str, Any] = {"base_samples": 32, "replicates": 2, "seed": 1, "function": lambda x, s, t: x[0]} | change
    with pytest.raises(SensitivityError, match=line):
        kr.sensitivity.sobol(given.pop("function"), problem, **given)


def test_a_seed_of_zero_is_a_seed() -> None:
    """SALib takes it for none; its samples are drawn with a generator instead."""
    first, second, other = (
        kr.sensitivity.sobol(ISHIGAMI.function, ISHIGAMI.problem, 64, 2, seed, quantity="outcome", vectorized=True)
        for seed in (0, 0, 1)
    )
    assert first["ST"].tolist() == second["ST"].tolist() != other["ST"].tolist()


def test_an_array_of_one_value_is_the_value() -> None:
    problem = {"num_vars": 2, "names": ["a", "b"], "bounds": [[0, 1]] * 2}

    def function(x: np.ndarray, seed: int, treated: bool) -> float:
        return float(x[0] + x[1] * treated + np.random.default_rng(seed).normal())

    plain = kr.sensitivity.sobol(function, problem, 32, 2, 1)
    for wrap in (lambda value: np.array([value]), lambda value: [value], lambda value: np.array([[value]])):
        wrapped = kr.sensitivity.sobol(lambda x, s, t, w=wrap: w(function(x, s, t)), problem, 32, 2, 1)
        assert wrapped["variance"] == plain["variance"]


def test_a_scenario_may_ask_for_all_choices(tiny: Scenario) -> None:
    (one,) = read_inputs("facilitator.strategy", tiny)
    assert not one.ordered
    drawn = one.at(np.linspace(0.0, 0.999, 50)[:, None])["facilitator.strategy"]
    assert len(set(drawn)) == 5
