"""A calibration of the model itself, end to end: its files, going on where it ended, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from abm.scenario import ScenarioError, load_scenario
from calibration.calibrate import Plan, calibrate
from calibration.posterior import read_posterior
from calibration.targets import load_targets
from experiments.pool import SturdyPool
from kretslopp.cli import app

SMALL = ["--points", "24", "--replicates", "4", "--inputs", "3", "--waves", "2", "--particles", "20"]
PLAN = Plan(inputs=3, trajectories=6, points=24, replicates=4, waves=2, particles=20)


class Counted(SturdyPool):
    """Counts its tasks."""

    tasks = 0

    def submit(self, fn, /, *args, **kwargs):
        Counted.tasks += 1
        return super().submit(fn, *args, **kwargs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A calibration of the cluster, as the command leaves it, with a recovery."""
    place = tmp_path_factory.mktemp("calibration")
    app(["calibrate", "kalundborg", *SMALL, "--recover", "2", "--out", str(place)], standalone_mode=False)
    return place


@pytest.mark.slow
def test_files_of_a_calibration(folder):
    files = {file.name for file in folder.iterdir()}
    tables = {"screening.csv", "waves.csv", "informed.csv", "posterior.csv", "recovery.csv", "coverage.csv"}
    assert files >= tables | {"problem.json", "wave_1.npz", "particles.parquet", "calibration.md", "manifest.json"}
    assert {"posterior.png", "recovery.png"} <= files
    posterior = read_posterior(folder / "posterior.csv")
    assert len(posterior.names) == 3
    assert len(posterior.weights) == 20
    page = (folder / "calibration.md").read_text(encoding="utf-8")
    assert "rule real_option: 3 parameters of 113 screened" in page
    assert "2 truths drawn from the prior" in page
    assert len(list((folder / "recovery").glob("truth_*.json"))) == 2
    recovery = pd.read_csv(folder / "recovery.csv")
    assert len(recovery) == 6
    assert recovery["rank"].dropna().between(0, 99).all()
    assert json.loads((folder / "manifest.json").read_text("utf-8"))["recover"] == 2


@pytest.mark.slow
def test_the_posterior_lies_within_the_declared_ranges_and_feeds_effect(folder, capsys):
    informed, table = pd.read_csv(folder / "informed.csv"), pd.read_csv(folder / "posterior.csv")
    for row in informed.to_dict("records"):
        assert row["range_low"] <= table[row["name"]].min()
        assert table[row["name"]].max() <= row["range_high"]
        assert row["from"] <= row["median"] <= row["to"]
    options = ["--months", "24", "--posterior", str(folder / "posterior.csv"), "--replicates", "10", "--json"]
    app(["effect", "tiny", *options], standalone_mode=False)
    result = json.loads(capsys.readouterr().out)
    assert set(result["posterior"]["parameters"]) == set(informed["name"])


@pytest.mark.slow
def test_the_same_command_does_nothing_twice_and_gives_the_same(folder):
    scenario, targets = load_scenario("kalundborg", {}), load_targets()
    before = (folder / "posterior.csv").read_bytes()
    Counted.tasks = 0
    with Counted(1) as pool:
        found = calibrate(scenario, targets, PLAN, folder, executor=pool, stage=lambda name: lambda done, total: None)
        assert Counted.tasks == 0
        assert (folder / "posterior.csv").read_bytes() == before
        (folder / "wave_1.npz").unlink()
        (folder / "particles.parquet").unlink()
        again = calibrate(scenario, targets, PLAN, folder, executor=pool, stage=lambda name: lambda done, total: None)
    assert Counted.tasks == PLAN.points
    assert np.array_equal(again.matching.waves[-1].runs, found.matching.waves[-1].runs, equal_nan=True)
    assert (folder / "posterior.csv").read_bytes() == before


@pytest.mark.slow
def test_another_calibration_is_refused(folder):
    for options, what in (
        (["--seed", "2"], "plan"),
        (["--set", "worth.horizon=8"], "scenario"),
        (["--set", "appraisal.rule=payback"], "scenario, targets"),
    ):
        with pytest.raises(ScenarioError, match=f"holds another calibration; other {what}"):
            app(["calibrate", "kalundborg", *SMALL, *options, "--out", str(folder)], standalone_mode=False)


def test_wrong_input_is_said_before_any_work(tmp_path):
    with pytest.raises(ScenarioError, match="did you mean distance"):
        app(["calibrate", "tiny", "--targets", "distanc", "--out", str(tmp_path)], standalone_mode=False)
    with pytest.raises(ScenarioError, match="no target is fitted here"):
        app(["calibrate", "kalundborg", "--targets", "distance", "--out", str(tmp_path)], standalone_mode=False)
    assert not (tmp_path / "problem.json").exists()
