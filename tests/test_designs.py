"""Designs: rows are laid out as their kind says, and every run of a design is in exactly one shard of one part."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SALib.sample import sobol

from abm.catalogue import DataError
from abm.parameters import BY_NAME, uncertainties
from abm.scenario import Scenario, ScenarioError, load_scenario
from experiments.designfile import load_design, read_table
from experiments.designs import Design
from experiments.folder import Plan
from experiments.identity import content_id, digest
from experiments.locks import stretches
from experiments.ranges import read_range
from experiments.runner import replicate_seeds
from experiments.shards import draws_per_shard, place_of_draw
from experiments.store import Store
from tests.sweeps import TEXT, design, serially, write_design

HEAD = 'region = "tiny"\nmonths = 24\nreplicates = 3\n'
RANGES = """
[ranges]
transaction.multiplier = { low = 0.25, high = 4.0, log = true }
closing.attention = "declared"
appraisal.rule = ["npv", "payback", "real_option"]
"""


def _design(folder: Path, text: str) -> Design:
    file = folder / "design.toml"
    file.write_text(text)
    return load_design(file)


# -- kinds


def test_factorial_has_every_combination_once(tmp_path: Path) -> None:
    plan = design(tmp_path)
    rows = [tuple(plan.row(number).values()) for number in range(plan.rows)]
    assert len(set(rows)) == len(rows) == 3 * 2 * 2
    assert rows[0] == (0.5, "npv", 2.0)
    assert rows[1] == (0.5, "npv", 8.0)
    assert plan.runs == 12 * 10 * 2


def test_one_at_a_time_changes_one(tmp_path: Path) -> None:
    text = HEAD + 'kind = "one_at_a_time"\n[ranges]\ntransaction.wage = [600, 800]\nclosing.attention = "declared"\n'
    plan = _design(tmp_path, text)
    base = plan.row(0)
    assert base == {name: plan.scenario.values[name] for name in plan.columns}
    for number in range(1, plan.rows):
        changed = [name for name, value in plan.row(number).items() if value != base[name]]
        assert len(changed) == 1
    assert plan.rows == 1 + 2 + 3  # attention: 1 to 4, of which 2 is the base


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol"])
def test_samples_fill_their_ranges_evenly(tmp_path: Path, kind: str) -> None:
    plan = _design(tmp_path, HEAD + f'kind = "{kind}"\nrows = 256\n' + RANGES)
    multiplier = plan.columns["transaction.multiplier"]
    quarters = np.histogram(np.log(multiplier), bins=np.log([0.25, 0.5, 1.0, 2.0, 4.0]))[0]
    assert quarters.tolist() == [64, 64, 64, 64]
    counts = Counter(plan.columns["closing.attention"].tolist())
    assert set(counts) == {1, 2, 3, 4}
    assert all(abs(count - 64) <= 1 for count in counts.values())  # whole numbers, each end included
    assert set(plan.columns["appraisal.rule"]) == {"npv", "payback", "real_option"}
    assert not plan.common


def test_saltelli_rows_are_those_of_salib(tmp_path: Path) -> None:
    text = HEAD + 'kind = "saltelli"\nrows = 8\nseed = 4\nsecond_order = true\n[ranges]\n'
    text += "transaction.wage = { low = 500, high = 900 }\nprices.volatility = { low = 0, high = 2 }\n"
    plan = _design(tmp_path, text)
    problem = {"num_vars": 2, "names": ["a", "b"], "bounds": [[500, 900], [0, 2]]}
    expected = sobol.sample(problem, 8, calc_second_order=True, seed=np.random.default_rng(4))
    rows = np.column_stack([plan.columns["transaction.wage"], plan.columns["prices.volatility"]])
    np.testing.assert_allclose(rows, expected)
    assert plan.rows == 8 * (2 * 2 + 2)


def test_rows_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("transaction.wage,appraisal.rule\n600,npv\n800,payback\n\n")
    plan = _design(tmp_path, HEAD + 'kind = "table"\ntable = "rows.csv"\n')
    assert [plan.row(number) for number in range(2)] == [
        {"transaction.wage": 600.0, "appraisal.rule": "npv"},
        {"transaction.wage": 800.0, "appraisal.rule": "payback"},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("transaction.wages\n1\n", "did you mean transaction.wage?"),
        ("transaction.wage,transaction.wage\n1,2\n", "given twice"),
        ("transaction.wage\n", "has no rows"),
        ("transaction.wage\n600,700\n", "line 2 has 2 cells"),
        ("transaction.wage\nmuch\n", "line 2: transaction.wage: 'much' is not a number"),
        ("transaction.wage\n600\n-1\n", "line 3: transaction.wage: -1 is not allowed"),
    ],
)
def test_a_bad_table_names_the_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(DataError, match=expected.replace("?", r"\?")):
        read_table(tmp_path / "rows.csv")
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.csv")


def test_declared_bounds_are_the_declaration(region: Scenario) -> None:
    for parameter in uncertainties():
        one = read_range(parameter.name, "declared", region.values)
        assert (one.low, one.high) == (parameter.low, parameter.high)


def test_declared_bounds_move_with_a_regions_own_value(tiny: Scenario) -> None:
    """Thirty firms are not swept from 300 to 1,200; and no share exceeds one."""
    firms = read_range("population.firms", "declared", tiny.values)
    assert (firms.low, firms.high) == (15, 60)
    prevalence = read_range("population.prevalence", "declared", tiny.values)
    assert prevalence.high == 1.0
    assert prevalence.low < tiny.values["population.prevalence"]
    for name in ("tiny", "ostergotland", "sweden"):
        scenario = load_scenario(name)
        for parameter in uncertainties():
            one = read_range(parameter.name, "declared", scenario.values)
            assert one.low <= float(scenario.values[parameter.name]) <= one.high
            assert parameter.check(type(parameter.default)(one.low)) is None
            assert parameter.check(type(parameter.default)(one.high)) is None


def test_what_is_swept_for_robustness_is_no_decision() -> None:
    names = {parameter.name for parameter in uncertainties()}
    assert not any(name.startswith("facilitator.shares.") or name.endswith(".level") for name in names)
    assert {"facilitator.cost", "discovery.finds", "prices.volatility", "transaction.wage"} <= names
    assert names < set(BY_NAME)


def test_steps_of_a_facilitator_are_a_parameter_not_a_grid(tmp_path: Path) -> None:
    """`facilitator.steps` has the name of a key of a range."""
    plan = _design(tmp_path, HEAD + 'kind = "factorial"\n[ranges]\nfacilitator.steps = [0.5, 1.0]\n')
    assert plan.columns["facilitator.steps"].tolist() == [0.5, 1.0]


# -- seeds and identities


def test_seeds_are_common_or_a_rows_own(tmp_path: Path) -> None:
    common = design(tmp_path)
    keys = common.row_keys()
    assert common.seeds(0, keys[0]) == common.seeds(1, keys[1]) == replicate_seeds(5, 10)
    own = design(tmp_path, text='seeds = "independent"\n' + TEXT)
    seeds = [own.seeds(*one) for one in enumerate(own.row_keys())]
    assert len({seed for row in seeds for seed in row}) == 12 * 10
    longer = design(tmp_path, 12, 'seeds = "independent"\n' + TEXT)
    assert [longer.seeds(*one)[:10] for one in enumerate(longer.row_keys())] == seeds  # replicates can be added


def test_equal_rows_are_told_apart_by_their_turn(tiny: Scenario) -> None:
    plan = Design("x", tiny, {"transaction.wage": np.array([600.0, 700.0, 600.0])}, 2, common=False)
    keys = plan.row_keys()
    assert len(set(keys)) == 3
    assert plan.seeds(0, keys[0]) != plan.seeds(2, keys[2])


def test_identities_follow_content(tmp_path: Path, tiny: Scenario) -> None:
    plan = design(tmp_path)
    same = content_id(plan.scenario, plan.arms, {})
    assert content_id(design(tmp_path).scenario, plan.arms, {}) == same
    assert content_id(plan.scenario, plan.arms, {"mine.py": "0"}) != same
    assert content_id(plan.scenario.with_values({"transaction.wage": 601.0}), plan.arms, {}) != same
    assert content_id(plan.scenario, {**plan.arms, "with": {"facilitator.fte": 5.0}}, {}) != same
    assert content_id(load_scenario("ostergotland"), plan.arms, {}) != same
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


# -- shards


@given(
    rows=st.integers(1, 40),
    replicates=st.integers(1, 70),
    parts=st.integers(1, 7),
    months=st.integers(1, 1200),
    firms=st.integers(1, 100_000),
)
@settings(max_examples=60)
def test_every_draw_is_in_one_shard_of_one_part(
    rows: int, replicates: int, parts: int, months: int, firms: int
) -> None:
    scenario = load_scenario("tiny", {"population.firms": firms}, months=months)
    plan = Plan(Design("x", scenario, {"transaction.wage": np.arange(rows) + 500.0}, replicates))
    assert 1 <= plan.size == draws_per_shard(plan.design) <= 250
    shards = [plan.shard(number) for part in range(parts) for number in range(part, plan.shards, parts)]
    draws = [(draw.row, draw.replicate) for shard in shards for draw in shard]
    assert sorted(draws) == [(row, replicate) for row in range(rows) for replicate in range(replicates)]
    assert len({draw.identity for shard in shards for draw in shard}) == rows * replicates


def test_large_runs_make_small_shards() -> None:
    small = Design("x", load_scenario("tiny"), {}, 10)
    large = Design("x", load_scenario("sweden"), {}, 10)
    assert draws_per_shard(small) > 100
    assert draws_per_shard(large) == 10


def test_more_replicates_go_to_the_end() -> None:
    short, long = ([place_of_draw(place, 4, count) for place in range(4 * count)] for count in (25, 60))
    assert long[:100] == short
    assert len(set(long)) == 240


@given(st.sets(st.integers(0, 60)))
def test_stretches_cover_the_numbers(numbers: set[int]) -> None:
    found = list(stretches(sorted(numbers)))
    assert {first + n for first, length in found for n in range(length)} == numbers
    assert all(a + n < b for (a, n), (b, _) in pairwise(found))


# -- reading what was run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    serially(design(folder, 6), folder / "out")
    return Store(folder / "out")


def test_one_line_of_pandas_duckdb_or_polars(store: Store) -> None:
    runs = str(store.folder / "runs")
    mean = store.frame(["exchanges"])["exchanges"].mean()
    assert pd.read_parquet(runs)["exchanges"].mean() == pytest.approx(mean)
    assert duckdb.sql(f"select avg(exchanges) from '{runs}/*.parquet'").fetchall() == [(pytest.approx(mean),)]
    assert polars.read_parquet(f"{runs}/*.parquet")["exchanges"].mean() == pytest.approx(mean)


def test_effects_by_hand(store: Store) -> None:
    from scipy import stats

    table = store.effects("exchanges")
    frame = store.frame(["exchanges"])
    assert table["row"].tolist() == list(range(12))
    for row in (0, 7):
        part = frame[frame["row"] == row].pivot(index="replicate", columns="arm", values="exchanges")
        one = table.iloc[row]
        test = stats.ttest_rel(part["with"], part["without"]).confidence_interval()
        assert one["mean"] == pytest.approx((part["with"] - part["without"]).mean())
        assert (one["ci_low"], one["ci_high"]) == pytest.approx((test.low, test.high))
        assert one["pairs"] == 6
    assert table.loc[0, "appraisal.rule"] == "npv"
    with pytest.raises(ScenarioError, match=r"did you mean exchanges\?"):
        store.effects("exchange")
    with pytest.raises(ScenarioError, match="no arm 'other'"):
        store.effects("exchanges", "other")


def test_the_shapes_of_xarray_and_the_ema_workbench(store: Store) -> None:
    data = store.to_xarray()
    assert dict(data.sizes) == {"row": 12, "replicate": 6, "arm": 2}
    frame = store.frame()
    one = frame[(frame["row"] == 3) & (frame["replicate"] == 2) & (frame["arm"] == "with")].iloc[0]
    assert float(data["adoption"].sel(row=3, replicate=2, arm="with")) == one["adoption"]
    assert float(data["transaction.multiplier"].sel(row=11)) == 2.0
    experiments, outcomes = store.to_ema()
    assert len(experiments) == 144
    at = (experiments["scenario"] == 3) & (experiments["replicate"] == 2.0) & (experiments["policy"] == "with")
    assert outcomes["adoption"][at].tolist() == [one["adoption"]]
    assert experiments["policy"].cat.categories.tolist() == ["without", "with"]
    assert {"scenario", "policy", "model", "transaction.multiplier"} <= set(experiments.columns)
    assert all(values.shape == (144,) for values in outcomes.values())
    assert set(outcomes) == set(store.indicators)


def test_trajectories_are_those_of_a_run(store: Store) -> None:
    from abm.simulate import simulate

    months = store.frame(kind="trajectories")
    runs = store.frame(["seed", *store.swept])
    last = runs[(runs["row"] == 5) & (runs["arm"] == "with")].iloc[-1]
    scenario = design_scenario(store, last)
    trajectory = simulate(scenario, int(last["seed"]))
    part = months[months["run"] == store.frame(["run"]).loc[last.name, "run"]]
    assert part["month"].tolist() == [12, 24]
    assert part["exchanges"].tolist() == trajectory["exchanges"][[11, 23]].tolist()


def design_scenario(store: Store, row: Any) -> Scenario:
    """The scenario of a run by what the table says of it."""
    values = {name: row[name] for name in store.swept}
    base = load_scenario("tiny", {"run.spin_up": 3}, months=24)
    return base.with_values({name: value if isinstance(value, str) else float(value) for name, value in values.items()})


def test_the_manifest_has_the_whole_design(store: Store, tmp_path: Path) -> None:
    content = json.loads((store.folder / "manifest.json").read_text())["design"]
    assert content["parameters"]["run.spin_up"] == 3
    assert content["swept"] == ["transaction.multiplier", "appraisal.rule", "facilitator.fte"]
    assert content["arms"] == {"without": {"facilitator.fte": 0.0}, "with": {}}
    assert content["layout"]["ranges"]["facilitator.fte"] == {"values": [2.0, 8.0]}
    assert {"model", "libraries", "months", "seed", "replicates", "rows"} <= set(content)
    assert store.rows()["facilitator.fte"].tolist() == [2.0, 8.0] * 6
    write_design(tmp_path)
    with pytest.raises(ScenarioError, match="holds no sweep"):
        Store(tmp_path)
