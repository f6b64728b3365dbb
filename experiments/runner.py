"""Running replicates: over threads of one process (kernels hold no interpreter lock) or any executor."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

import numpy as np

from abm.chance import checked_seed, mix, name_key
from abm.scenario import ScenarioError

Result = TypeVar("Result")
Progress = Callable[[int, int], None]  # done, of how many
REPLICATE = name_key("replicate")
# Seconds that a thread back from a kernel waits for the interpreter at most: Python's own 5 ms are a third of a run
# (what two threads gain is in benchmarks/RESULTS.md).
SWITCH = 0.0005
_LOCK, _under_way, _usual = Lock(), 0, 0.0


def replicate_seeds(seed: int, replicates: int) -> list[int]:
    """Seeds of the replicates of one experiment, unrelated between experiments of neighbouring seeds.

    Raises ScenarioError unless there is at least one replicate and `seed` is a whole number from 0 to 2**63 - 1.
    """
    if replicates < 1:
        raise ScenarioError([f"replicates: {replicates} is not a whole number from 1 on"])
    experiment = np.uint64(mix(REPLICATE, np.uint64(checked_seed(seed))))  # a kernel hands back a plain int
    return [int(mix(experiment, np.uint64(number))) >> 1 for number in range(replicates)]


def default_workers() -> int:
    """As many as there are processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_all(
    function: Callable[[int], Result],
    seeds: Sequence[int],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """`function(seed)` for all seeds, in their order whatever finishes first.

    Through an `executor` the first seed runs alone, so that of processes one compiles what the others then find;
    threads wait for each other in the compiler. For processes `function` must be picklable. An error or an interrupt
    cancels what has not started and is raised.
    """
    if executor is None:
        with quick_switches(), ThreadPoolExecutor(workers or default_workers()) as threads:
            return _all(function, seeds, threads, 0, progress)
    return _all(function, seeds, executor, 1, progress)


def _all(
    function: Callable[[int], Result], seeds: Sequence[int], executor: Executor, alone: int, progress: Progress | None
) -> list[Result]:
    """The results in order, the first so many seeds before all others."""
    results: list[Result] = []
    futures = [executor.submit(function, seed) for seed in seeds[:alone]]
    try:
        wait(futures)
        futures += [executor.submit(function, seed) for seed in seeds[alone:]]
        for result in _in_order(futures):
            results.append(result)
            if progress:
                progress(len(results), len(seeds))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return results


@contextmanager
def quick_switches() -> Iterator[None]:
    """While this lasts threads wait for the interpreter `SWITCH` at most; of several at a time the last one ends it."""
    global _under_way, _usual
    with _LOCK:
        if _under_way == 0:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH, _usual))
        _under_way += 1
    try:
        yield
    finally:
        with _LOCK:
            _under_way -= 1
            if _under_way == 0:
                sys.setswitchinterval(_usual)


def _in_order(futures: Sequence[Future[Result]]) -> Iterator[Result]:
    for future in futures:
        yield future.result()
