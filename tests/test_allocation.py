"""Where a study's runs go: where they narrow what is shown, by counts, within so many a pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from abm import simulate
from abm.scenario import Scenario, load_scenario
from experiments import effect
from experiments.attribution import attribute, centres, reach_ranks, to_run
from experiments.effect import run_arms
from experiments.pairs import Difference
from experiments.precision import UntilNarrow, UntilSteady, replicates_for
from results import study as studies
from results.allocation import (
    FIRST_RANKS,
    FIRST_SHARES,
    MOST_RANKS,
    MOST_SHARES,
    RUNS,
    SCREENED,
    allocation_words,
    reach_replicates,
    runs_so_far,
    screening_runs,
    share_replicates,
)
from results.drawing import Study
from results.figures import FIGURES, Drawer
from results.study import make_study, run_study, study_arms

FEW, MONTHS = 4, 30


@pytest.fixture(scope="module")
def short() -> Scenario:
    return load_scenario("tiny", months=MONTHS)


@pytest.fixture(scope="module")
def grown(short: Scenario) -> list[Study]:
    """A study as it grows."""
    seen: list[Study] = []
    run_study(short, replicates=FEW, seed=7, grown=seen.append)
    return seen


# -- replicates


def _values(chance: float, replicates: int = 5) -> np.ndarray:
    """Of 400 points that differ with variance 1, three columns; chance of its own at each."""
    generator = np.random.default_rng(5)
    points = generator.normal(size=(1, 400, 3))
    return points + math.sqrt(chance) * generator.normal(size=(replicates, 400, 3))


@pytest.mark.parametrize(
    ("chance", "share", "needed"), [(10.0, 0.2, 17), (3.0, 0.1, 19), (0.5, 0.2, 5), (10.0, 0.05, 40)]
)
def test_replicates_until_chance_has_little(chance: float, share: float, needed: int) -> None:
    """Chance c over share times what is seen, 1 + c/5. Its variances of 400 points are known within a twelfth (two
    standard errors each), so the number is, too."""
    found = replicates_for(_values(chance), UntilSteady(share, most=40))
    assert needed == min(max(math.ceil(chance / (share * (1.0 + chance / 5))), 5), 40)
    assert abs(found - needed) <= max(1, math.ceil(needed / 6))


def test_where_nothing_varies_or_is_defined_it_is_as_many_as_there_may_be() -> None:
    assert replicates_for(np.ones((5, 4, 2)), UntilSteady(0.2)) == 20
    assert replicates_for(np.full((5, 4, 2), np.nan), UntilSteady(0.2)) == 20
    assert replicates_for(np.ones((3, 4, 2)), UntilSteady(0.2, 3, 3)) == 3


def test_more_pairs_make_all_of_it_surer(grown: list[Study]) -> None:
    """With a hundred pairs three tenths may be chance's; 400 ask for four times as many replicates, as the pairs do."""
    assert reach_replicates(100) == UntilSteady(0.3, FIRST_RANKS, MOST_RANKS)
    assert reach_replicates(400).share == 0.075
    assert reach_replicates(3).most == 3
    centre = grown[0].centre
    exchanges: Difference = centre["exchanges"]
    many = replace(centre, pairs=400, indicators={"exchanges": replace(exchanges, ci_low=1.0, ci_high=2.5)})
    assert share_replicates(many) == UntilNarrow(1.5, "exchanges", FIRST_SHARES, MOST_SHARES)
    assert share_replicates(replace(many, pairs=9)) == UntilNarrow(1.5, "exchanges", 9, 9)
    unmoved = replace(many, indicators={"exchanges": replace(exchanges, ci_low=0.0, ci_high=0.0)})
    assert share_replicates(unmoved) == MOST_SHARES


# -- nothing twice


def test_arms_that_are_the_same_are_one_run(short: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(arms: Sequence[Scenario], seed: int) -> list[simulate.Trajectory]:
        asked.append(len(arms))
        return simulate.simulate_arms(arms, seed)

    monkeypatch.setattr(effect, "simulate_arms", counted)
    arms = [short, short.with_values({"facilitator.fte": 2.0}), short.with_values({"facilitator.fte": 4.0})]
    found = effect.simulate_once(arms, 3)
    assert asked == [2]  # the scenario has four persons
    for arm, one in zip(arms, found, strict=True):
        np.testing.assert_array_equal(one.values, simulate.simulate(arm, 3).values)
    with pytest.raises(ValueError, match="share a spin-up"):
        effect.simulate_once([short, replace(short, months=MONTHS + 1)], 3)


def test_shares_take_what_the_arms_have_run(short: Scenario) -> None:
    arms = run_arms(study_arms(short), replicates=3, seed=7)
    fresh = attribute(short, replicates=3, seed=7)
    assert attribute(short, replicates=3, seed=7, known=arms) == fresh
    every = centres(short)
    assert (len(every), len(to_run(every, None)), len(to_run(every, arms))) == (64, 62, 55)
    one = short.with_values({f"facilitator.shares.{name}": float(name == "policy") for name in fresh[0].names})
    alone = run_arms(study_arms(one), replicates=3, seed=7)  # all that there is to run is known
    assert attribute(one, replicates=3, seed=7, known=alone) == attribute(one, replicates=3, seed=7)


def test_a_point_has_the_same_digits_with_whatever_others_it_shares_a_spin_up(
    short: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = reach_ranks(short, points=5, replicates=2)
    monkeypatch.setattr("experiments.attribution.TOGETHER", 1)
    alone = reach_ranks(short, points=5, replicates=2, workers=1)
    np.testing.assert_array_equal(together.values, alone.values)
    assert together.runs == alone.runs - 2 * 3  # nobody: once for each group of points
    steady = reach_ranks(short, points=5, replicates=UntilSteady(1e-9, 2, 3))
    assert steady.replicates == 3
    np.testing.assert_array_equal(steady.values, reach_ranks(short, points=5, replicates=3).values)


def test_runs_are_counted_as_they_are_made(short: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    branch = simulate.Run.branch

    def counted(run: simulate.Run, arm: Scenario) -> simulate.Run:
        made.append(float(arm.values["facilitator.fte"]))
        return branch(run, arm)

    monkeypatch.setattr(simulate.Run, "branch", counted)
    study = run_study(short, replicates=FEW, seed=7)
    assert study.screening is None
    assert len(made) == runs_so_far(study)


# -- the screening has the rest


def test_the_screening_has_what_is_left(grown: list[Study]) -> None:
    whole = grown[-1]
    assert screening_runs(whole) == 0  # too few pairs for one
    arms = replace(whole.arms, ends=np.zeros((len(whole.arms.arm_names), 100, 1)))
    assert whole.ranks is not None
    hundred = replace(whole, arms=arms, ranks=replace(whole.ranks, runs=0))
    spent = runs_so_far(hundred)
    for runs in (0, 7_000):
        study = replace(hundred, ranks=replace(whole.ranks, runs=runs))
        left = RUNS * 100 - spent - runs
        assert screening_runs(study) == min(left, SCREENED * 100)
    starved = replace(hundred, ranks=replace(whole.ranks, runs=RUNS * 100))
    assert 0 < screening_runs(starved) < SCREENED * 100  # what it needs at least


def test_the_report_says_how_many_runs_went_where(grown: list[Study]) -> None:
    words = allocation_words(grown[-1])
    assert grown[-1].ranks is not None
    assert f"has {FEW} replicates" in words
    assert f"have {grown[-1].ranks.replicates} at each point" in words
    assert "screening" not in words
    assert allocation_words(grown[0]) == ""


# -- drawing beside the runs


def test_a_figure_is_drawn_as_soon_as_it_has_its_data(grown: list[Study]) -> None:
    last = {"shares", "screening"}
    with Drawer() as drawer:
        drawer.draw(grown[0])
        assert set(drawer.pictures) == {one.name for one in FIGURES} - last
        drawer.draw(grown[-1])
        assert set(drawer.pictures) == {one.name for one in FIGURES} - {"screening"}
    assert [one.attribution == () for one in grown] == [True, False, False]


def test_a_study_that_fails_leaves_the_files_of_the_one_before(
    short: Scenario, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(short, tmp_path, replicates=2, seed=7, quick=True)
    files = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def fails(*_: object, **__: object) -> None:
        raise OSError("no more")

    monkeypatch.setattr(studies, "over_unmeasured", fails)
    with pytest.raises(OSError, match="no more"):
        make_study(short, tmp_path, replicates=3, seed=8)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == files


def test_tables_and_report_say_the_same_of_replicates(short: Scenario, tmp_path) -> None:
    make_study(short, tmp_path, replicates=32, seed=7, quick=True)
    pairs = pd.read_csv(tmp_path / "functions.csv")["pairs"].unique()
    assert len(pairs) == 1
    assert FIRST_SHARES <= pairs[0] <= 32
    assert f"has {pairs[0]} replicates" in (tmp_path / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    effects = pd.read_csv(tmp_path / "effects.csv").query("arm == 'with' and indicator == 'exchanges'")
    assert effects["pairs"].item() == 32
