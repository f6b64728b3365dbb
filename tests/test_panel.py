"""Panels say in detail what the indicators say in sum, and making them changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.scenario import Scenario, ScenarioError
from abm.simulate import Trajectory, simulate, spun_up
from experiments.panel import PANELS, Recorder, panel_files, parse_panels
from experiments.trajectories import write_trajectories

RESTLESS = {  # exchanges that start, end and start again, some within a month
    "appraisal.rule": "npv",
    "operation.end_rate": 6.0,
    "operation.trust_cut": 0.0,
    "operation.patience": 1,
    "closing.duration": 0.02,
    "discovery.finds": 3.0,
    "discovery.cool_down": 1,
    "appraisal.interval": 1,
    "prices.volatility": 3.0,
    "run.spin_up": 5,
    "turnover.exit": 0.05,
}
CASES = {"plain": ({}, 1), "restless": (RESTLESS, 2), "settled": (RESTLESS | {"turnover.exit": 0.0}, 2)}


def _recorded(scenario: Scenario, seed: int, every: int = 1) -> tuple[Trajectory, dict[str, pd.DataFrame]]:
    recorder = Recorder(PANELS, every)
    trajectory = recorder.follow(spun_up(scenario, seed))
    return trajectory, recorder.tables(0, scenario, trajectory.network.names)


@pytest.fixture(scope="module", params=CASES)
def seen(request: pytest.FixtureRequest, tiny: Scenario) -> tuple[Scenario, int, Trajectory, dict[str, pd.DataFrame]]:
    changes, seed = CASES[request.param]
    scenario = tiny.with_values(changes)
    return scenario, seed, *_recorded(scenario, seed)


def test_looking_changes_nothing(seen):
    scenario, seed, trajectory, _ = seen
    assert simulate(scenario, seed).values.tobytes() == trajectory.values.tobytes()


def test_living_exchanges_by_month(seen):
    scenario, _, trajectory, tables = seen
    edges = tables["exchanges"]
    for month in range(1, scenario.months + 1):
        living = edges[(edges["started"] <= month) & ~(edges["ended"] <= month).fillna(False)]
        assert len(living) == trajectory["exchanges"][month - 1]
        for unit, indicator in (("MWh", "heat"), ("t", "tonnes"), ("m3", "water")):
            quantity = living.loc[living["unit"] == unit, "quantity"].sum()
            assert quantity == pytest.approx(trajectory[indicator][month - 1])
        assert living["distance"].median() == pytest.approx(trajectory["distance"][month - 1]) or living.empty


def test_starts_and_endings_are_those_counted(seen):
    _, _, trajectory, tables = seen
    edges = tables["exchanges"]
    assert np.count_nonzero(edges["started"] > 0) == trajectory["started"][-1]
    causes = edges["cause"].value_counts()
    assert causes["loss"] == trajectory["ended_loss"][-1]
    assert causes["process"] == trajectory["ended_process"][-1]
    assert causes["exit"] == trajectory["ended_exit"][-1]
    over = edges[edges["ended"].notna()]
    assert over["cause"].notna().all()
    assert edges.loc[edges["ended"].isna(), "cause"].isna().all()
    assert (over["ended"] >= over["started"].clip(lower=1)).all()
    assert (edges["started"] >= edges["identified"]).all()
    assert (edges["quantity"] > 0).all()


def test_a_pair_may_exchange_again_and_for_less_than_a_month(tiny: Scenario):
    _, tables = _recorded(tiny.with_values(RESTLESS), 2)
    edges = tables["exchanges"]
    assert edges.duplicated(["supplier", "receiver", "byproduct"]).any()
    assert (edges["started"] == edges["ended"]).any()
    assert set(edges["cause"].dropna()) == {"loss", "process", "exit"}


def test_exchanges_living_at_month_0_have_their_dates(tiny: Scenario):
    trajectory, tables = _recorded(tiny, 1)
    edges = tables["exchanges"]
    before = np.count_nonzero(edges["started"] <= 0)
    ended = sum(trajectory[name][0] for name in ("ended_loss", "ended_process", "ended_exit"))
    assert before == trajectory["exchanges"][0] - trajectory["started"][0] + ended > 0
    assert edges["identified"].min() > -tiny.spin_up_months


def test_participants_add_up_to_the_indicators(seen):
    scenario, _, trajectory, tables = seen
    people = tables["participants"]
    people = people[people["present"]]
    by_month = people.groupby("month")
    assert by_month.ngroups == scenario.months
    for column, indicator in (("aware", "aware"), ("knowledge", "knowledge"), ("social_capital", "social_capital")):
        np.testing.assert_allclose(by_month[column].mean(), trajectory[indicator], rtol=1e-5)
    adopts = (people["exchanges"] > 0).groupby(people["month"]).mean()
    np.testing.assert_array_equal(adopts, trajectory["adoption"])
    np.testing.assert_array_equal(by_month["registered"].sum(), trajectory["registered"])
    np.testing.assert_array_equal(by_month["exchanges"].sum(), 2 * trajectory["exchanges"])
    np.testing.assert_array_equal(by_month["talks"].sum(), 2 * trajectory["negotiating"])
    if trajectory["firms_closed"][-1] == 0:  # a newcomer starts without agreements
        made = by_month["agreements"].sum()
        np.testing.assert_array_equal(made - made.iloc[0], 2 * (trajectory["started"] - trajectory["started"][0]))


def test_participants_are_who_they_are(tiny: Scenario):
    trajectory, tables = _recorded(tiny, 1, every=60)
    people = tables["participants"]
    assert people["month"].unique().tolist() == [60, 120, 180]
    first = people[people["month"] == 60].set_index("participant")
    assert first["name"].dropna().to_dict() == trajectory.network.names
    towns = [row.name for row in tiny.region.municipality]
    assert first["municipality"].tolist() == [towns[number] for number in trajectory.network.municipality]
    assert first.loc[0, ["sector", "employees"]].tolist() == ["C17", 300.0]
    for axis, places in (("lat", trajectory.network.lat), ("lon", trajectory.network.lon)):
        assert first[axis].tolist() == places.tolist()


def test_no_exchange_and_no_named_plant(tiny: Scenario, tmp_path: Path):
    region = tiny.region.model_copy(update={"anchor": (), "utility": ()})
    scenario = replace(tiny.with_values({"opportunities.min_value": 1e14, "run.spin_up": 0}), region=region, months=2)
    write_trajectories(scenario, tmp_path, replicates=2, seed=1, panels=PANELS)
    edges = pd.read_parquet(tmp_path / "exchanges.parquet")
    assert edges.empty
    assert {"supplier", "byproduct", "ended", "cause"} <= set(edges.columns)
    people = pd.read_parquet(tmp_path / "participants.parquet")
    assert people["name"].isna().all()
    assert people["present"].sum() == 2 * 2 * 30


def test_files(tiny: Scenario, tmp_path: Path):
    scenario = tiny.with_values({"run.spin_up": 5})
    for folder, workers in (("one", 1), ("two", 2)):
        write_trajectories(scenario, tmp_path / folder, replicates=5, seed=3, workers=workers, panels=PANELS, every=12)
    write_trajectories(scenario, tmp_path / "none", replicates=5, seed=3)
    for panel in PANELS:
        one, two = (pd.read_parquet(tmp_path / folder / f"{panel}.parquet") for folder in ("one", "two"))
        pd.testing.assert_frame_equal(one, two)
        assert one["replicate"].is_monotonic_increasing
        assert one["replicate"].unique().tolist() == [0, 1, 2, 3, 4]
        assert isinstance(one.dtypes["municipality" if panel == "participants" else "byproduct"], pd.CategoricalDtype)
    assert pd.read_parquet(tmp_path / "one" / "exchanges.parquet").dtypes["ended"] == "Int32"
    frames = [pd.read_parquet(tmp_path / folder / "trajectories.parquet") for folder in ("one", "none")]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    write_trajectories(scenario, tmp_path / "one", replicates=1, seed=3, panels=["exchanges"])
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert names == ["exchanges.parquet", "manifest.json", "trajectories.parquet"]  # none of the earlier run


def test_rows_come_in_order_of_replicates_whatever_is_done_first(tmp_path: Path):
    with panel_files(tmp_path, ["exchanges"]) as files, ThreadPoolExecutor(4) as pool:
        frames = [pd.DataFrame({"replicate": [number]}) for number in range(20)]
        list(pool.map(lambda number: files.put(number, {"exchanges": frames[number]}), range(19, -1, -1)))
        assert not files.waiting
    assert pd.read_parquet(tmp_path / "exchanges.parquet")["replicate"].tolist() == list(range(20))


def test_a_panel_is_whole_or_not_at_all(tmp_path: Path):
    def half_done() -> None:
        with panel_files(tmp_path, PANELS) as files:
            files.put(0, {"exchanges": pd.DataFrame({"replicate": [0]})})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_done()
    assert list(tmp_path.iterdir()) == []


def test_names_of_panels():
    assert parse_panels(None, 1, 180) == ()
    assert parse_panels("exchanges, participants", 3, 180) == ("exchanges", "participants")
    with pytest.raises(ScenarioError) as caught:
        parse_panels("people,edges", 200, 180)
    assert len(caught.value.errors) == 3
