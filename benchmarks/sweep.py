"""What does running a design through the sweep's runner cost beyond the bare kernels, in time and in memory?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import swept
from benchmarks.report import Cell, Criterion, Result, Table
from benchmarks.swept import FEW, KERNELS, REPLICATES, SHORT, VARIED, WORKERS, Held
from benchmarks.timing import Effort, Spread, Subject, Times, alternate, say
from experiments.folder import Plan
from experiments.store import Store
from experiments.sweep import run_sweep

BARE, SWEEP = "bare kernels", "sweep"
MOST_ROUNDS = 5
TIMED = 5  # what is timed has so many times fewer runs than the largest sweep whose memory is measured
SHARDS = 8  # timed by part, at most
ONCE = 100_000  # runs from which on memory is measured once
PER = 100_000  # runs, of what a design costs its parent


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one side in one round."""

    workers: float
    parent: float
    exchanges: float | None = None  # of all runs, where they are not on the disk


def _alternated(rounds: int, runs: int, folder: Path) -> Times:
    """The same runs through the runner and bare, on the same processes; both must have done the same."""

    def through(pool: Executor, number: int) -> Cost:
        own = time.process_time()
        report = run_sweep(swept.design(runs), folder / str(number), executor=pool, workers=WORKERS)
        return Cost(report.core_seconds, time.process_time() - own)

    def bare(pool: Executor) -> Cost:
        own = time.process_time()
        futures = [pool.submit(swept.bare, runs, first) for first in range(WORKERS)]
        seconds, exchanges = zip(*(future.result() for future in futures), strict=True)
        return Cost(sum(seconds), time.process_time() - own, sum(exchanges))

    with swept.warm_pool(runs, folder) as pool:
        subjects = {SWEEP: Subject(lambda number: through(pool, number)), BARE: Subject(lambda _: bare(pool))}
        times = alternate(rounds, subjects)
    for number, one in enumerate(times.answers[BARE]):
        store = Store(folder / str(number))
        if store.counts() != (runs, 0) or store.frame([swept.COUNTED])[swept.COUNTED].sum() != one.exchanges:
            raise ValueError("the sweep and its bare kernels have not done the same runs")
    return times


def _throughput(runs: int, times: Times) -> Table:
    """Runs a second, and what processors are busy with."""
    design, rows = swept.design(runs), list[tuple[Cell, ...]]()
    shards = Plan(design).shards
    for name, costs in times.answers.items():
        pairs = list(zip(costs, times.answers[BARE], times.seconds[name], strict=True))
        rows.append((
            name,
            Spread.of([runs / seconds for seconds in times.seconds[name]]),
            times.ratio(name, BARE),
            Spread.of([1000.0 * one.workers / runs for one in costs]),
            Spread.of([one.workers / other.workers for one, other, _ in pairs]),
            Spread.of([100.0 * one.workers / (WORKERS * seconds) for one, _, seconds in pairs]),
            Spread.of([1000.0 * one.parent / shards for one in costs]) if name == SWEEP else None,
        ))  # fmt: skip
    title = f"{runs:,} runs of `tiny` ({design.rows} rows, {REPLICATES} replicates, 2 arms) on {WORKERS} processes"
    columns = (
        "",
        "runs a second",
        "takes so many times as long as bare",
        "ms of a worker's processor a run",
        "of bare",
        "% of the time that workers compute",
        "ms of the parent's processor a shard",
    )
    return Table(title, columns, tuple(rows))


def _parts(runs: int, folder: Path) -> Table:
    """Shards of the same design by part, one after the other in this process."""
    jobs = swept.jobs(swept.design(runs), folder)[:SHARDS]
    found = [swept.parts_of(job) for job in jobs]
    rows = [
        (
            name,
            Spread.of([1000.0 * parts[name][0] for parts in found]),
            Spread.of([100.0 * parts[name][0] / parts[KERNELS][0] for parts in found]),
            Spread.of([1000.0 * parts[name][1] for parts in found]),
        )
        for name in found[0]
    ]
    title = f"Parts of a shard of {len(jobs[0].draws) * len(jobs[0].arms)} runs, over {len(jobs)} shards"
    return Table(title, ("", "ms of the processor", "% of the kernels", "ms by the clock"), tuple(rows))


def _held_apart(runs: int) -> Held:
    """One sweep whose parent is a process of its own."""
    say(f"  {runs:,} runs")
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.swept", str(runs), folder]
        call = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Held(**json.loads(call.stdout))


def _memory(held: Mapping[int, Sequence[Held]]) -> Table:
    """Peaks, and how the parent's grows from one size to the next."""
    rows: list[tuple[Cell, ...]] = []
    before: Sequence[Held] = ()
    for runs, found in held.items():
        growth = [(one.parent - other.parent) / (runs - other.runs) for one, other in zip(found, before, strict=False)]
        rows.append((
            runs,
            found[0].shards,
            Spread.of([one.parent / 2**20 for one in found]),
            Spread.of(growth) if growth else None,
            Spread.of([one.worker / 2**20 for one in found]),
        ))  # fmt: skip
        before = found
    columns = ("runs", "shards", "MiB, parent", "bytes a run beyond the size above, parent", "MiB, the larger worker")
    return Table(f"Peak of memory ({SHORT} months without a spin-up)", columns, tuple(rows))


def _parent(held: Mapping[int, Sequence[Held]]) -> Table:
    """What the parent does besides handing out shards."""
    calls = {"checking rows": "checking", "planning shards": "planning", "resuming when all is done": "resuming"}
    rows: list[tuple[Cell, ...]] = [
        (runs, *(Spread.of([PER / runs * getattr(one, field) for one in found]) for field in calls.values()))
        for runs, found in held.items()
    ]
    return Table(f"What a design costs its parent, seconds per {PER:,} runs", ("runs", *calls), tuple(rows))


def _criteria(runs: int, times: Times, held: Mapping[int, Sequence[Held]]) -> tuple[Criterion, ...]:
    """Little beyond the kernels, and memory that stays when runs grow."""
    few, many = min(held), max(held)
    return (
        Criterion(
            f"a sweep of {runs:,} runs takes at most 1.15 times as long as its bare kernels",
            times.ratio(SWEEP, BARE),
            at_most=1.15,
        ),
        *(
            Criterion(
                f"{who} of a sweep of {many:,} runs holds at most 1.1 times that of {few:,}",
                Spread.of([
                    getattr(one, field) / getattr(other, field)
                    for one, other in zip(held[many], held[few], strict=False)
                ]),
                at_most=1.1,
            )
            for who, field in (("the parent", "parent"), ("a worker", "worker"))
        ),
    )  # fmt: skip


def measure(effort: Effort) -> Result:
    """A Latin hypercube of `tiny` through the runner and bare on the same warm processes, by part, and in size."""
    runs = effort.sweeps[-1] // TIMED
    with TemporaryDirectory() as folder:
        times = _alternated(min(effort.rounds, MOST_ROUNDS), runs, Path(folder))
        parts = _parts(runs, Path(folder) / "parts")
    held: dict[int, list[Held]] = {size: [] for size in effort.sweeps}
    for number in range(max(1, effort.rounds // 3)):
        for size in effort.sweeps:
            if size < ONCE or number == 0:
                held[size].append(_held_apart(size))
    return Result(
        "a design through the sweep's runner against its bare kernels",
        (_throughput(runs, times), parts, _memory(held), _parent(held)),
        (
            f"Rows are a Latin hypercube over {', '.join(VARIED)}, each with seeds of its own. Both sides run on the "
            f"same {WORKERS} processes, which were started, have loaded the kernels and have run {FEW} runs of another "
            "design before any clock runs. For the sweep it then runs from the call of `run_sweep` to its return: "
            "planning, manifest, shards and waiting for the last of them are in it.",
            "Bare kernels: each process takes every second row and calls `simulate_arms` in a plain loop, on scenarios "
            "whose plans were worked out before, and keeps nothing but a sum; the clock runs until the later one ends.",
            f"Every number of {FEW} runs is equal bit for bit on both sides, checked in each process first; after "
            f"each round so are the {swept.COUNTED} of all runs, summed.",
            "Parts are what their functions take, without those of parts called in them; of the file, the clock less "
            "the processor is what the disk takes.",
            "Memory: Linux's peak of the process from its start, interpreter, libraries and kernels included. Each "
            f"sweep has a parent of its own, started afresh; those of {ONCE:,} runs and more run once.",
            "Checking rows is what reading a design from a file does to each; planning includes seeds and content "
            "hashes; resuming is `run_sweep` on a folder that lacks nothing (planning twice included).",
        ),
        _criteria(runs, times, held),
    )
