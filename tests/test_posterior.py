"""The effect over a posterior: reading tables, drawing, and splitting variance into parameters and chance."""

import json

import numpy as np
import pytest

from abm.scenario import ScenarioError, load_scenario
from calibration.posterior import (
    FEWEST_DRAWS,
    PAIRS_A_DRAW,
    Posterior,
    posterior_effect,
    read_posterior,
    split_variance,
    uncertain,
)
from kretslopp.cli import app

MULTIPLIER = "transaction.multiplier"


def table(folder, rows, header=f"{MULTIPLIER},weight"):
    file = folder / "posterior.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def test_variance_is_split_without_bias():
    """Means over 2,000 repetitions within 4 standard errors of the variances that made the data."""
    rng = np.random.default_rng(1)
    draws, pairs, between, within = 40, 4, 0.5, 3.0
    effects = rng.normal(size=(2000, draws, 1)) * between**0.5 + rng.normal(size=(2000, draws, pairs)) * within**0.5
    parameters, chance = split_variance(effects)
    assert chance.mean() == pytest.approx(within, abs=4 * chance.std() / 2000**0.5)
    raw = effects.mean(axis=2).var(axis=1, ddof=1) - chance / pairs  # before it is kept from going below 0
    assert raw.mean() == pytest.approx(between, abs=4 * raw.std() / 2000**0.5)
    assert (parameters == np.maximum(raw, 0.0)).all()


def test_interval_of_the_mean_effect_leaves_noise_out():
    """Draws that do not differ: the interval shrinks to next to nothing, though pairs spread by 1."""
    rng = np.random.default_rng(3)
    one = uncertain(np.zeros((400, 4)), rng.normal(5.0, 1.0, size=(400, 4)), "count", seed=1)
    assert one.predictive[1] - one.predictive[0] == pytest.approx(2 * 1.96, rel=0.1)
    assert one.ci[1] - one.ci[0] < 0.8  # sqrt(Var(m)) alone would give 1.96
    assert one.share_ci[0] < 0.03
    assert one.ci[1] - one.ci[0] > 2 * 1.5 * one.standard_error  # but never to nothing: the mean itself is uncertain
    varied = uncertain(np.zeros((400, 4)), rng.normal(5, 1, (400, 4)) + rng.normal(0, 2, (400, 1)), "count", seed=1)
    assert varied.ci[1] - varied.ci[0] == pytest.approx(2 * 1.96 * 2, rel=0.15)
    assert varied.share_ci[0] < 0.8 < varied.share_ci[1]  # 4 of 5


def test_particles_are_drawn_as_their_weights_say():
    weights = np.array([0.5, 0.3, 0.2])
    posterior = Posterior("made up", (MULTIPLIER,), np.array([[1.0], [2.0], [3.0]]), weights)
    drawn = [one[MULTIPLIER] for one in posterior.draws(100, seed=5)]
    for value, weight in zip((1.0, 2.0, 3.0), weights, strict=True):
        assert abs(drawn.count(value) - 100 * weight) <= 1
    assert drawn == [one[MULTIPLIER] for one in posterior.draws(100, seed=5)]


def test_whole_numbers_stay_whole(tmp_path):
    file = table(tmp_path, [f"{6 + n}" for n in range(FEWEST_DRAWS)], "appraisal.interval")
    values = read_posterior(file).draws(10, 1)
    assert all(isinstance(one["appraisal.interval"], int) for one in values)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_both_kinds_of_file_are_read(tmp_path, kind):
    import pandas as pd

    frame = pd.DataFrame({MULTIPLIER: np.linspace(0.5, 2, 12), "weight": np.arange(12.0), "streams": 1})
    file = tmp_path / f"posterior.{kind}"
    frame.to_csv(file, index=False) if kind == "csv" else frame.to_parquet(file, index=False)
    posterior = read_posterior(file)
    assert posterior.names == (MULTIPLIER,)
    assert posterior.weights == pytest.approx(np.arange(12) / 66)


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["1"] * 10, "transaction.multiplyer", "did you mean transaction.multiplier?"),
        (["1"] * 10, "weight", "no column is a parameter"),
        (["1,1"] * 9, f"{MULTIPLIER},weight", "9 rows, at least 10"),
        ([*["1,1"] * 9, "much,1"], f"{MULTIPLIER},weight", "row 10: transaction.multiplier: 'much' is not a number"),
        ([*["1,1"] * 9, "-1,1"], f"{MULTIPLIER},weight", "row 10: transaction.multiplier:"),
        ([*["1,1"] * 9, "1,-1"], f"{MULTIPLIER},weight", "row 10: weight: is below 0"),
        (["1,0"] * 10, f"{MULTIPLIER},weight", "all weights are 0"),
        ([*["1,1"] * 9, "1,inf"], f"{MULTIPLIER},weight", "row 10: weight: 'inf' is not a number"),
    ],
)
def test_what_is_wrong_with_a_posterior_is_one_line(tmp_path, rows, header, message):
    with pytest.raises(ScenarioError) as error:
        read_posterior(table(tmp_path, rows, header))
    assert any(message in line for line in error.value.errors), error.value.errors
    assert len(error.value.errors) <= 11


def test_missing_file_and_too_few_draws(tmp_path):
    file = table(tmp_path, ["1,1"] * 10)
    for options, message in (
        (["--posterior", str(tmp_path / "none.csv")], "no such file"),
        (["--posterior", str(file), "--replicates", "4"], "at least 10 draws"),
        (["--posterior", str(file), "--replicates", "auto"], "expected a whole number"),
        (["--posterior", str(file), "--ci-width", "0.1"], "does not go with --posterior"),
    ):
        with pytest.raises(ScenarioError, match=message):
            app(["effect", "tiny", *options], standalone_mode=False)


@pytest.mark.slow
def test_parameters_that_vary_make_a_share_of_the_variance():
    tiny = load_scenario("tiny", {}, months=60)
    same = Posterior("same", (MULTIPLIER,), np.ones((20, 1)), np.full(20, 0.05))
    wide = Posterior("wide", (MULTIPLIER,), np.geomspace(0.1, 20, 20)[:, None], np.full(20, 0.05))
    one, other = (posterior_effect(tiny, posterior, draws=60, seed=2) for posterior in (same, wide))
    assert one.pairs == 60 * PAIRS_A_DRAW
    assert one["exchanges"].share_ci[0] < 0.05
    assert other["exchanges"].share_ci[0] > 0.05
    assert other["exchanges"].ci[1] - other["exchanges"].ci[0] > one["exchanges"].ci[1] - one["exchanges"].ci[0]


def test_json_has_the_shape_of_an_effect_and_more(tmp_path, capsys):
    file = table(tmp_path, [f"{x:.3f},1" for x in np.linspace(0.5, 2, 12)])
    options = ["--months", "24", "--posterior", str(file), "--replicates", "10", "--json"]
    app(["effect", "tiny", *options], standalone_mode=False)
    result = json.loads(capsys.readouterr().out)
    assert {"scenario", "seed", "pairs", "months", "indicators", "posterior"} <= set(result)
    one = result["indicators"]["adoption"]
    assert {"unit", "without", "with", "mean", "ci_low", "ci_high", "pairs", "pairing_gain", "pairing_gain_ci"} <= set(
        one
    )
    assert one["ci_low"] <= one["mean"] <= one["ci_high"]
    assert result["posterior"]["draws"] == 10
