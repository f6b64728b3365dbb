"""Verdicts on targets, and the command that gives them."""

import json

import numpy as np
import pytest

from abm.scenario import ScenarioError
from calibration.targets import Point, load_targets
from calibration.validation import FAILS, HOLDS, OPEN, judge
from kretslopp.cli import app

RNG = np.random.default_rng(4)
TARGET = next(one for one in load_targets().targets if one.name == "distance")
PROPERTY = next(one for one in load_targets().targets if one.name == "waiting")


def point(observed, sd=1.0, discrepancy=0.0, target=TARGET):
    return Point("made up", target, observed, sd, discrepancy)


def test_a_number_is_judged_by_all_three_spreads():
    histories, prior = RNG.normal(10.0, 2.0, 4000), RNG.uniform(0.0, 100.0, 4000)
    for away, verdict in ((0.0, HOLDS), (4.0, HOLDS), (5.0, FAILS)):  # 2 sqrt(2^2 + 1) = 4.47
        assert judge(point(10.0 + away), "fit", histories, prior).verdict == verdict
    assert judge(point(15.0, discrepancy=3.0), "fit", histories, prior).verdict == HOLDS
    found = judge(point(14.0), "fit", histories, prior)
    assert found.z == pytest.approx(4.0 / 5.0**0.5, rel=0.05)
    assert (found.low, found.high) == pytest.approx((10 - 3.92, 10 + 3.92), abs=0.3)


def test_a_target_that_any_parameters_meet_judges_nothing():
    histories = RNG.normal(10.0, 1.0, 500)
    assert judge(point(10.0, sd=60.0), "fit", histories, RNG.uniform(0, 100, 500)).verdict == OPEN
    assert judge(point(10.0, sd=1.0), "fit", histories, RNG.uniform(0, 100, 500)).verdict == HOLDS


def test_what_is_not_defined_cannot_be_judged():
    nothing = np.full(50, np.nan)
    found = judge(point(1.0), "hold-out", nothing, nothing)
    assert (found.verdict, found.histories, found.asked) == (OPEN, 0, 50)
    some = np.where(np.arange(50) < 5, 1.0, np.nan)
    assert judge(point(1.0), "hold-out", some, nothing).verdict == OPEN


def test_a_property_is_judged_by_the_interval_of_its_mean():
    wanted = point(None, 0.0, 0.0, PROPERTY)
    for mean, verdict in ((1.0, HOLDS), (-1.0, FAILS), (0.0, OPEN)):
        sample = RNG.normal(size=100)
        sample += mean - sample.mean()
        assert judge(wanted, "property", sample, sample).verdict == verdict


@pytest.mark.slow
def test_command_writes_tables_and_says_what_they_rest_on(tmp_path, capsys):
    names = "cluster_streams,audit_adoption,landfill_tax"
    options = ["--replicates", "12", "--targets", names, "--out", str(tmp_path), "--json"]
    app(["validate", "tiny", *options], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["findings"]] == [
        *(f"cluster_streams[{year}]" for year in (20, 30, 39)),
        "audit_adoption",
        "landfill_tax",
    ]
    use = {one["name"]: one["use"] for one in found["findings"]}
    assert use["audit_adoption"] == "hold-out"  # real_option
    assert (found["draws"], found["seed"], found["posterior"]) == (12, 1, None)
    files = {file.name for file in tmp_path.iterdir()}
    assert files == {"validation.csv", "validation.md", "validation.png", "validation.svg", "manifest.json"}
    assert "12 histories at the scenario's own values, seed 1" in (tmp_path / "validation.md").read_text("utf-8")


def test_unknown_target_is_one_line(tmp_path):
    with pytest.raises(ScenarioError, match="did you mean distance"):
        app(["validate", "tiny", "--targets", "distanc", "--out", str(tmp_path)], standalone_mode=False)
