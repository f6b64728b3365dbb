"""How do time and memory grow with the number of firms, up to a million?"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from abm.parameters import Value
from abm.scenario import Scenario, load_scenario
from abm.simulate import build, simulate, spun_up
from benchmarks.machine import forget_peak, peak_memory
from benchmarks.report import Criterion, Result, Table
from benchmarks.scenarios import FIRMS, synthetic
from benchmarks.timing import Effort, Spread, say

STAFF = 4.0  # FTE of the default centre, for the firms of one Östergötland
WITHOUT_SPIN_UP = 1_000_000  # firms from which on the 15 years of spin-up are left out
MOST_REPEATS = 10
BASE, COMPARED = 600, 60_000


def arms(firms: int) -> dict[str, Scenario]:
    """Without a centre, with four persons, and with as many for each firm as Östergötland's four."""
    changes: dict[str, Value] = {"run.spin_up": 0} if firms >= WITHOUT_SPIN_UP else {}
    scenario = synthetic(firms, changes)
    staff = {"without": 0.0, "4 FTE": STAFF, "FTE by firms": STAFF * firms / FIRMS}
    return {name: scenario.with_values({"facilitator.fte": fte}) for name, fte in staff.items()}


def measure_here(firms: int) -> dict[str, float]:
    """Seconds and bytes of one size in this process, which should be fresh; kernels are loaded before it starts."""
    simulate(load_scenario("ostergotland"), 1)
    scenarios = arms(firms)
    first = scenarios["without"]
    forget_peak()
    before = peak_memory()
    repeats = max(1, min(MOST_REPEATS, 20_000 // firms))
    laps: dict[str, list[float]] = {name: [] for name in ("build", "spin-up", *scenarios)}
    numbers: dict[str, float] = {"firms": firms, "spin_up": first.spin_up_months}
    for seed in range(repeats):
        start = time.perf_counter()
        world, _ = build(first, seed)
        laps["build"].append(time.perf_counter() - start)
        if seed == 0:
            numbers |= {"opportunities": len(world.pairs), "build_bytes": peak_memory() - before}
        del world
        start = time.perf_counter()
        run = spun_up(first, seed, list(scenarios.values()))
        laps["spin-up"].append(time.perf_counter() - start - laps["build"][-1])
        for name, arm in scenarios.items():
            start = time.perf_counter()
            branch = run.branch(arm)
            branch.advance(arm.months)
            laps[name].append(time.perf_counter() - start)
            numbers[f"exchanges, {name}"] = float(branch.trajectory()["exchanges"][-1])
            del branch
        del run
        if seed == 0:
            numbers["run_bytes"] = peak_memory() - before
    return numbers | {f"seconds, {name}": max(statistics.median(all_), 0.0) for name, all_ in laps.items()}


def measure_apart(firms: int) -> dict[str, float]:
    """The same in a process of its own, so that its peak of memory is that of this size."""
    say(f"  {firms:,} firms")
    call = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", str(firms)], stdout=subprocess.PIPE, check=True, env=os.environ
    )
    numbers: dict[str, float] = json.loads(call.stdout)
    return numbers


def _spread(runs: list[dict[str, float]], value: Any) -> Spread:
    return Spread.of([value(run) for run in runs])


def _ns(run: Mapping[str, float], arm: str, months: int) -> float:
    return 1e9 * run[f"seconds, {arm}"] / (months * run["opportunities"])


def _draw(sizes: Mapping[int, list[dict[str, float]]]) -> Figure:
    """Seconds and gigabytes against firms, with a line for each part of a run."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    firms = list(sizes)

    def line(axes: Any, name: str, label: str, scale: float = 1.0) -> None:
        values = [statistics.median(run[name] for run in runs) * scale for runs in sizes.values()]
        axes.plot(firms, values, "o-", label=label)

    for name, label in (
        ("seconds, build", "building"),
        ("seconds, without", "15 years without a centre"),
        ("seconds, 4 FTE", "15 years with 4 FTE"),
        ("seconds, FTE by firms", f"15 years with {STAFF:g} FTE per {FIRMS} firms"),
    ):
        line(left, name, label)
    line(right, "build_bytes", "peak while building", 2.0**-30)
    line(right, "run_bytes", "peak of building and running", 2.0**-30)
    for axes, quantity in ((left, "seconds"), (right, "GiB")):
        axes.set(xscale="log", yscale="log", xlabel="firms", ylabel=quantity)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    return figure


def measure(effort: Effort) -> Result:
    """Each size in a fresh process, sizes in turn, on copies of Östergötland side by side."""
    rounds = max(1, effort.rounds // 2)
    sizes: dict[int, list[dict[str, float]]] = {firms: [] for firms in effort.sizes}
    for number in range(rounds):
        for firms, runs in sizes.items():
            if firms < WITHOUT_SPIN_UP or number == 0:
                runs.append(measure_apart(firms))
    scenarios = arms(BASE)
    months = scenarios["without"].months
    time_rows, month_rows, memory_rows = [], [], []
    for firms, runs in sizes.items():
        one = runs[0]
        opportunities = one["opportunities"]
        time_rows.append(
            (
                firms,
                opportunities,
                _spread(runs, lambda run: run["seconds, build"]),
                _spread(runs, lambda run: run["seconds, spin-up"]) if one["spin_up"] else "none",
                *(_spread(runs, lambda run, arm=arm: run[f"seconds, {arm}"]) for arm in scenarios),
                _spread(runs, lambda run: run["seconds, build"] / (run["seconds, spin-up"] + run["seconds, without"])),
            )
        )
        month_rows.append(
            (
                firms,
                opportunities / firms,
                *(one[f"exchanges, {arm}"] for arm in scenarios),
                *(_spread(runs, lambda run, arm=arm: _ns(run, arm, months)) for arm in scenarios),
            )
        )
        memory_rows.append(
            (
                firms,
                *(
                    _spread(runs, lambda run, part=part: run[f"{part}_bytes"] / 2**20 / scale)
                    for part in ("build", "run")
                    for scale in (1.0, run_opportunities(runs) / 2**20)
                ),
            )
        )
    criteria = ()
    if COMPARED in sizes:
        criteria = tuple(
            Criterion(
                f"an opportunity-month of {COMPARED:,} firms costs at most twice that of {BASE} ({arm})",
                Spread.of(
                    [_ns(big, arm, months) / _ns(small, arm, months) for big, small in zip(sizes[COMPARED], sizes[BASE])]
                ),
                at_most=2.0,
            )
            for arm in scenarios
        )
    return Result("", (), (), criteria, _draw(sizes))


if __name__ == "__main__":
    print(json.dumps(measure_here(int(sys.argv[1]))))
