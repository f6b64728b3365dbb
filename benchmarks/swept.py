"""What the benchmark `sweep` runs: a design of `tiny` through the sweep's runner and bare, whole or by part.

Its processes are measured, so it imports hardly more than a sweep does: nothing here draws or reports.
"""

from __future__ import annotations

import json
import os
import pickle
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from abm import plan as plans
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate_arms
from benchmarks.machine import peak_memory
from experiments import shards, sweep
from experiments.designs import DEFAULT_ARMS, KINDS, Design, check_rows, variants
from experiments.folder import Folder, Plan
from experiments.pool import SturdyPool
from experiments.ranges import DECLARED, read_range
from experiments.shards import Job, run_shard
from experiments.store import Store
from experiments.sweep import THREADS, run_sweep

VARIED = ("transaction.multiplier", "prices.volatility", "operation.end_rate")
REPLICATES, WORKERS = 25, 2
RUNS_PER_ROW = REPLICATES * len(DEFAULT_ARMS)
FEW = 4 * RUNS_PER_ROW  # runs that are compared bit for bit before the clock runs
SHORT = 12  # months, without a spin-up, where the number of runs is what counts
CALLS = 3  # of what the parent does, timed in a row
MEET = 0.2  # seconds that a worker keeps a task, so that the next one goes to another
COUNTED = "exchanges"  # at the horizon, summed over all runs: the same on both sides
KERNELS, REST, WHOLE = "kernels", "the rest: keys, facts, checks", "all"
HANDED = "handing over: the job pickled and unpickled"
PARTS: Mapping[str, tuple[object, str]] = {
    KERNELS: (shards, "simulate_arms"),
    "variants: the scenario of each row and arm": (Scenario, "with_values"),
    "plans: what kernels take of each": (plans, "_work_out"),
    "the table": (shards, "_runs_table"),
    "its file, compressed and on the disk": (shards, "_write"),
}


@cache
def design(runs: int, short: bool = False) -> Design:
    """A Latin hypercube of so many runs, each row with seeds of its own; the same in every process."""
    base = load_scenario("tiny", {"run.spin_up": 0} if short else {}, months=SHORT if short else None)
    ranges = [read_range(name, DECLARED, base.values) for name in VARIED]
    columns = KINDS["latin_hypercube"].lay_out(ranges, {"rows": runs // RUNS_PER_ROW}, base, 1)
    return Design("benchmark", base, columns, REPLICATES, common=False)


# -- bare


@cache
def ready(swept: Design) -> tuple[tuple[tuple[Scenario, ...], list[int]], ...]:
    """Arms and seeds of each row; their plans are worked out."""
    rows = []
    for number, key in enumerate(swept.row_keys()):
        arms = tuple(variants(swept, number).values())
        for arm in arms:
            plans.plan(arm)
        rows.append((arms, swept.seeds(number, key)))
    return tuple(rows)


def bare(runs: int, first: int) -> tuple[float, float]:
    """Every WORKERS-th row from `first` on in a plain loop: CPU seconds, and the exchanges, which alone are kept."""
    start, total = time.process_time(), 0.0
    place = design(runs).kept.index(COUNTED)
    for arms, seeds in ready(design(runs))[first::WORKERS]:
        for seed in seeds:
            total += sum(float(run.values[-1, place]) for run in simulate_arms(arms, seed))
    return time.process_time() - start, total


def check(swept: Design, folder: Path) -> float:
    """Sweep and bare kernels give every number of every run the same bits, else ValueError; the exchanges of all."""
    with ThreadPoolExecutor(1) as executor:
        run_sweep(swept, folder, executor=executor, workers=1)
    found = Store(folder).frame(["seed", *swept.kept])
    seeds = [seed for arms, seeds in ready(swept) for seed in seeds for _ in arms]
    runs = [run.values[-1] for arms, seeds in ready(swept) for seed in seeds for run in simulate_arms(arms, seed)]
    same = found["seed"].to_list() == seeds
    if not same or found[list(swept.kept)].to_numpy(float).tobytes() != np.array(runs).tobytes():
        raise ValueError("the sweep and its bare kernels do not give the same results")
    return float(found[COUNTED].sum())


# -- in worker processes


def _here(call: Callable[[], Any]) -> tuple[int, Any]:
    time.sleep(MEET)
    return os.getpid(), call()


def in_each(pool: Executor, call: Callable[[], Any]) -> list[Any]:
    """What `call` says in each of the pool's WORKERS processes."""
    futures = [pool.submit(_here, call) for _ in range(WORKERS)]
    answers = dict(future.result() for future in futures)
    if len(answers) != WORKERS:
        raise RuntimeError("two of the calls ran in one process")
    return list(answers.values())


def _warm(runs: int, folder: Path) -> None:
    check(design(FEW), folder / str(os.getpid()))
    ready(design(runs))


@contextmanager
def sweepers() -> Iterator[SturdyPool]:
    """WORKERS processes as `run_sweep` starts them, which end with this block; it is told to use them."""
    alone = {name: os.environ.get(name, "1") for name in THREADS}
    with patch.dict(os.environ, alone), SturdyPool(WORKERS) as pool:
        yield pool


@contextmanager
def warm_pool(runs: int, folder: Path) -> Iterator[SturdyPool]:
    """Workers that have their kernels, have written a shard, and have compared digits, as this process has."""
    with sweepers() as pool:
        in_each(pool, partial(_warm, runs, folder))
        _warm(FEW, folder)
        yield pool


# -- by part


@contextmanager
def apart(parts: Mapping[str, tuple[object, str]]) -> Iterator[dict[str, np.ndarray]]:
    """CPU seconds and seconds by the clock in each function while this lasts, without those of parts called in it."""
    spent, inner = {name: np.zeros(2) for name in parts}, [np.zeros(2)]

    def timed(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            inner.append(np.zeros(2))
            start = _now()
            try:
                return plain(*arguments, **named)
            finally:
                took = _now() - start
                spent[name] += took - inner.pop()
                inner[-1] += took

        return call

    with ExitStack() as stack:
        for name, (owner, attribute) in parts.items():
            stack.enter_context(patch.object(owner, attribute, timed(name, getattr(owner, attribute))))
        yield spent


def _now() -> np.ndarray:
    return np.array([time.process_time(), time.perf_counter()])


def jobs(swept: Design, folder: Path) -> list[Job]:
    """The shards of a design."""
    place = Folder(folder, swept, (1, 1))
    folder.mkdir(parents=True, exist_ok=True)
    return [sweep._job(place, number, place.plan.shard(number)) for number in place.shards]


def parts_of(job: Job) -> dict[str, np.ndarray]:
    """CPU seconds and seconds by the clock of each part of a shard, run in this process; WHOLE is their sum."""
    start = _now()
    there = pickle.loads(pickle.dumps(job))
    handed = _now() - start
    with apart(PARTS) as spent:
        start = _now()
        run_shard(there)
        shard = _now() - start
    return {**spent, HANDED: handed, REST: shard - sum(spent.values()), WHOLE: shard + handed}


# -- in a process of its own


@dataclass(frozen=True)
class Held:
    """What one sweep took of its parent and workers: peaks in bytes, and seconds of what its parent does besides."""

    runs: int
    shards: int
    parent: int
    worker: int  # the larger one
    checking: float
    planning: float
    resuming: float


def measure_here(runs: int, folder: Path) -> Held:
    """One sweep in this process, which should be fresh: first memory, then what its parent does beside the runs."""
    swept = design(runs, short=True)
    with sweepers() as pool:
        report = run_sweep(swept, folder, executor=pool, workers=WORKERS)
        parent, worker = peak_memory(), max(in_each(pool, peak_memory))
    if report.done != runs or report.failed:
        raise ValueError(f"of {runs} runs {report.done} were done and {report.failed} failed")
    return Held(
        runs,
        Plan(swept).shards,
        parent,
        worker,
        checking=_seconds(lambda: check_rows(swept, "")),
        planning=_seconds(lambda: Plan(swept)),
        resuming=_seconds(lambda: run_sweep(swept, folder, workers=WORKERS)),
    )


def _seconds(call: Callable[[], object]) -> float:
    """By the clock, the median of several calls."""
    laps = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        laps.append(time.perf_counter() - start)
    return statistics.median(laps)


if __name__ == "__main__":
    print(json.dumps(asdict(measure_here(int(sys.argv[1]), Path(sys.argv[2])))))
