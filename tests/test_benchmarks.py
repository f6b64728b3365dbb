"""The benchmarks are sound; how fast anything is, is not tested."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import abm.month
from abm.scenario import Scenario
from abm.simulate import Trajectory, build, simulate_arms
from benchmarks import mechanisms, native, swept
from benchmarks.profile import instrumented, profile, steps
from benchmarks.report import Criterion, Result, Table, as_json, markdown, text
from benchmarks.scenarios import synthetic
from benchmarks.timing import Spread, Subject, alternate

SOURCE = inspect.getsource(abm.month)


def _calls(function: ast.FunctionDef) -> list[str]:
    return [ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Call)]


def test_profiled_steps_are_the_calls_of_a_month_in_order() -> None:
    plain, counted = (
        next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "month")
        for source in (SOURCE, instrumented(SOURCE))
    )
    assert [call for call in _calls(counted) if call != "cycles_now()"] == _calls(plain)
    assert steps(SOURCE) == [call.partition(".step(")[0] for call in _calls(plain)]
    assert len([call for call in _calls(counted) if call == "cycles_now()"]) == 2 * len(steps(SOURCE))


@pytest.mark.slow
def test_months_with_counters_give_the_same_digits(tiny: Scenario) -> None:
    found = profile(tiny, 1)  # raises ValueError if not
    assert (found.by_step >= 0.0).all()
    assert found.by_step.sum() == pytest.approx(found.counted)


def test_one_copy_is_ostergotland(region: Scenario) -> None:
    """Where it lies does not matter, but for the shape of the earth."""
    original, copy = (build(scenario, 1)[0] for scenario in (region, synthetic(600)))
    drawn = ~np.isin(original.participants["key"], copy.participants["key"])
    assert drawn.sum() == len(region.region.anchor) + len(region.region.utility)  # named ones have names of their own
    for world in (original, copy):
        assert len(world.participants) == len(original.participants)
    assert len(copy.pairs) == pytest.approx(len(original.pairs), rel=0.15)


def test_larger_regions_have_the_same_density() -> None:
    one, four = (synthetic(firms).region for firms in (600, 2400))
    assert len(four.municipality) == 4 * len(one.municipality)
    assert len({town.name for town in four.municipality}) == len(four.municipality)
    widths = [np.ptp([town.lat for town in region.municipality]) for region in (one, four)]
    side = np.sqrt(sum(town.land for town in one.municipality)) / 111.2
    assert widths[1] - widths[0] == pytest.approx(side)


def test_a_million_firms_lie_on_the_earth() -> None:
    region = synthetic(1_000_000).region
    assert max(abs(town.lat) for town in region.municipality) < 20.0
    assert max(abs(town.lon) for town in region.municipality) < 25.0


def test_alternation_takes_ratios_within_rounds() -> None:
    called: list[str] = []
    subjects = {name: Subject(lambda _, name=name: called.append(name)) for name in "AB"}  # type: ignore[misc]
    times = alternate(3, subjects)
    assert "".join(called) == "ABBAAB"
    ratios = [a / b for a, b in zip(times.seconds["A"], times.seconds["B"], strict=True)]
    assert times.ratio("A", "B") == Spread.of(ratios)


def test_report_says_what_is_kept_and_what_not() -> None:
    spread = Spread(2.0, 1.5, 120.0)
    criteria = (Criterion("fast", spread, at_least=1.0), Criterion("small", spread, at_most=1.0))
    results = {"one": Result("how?", (Table("T", ("a", "b"), ((spread, None),)),), ("note",), criteria)}
    page = markdown({"command": "make bench"}, results)
    assert text(spread) == "2 (1.5 to 120)"
    assert "| one | fast | 2 (1.5 to 120) | kept |" in page
    assert "| one | small | 2 (1.5 to 120) | **not kept** |" in page
    assert as_json({}, results)["benchmarks"]["one"]["criteria"][1]["is_met"] is False


@pytest.mark.slow
@pytest.mark.skipif(not native.available(), reason=f"no {native.COMPILER} here")
def test_mechanisms_in_c_are_the_engines(tiny: Scenario) -> None:
    eventful = mechanisms.check(tiny, 1)  # raises ValueError if not
    assert all(months > 0 for name, months in eventful.items() if name != "observe")
    assert eventful["observe"] == 0


def test_what_differs_is_named() -> None:
    one = {"persons": np.zeros(2, [("search", "f8"), ("live", "i4")]), "calendar": np.zeros(2, np.int32)}
    other = {name: array.copy() for name, array in one.items()}
    other["persons"]["search"][1] = 1e-12
    assert list(mechanisms.unequal(one, other)) == []
    other["persons"]["search"][1], other["calendar"][0] = 1e-6, 1
    assert list(mechanisms.unequal(one, other)) == ["persons.search", "calendar"]


@pytest.mark.slow
def test_a_sweep_and_its_bare_kernels_do_the_same_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = 3 * swept.RUNS_PER_ROW
    exchanges = swept.check(swept.design(runs), tmp_path)
    assert exchanges == sum(swept.bare(runs, first)[1] for first in range(swept.WORKERS)) > 0

    def nudged(arms: Sequence[Scenario], seed: int) -> list[Trajectory]:
        trajectories = simulate_arms(arms, seed)
        trajectories[-1].values[-1, 0] = np.nextafter(trajectories[-1].values[-1, 0], np.inf)
        return trajectories

    monkeypatch.setattr(swept, "simulate_arms", nudged)
    with pytest.raises(ValueError, match="same results"):
        swept.check(swept.design(runs), tmp_path)


def test_parts_of_a_shard_are_all_of_it(tmp_path: Path) -> None:
    (job,) = swept.jobs(swept.design(swept.RUNS_PER_ROW, short=True), tmp_path)
    whole = (parts := swept.parts_of(job)).pop(swept.WHOLE)
    assert all(parts[name][1] > 0.0 for name in swept.PARTS)  # each is what a shard calls
    assert sum(parts.values()) == pytest.approx(whole)
    assert (tmp_path / "runs" / job.file_name).exists()
