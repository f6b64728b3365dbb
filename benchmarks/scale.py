"""How do time and memory grow with the number of firms, up to a million?"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from unittest.mock import patch

from matplotlib.figure import Figure

from abm.parts import MEMORY
from abm.scenario import Scenario, load_scenario
from abm.simulate import Run, build, simulate, spun_up
from benchmarks.machine import forget_peak, peak_memory
from benchmarks.report import Cell, Criterion, Result, Table
from benchmarks.scenarios import MILLION, STAFF, staff_of, synthetic
from benchmarks.timing import Effort, Spread, say

REPEATED = 20_000  # firms up to which a size is run several times in its process, on seeds of its own
BASE, COMPARED = 600, 60_000


@dataclass(frozen=True)
class Size:
    """What one process found of one size; bytes are peaks over what the process held before."""

    firms: int
    spin_up: int
    months: int
    opportunities: float  # mean over seeds, as exchanges
    building_bytes: int
    running_bytes: int
    own_bytes: float  # an opportunity
    seconds: dict[str, float]
    exchanges: dict[str, float]

    def ns(self, part: str) -> float:
        """Nanoseconds an opportunity-month."""
        months = self.spin_up if part == "spin-up" else self.months
        return 1e9 * self.seconds[part] / (months * self.opportunities)


def arms(firms: int) -> dict[str, Scenario]:
    """Without a centre, with the default one, and with one that grows with the firms."""
    scenario = synthetic(firms)
    return {name: scenario.with_values({"facilitator.fte": fte}) for name, fte in staff_of(firms).items()}


@contextmanager
def spin_up_seconds() -> Iterator[list[float]]:
    """What each `Run.advance` takes while this lasts: `spun_up` calls it once, the rest of it is building."""
    plain, seconds = Run.advance, list[float]()

    def timed(run: Run, count: int) -> None:
        start = time.perf_counter()
        plain(run, count)
        seconds.append(time.perf_counter() - start)

    with patch.object(Run, "advance", timed):
        yield seconds


def bytes_of_its_own(run: Run) -> float:
    """What an opportunity takes in records and lists, the case of one that is known spread over all."""
    world, state = run.world, run.state
    number, known = state.moving.itemsize, int(state.tally[0]["cases"])
    each = world.pairs.itemsize + state.pairs.itemsize + 2 * world.own.itemsize
    return each + known * (state.cases.itemsize + 2 * number + state.ranking.itemsize) / len(world.pairs)


def measure_here(firms: int) -> Size:
    """One size in this process, which should be fresh: first memory, then time."""
    simulate(load_scenario("ostergotland"), 1)  # kernels are there
    scenarios = arms(firms)
    first = scenarios["no centre"]
    forget_peak()
    before = peak_memory()
    build(first, 0)
    building_bytes, running_bytes, own_bytes = peak_memory() - before, 0, 0.0
    laps: dict[str, list[float]] = {name: [] for name in ("building", "spin-up", *scenarios)}
    exchanges: dict[str, list[float]] = {name: [] for name in scenarios}
    opportunities = []
    for seed in range(max(1, min(10, REPEATED // firms))):
        MEMORY.clear()
        with spin_up_seconds() as spin_up:
            start = time.perf_counter()
            run = spun_up(first, seed, list(scenarios.values()))
            whole = time.perf_counter() - start
        laps["spin-up"].append(spin_up[0])
        laps["building"].append(whole - spin_up[0])
        opportunities.append(len(run.world.pairs))
        for name, arm in scenarios.items():
            forget_peak()
            start = time.perf_counter()
            branch = run.branch(arm)
            branch.advance(arm.months)
            laps[name].append(time.perf_counter() - start)
            running_bytes = max(running_bytes, peak_memory() - before)
            exchanges[name].append(float(branch.trajectory()["exchanges"][-1]))
            own_bytes = max(own_bytes, bytes_of_its_own(branch))
            del branch
        del run
    return Size(
        firms,
        first.spin_up_months,
        first.months,
        statistics.mean(opportunities),
        building_bytes,
        running_bytes,
        own_bytes,
        {name: statistics.median(values) for name, values in laps.items()},
        {name: statistics.mean(values) for name, values in exchanges.items()},
    )


def measure_apart(firms: int) -> Size:
    """The same in a process of its own, so that its memory is that of this size alone."""
    say(f"  {firms:,} firms")
    call = subprocess.run([sys.executable, "-m", "benchmarks.scale", str(firms)], stdout=subprocess.PIPE, check=True)
    return Size(**json.loads(call.stdout))


def _times(sizes: Sequence[list[Size]]) -> Table:
    """Seconds of each part, and building over the shortest run."""
    rows: list[tuple[Cell, ...]] = []
    for found in sizes:
        parts = ("building", "spin-up", *STAFF)
        known = [part for part in parts if part in found[0].seconds and (part != "spin-up" or found[0].spin_up)]
        seconds = {part: Spread.of([one.seconds[part] for one in found]) for part in known}
        runs = [one.seconds["spin-up"] + one.seconds["no centre"] for one in found]
        share = Spread.of([one.seconds["building"] / run for one, run in zip(found, runs, strict=True)])
        rows.append((found[0].firms, found[0].opportunities, *(seconds.get(part) for part in parts), share))
    columns = ("firms", "opportunities", "building", "15 years of spin-up", *(f"15 years, {arm}" for arm in STAFF))
    return Table("Seconds", (*columns, "building over a run without centre"), tuple(rows))


def _costs(sizes: Sequence[list[Size]]) -> Table:
    """Nanoseconds an opportunity-month, and how much there is of what months work on."""
    rows: list[tuple[Cell, ...]] = []
    for found in sizes:
        one = found[0]
        costs = [Spread.of([size.ns(arm) for size in found]) if arm in one.seconds else None for arm in STAFF]
        live = [1000.0 * one.exchanges[arm] / one.opportunities if arm in one.exchanges else None for arm in STAFF]
        rows.append((one.firms, one.opportunities / one.firms, *costs, *live))
    columns = ("firms", "opportunities a firm", *(f"ns, {arm}" for arm in STAFF))
    live_columns = tuple(f"exchanges per 1,000 opportunities, {arm}" for arm in STAFF)
    return Table("Cost of an opportunity-month after the spin-up", (*columns, *live_columns), tuple(rows))


def _memory(sizes: Sequence[list[Size]]) -> Table:
    """Peaks beyond the interpreter and the kernels."""
    rows: list[tuple[Cell, ...]] = [
        (
            found[0].firms,
            Spread.of([one.building_bytes / 2**20 for one in found]),
            Spread.of([one.building_bytes / one.opportunities for one in found]),
            Spread.of([one.running_bytes / 2**20 for one in found]),
            Spread.of([one.running_bytes / one.opportunities for one in found]),
            found[0].own_bytes,
        )
        for found in sizes
    ]
    parts = ("while building", "while the months run")
    columns = tuple(column for part in parts for column in (f"MiB {part}", f"bytes an opportunity {part}"))
    own = "of it records and lists of the opportunity"
    return Table("Peak of memory beyond the interpreter and the kernels", ("firms", *columns, own), tuple(rows))


def _draw(sizes: Sequence[list[Size]]) -> Figure:
    """Seconds and memory against firms, a line for each part."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    firms = [found[0].firms for found in sizes]
    for part in ("building", *STAFF):
        seconds = [statistics.median(one.seconds.get(part, math.nan) for one in found) for found in sizes]
        left.plot(firms, seconds, "o-", label=part if part == "building" else f"15 years, {part}")
    for field, label in (("building_bytes", "while building"), ("running_bytes", "while the months run")):
        most = [statistics.median(getattr(one, field) / 2**20 for one in found) for found in sizes]
        right.plot(firms, most, "o-", label=label)
    for axes, quantity in ((left, "seconds"), (right, "MiB, peak")):
        axes.set(xscale="log", yscale="log", xlabel="firms", ylabel=quantity)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    return figure


def _growth(small: Sequence[Size], large: Sequence[Size]) -> tuple[Criterion, ...]:
    """An opportunity-month of the large size against one of the small, with the centre of each scaled or not."""
    compared = {arm: arm if arm in small[0].seconds else "4 FTE" for arm in STAFF}
    return tuple(
        Criterion(
            f"an opportunity-month of {COMPARED:,} firms costs at most twice one of {BASE} ({arm})",
            Spread.of([one.ns(arm) / other.ns(same) for one, other in zip(large, small, strict=True)]),
            at_most=2.0,
        )
        for arm, same in compared.items()
    )


def _criteria(found: Mapping[int, Sequence[Size]]) -> tuple[Criterion, ...]:
    """What the sizes that were measured say of what was promised."""
    most = Spread.of([one.own_bytes for sizes in found.values() for one in sizes])
    criteria = [Criterion("an opportunity takes at most 100 bytes in records and lists", most, at_most=100.0)]
    if COMPARED in found:
        criteria += _growth(found[BASE], found[COMPARED])
    for one in found.get(MILLION, ()):
        held = max(one.building_bytes, one.running_bytes) / 2**30
        taken = sum(one.seconds[part] for part in ("building", "spin-up", "4 FTE")) / 60.0
        criteria += [
            Criterion("1,000,000 firms fit in 20 GiB", Spread.of([held]), at_most=20.0),
            Criterion("1,000,000 firms, 15 years after a spin-up of 15, in minutes", Spread.of([taken]), at_most=10.0),
        ]
    return tuple(criteria)


def measure(effort: Effort) -> Result:
    """Copies of Östergötland side by side, each size in fresh processes, sizes in turn."""
    found: dict[int, list[Size]] = {firms: [] for firms in effort.sizes}
    for number in range(max(2, effort.rounds // 2)):
        for firms in effort.sizes:
            if firms < MILLION or number == 0:
                found[firms].append(measure_apart(firms))
    sizes = list(found.values())
    return Result(
        "time and memory against the number of firms",
        (_times(sizes), _costs(sizes), _memory(sizes)),
        (
            "Copies of Östergötland side by side at its own density (`benchmarks/scenarios.py`), one to 600 firms. "
            f"Up to {REPEATED:,} firms a process takes the median over several seeds.",
            "Opportunities a firm rise until the region is wider than the longest reach.",
            "Memory: Linux's peak of the process, counted anew before building and before the months. While the months "
            "run it holds the state after the spin-up and one arm's own. At 600 firms both are within what the "
            "interpreter has anyway.",
            "The caches of the machine are above: months of a size whose memory is beyond them wait for memory. Which "
            "steps do is in the benchmark `profile`.",
            "1,000,000 firms run once, and without the largest centre.",
        ),
        _criteria(found),
        _draw(sizes),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(measure_here(int(sys.argv[1])))))
