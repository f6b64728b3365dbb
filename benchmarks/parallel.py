"""What do two workers gain, and what does a paired run save and consist of?"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from abm.chance import mix
from abm.compiled import kernel
from abm.parts import MEMORY
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate, simulate_arms, spun_up
from benchmarks.report import Criterion, Result, Table
from benchmarks.scale import spin_up_seconds
from benchmarks.timing import Effort, Spread, Subject, Times, alternate
from experiments.effect import without_centre
from experiments.runner import replicate_seeds, run_all

CONTROL_TURNS = 10_000_000
THREADS, PROCESSES, CONTROL = "threads", "processes", "threads of an empty loop"


@cache
def arms() -> tuple[Scenario, Scenario]:
    """Östergötland without and with the centre."""
    scenario = load_scenario("ostergotland")
    return without_centre(scenario), scenario


def pair(seed: int) -> tuple[float, ...]:
    """Exchanges at the horizon in both arms; what an earlier pair of the seed has built is not lent to it."""
    MEMORY.clear()
    return tuple(float(run["exchanges"][-1]) for run in simulate_arms(arms(), seed))


def parts(seed: int) -> dict[str, float]:
    """Seconds of each part of a pair."""
    without, with_ = arms()
    MEMORY.clear()
    start = time.perf_counter()
    with spin_up_seconds() as spin_up:
        run = spun_up(without, seed, arms())
    seconds = {"build": time.perf_counter() - start - spin_up[0], "spin-up": spin_up[0]}
    for name, arm in (("months without centre", without), ("months with centre", with_)):
        start = time.perf_counter()
        branch = run.branch(arm)
        branch.advance(arm.months)
        branch.trajectory()
        seconds[name] = time.perf_counter() - start
    return seconds


@kernel
def spin(turns: int) -> np.uint64:
    """A compiled loop that touches no memory: what two threads gain here is what the machine has to give."""
    key = np.uint64(1)
    for _ in range(turns):
        key = mix(key, key)
    return key


def control(_: int) -> int:
    """About as long as a pair."""
    return int(spin(CONTROL_TURNS))


def _workers(effort: Effort, seeds: list[int]) -> Times:
    """Pairs on 1 and 2 threads and processes; the processes are there and warm before the clock runs."""

    def over(call: Callable[[int], Any], workers: int, executor: Executor | None = None) -> Subject:
        return Subject(lambda _: run_all(call, seeds, workers=workers, executor=executor))

    with ExitStack() as stack:
        pools = {n: stack.enter_context(ProcessPoolExecutor(n, get_context("spawn"))) for n in (1, 2)}
        for pool in pools.values():
            run_all(pair, seeds[:8], executor=pool)
        subjects = {f"{THREADS} {n}": over(pair, n) for n in (1, 2)}
        subjects |= {f"{PROCESSES} {n}": over(pair, n, pools[n]) for n in (1, 2)}
        subjects |= {f"{CONTROL} {n}": over(control, n) for n in (1, 2)}
        return alternate(effort.rounds, subjects)


def _singles(effort: Effort, seeds: list[int]) -> Times:
    """A pair and each of its arms alone."""
    without, with_ = arms()

    def single(arm: Scenario, seed: int) -> object:
        MEMORY.clear()
        return simulate(arm, seed)

    calls: dict[str, Callable[[int], object]] = {
        "pair": pair,
        "single without": partial(single, without),
        "single with": partial(single, with_),
    }

    def each(call: Callable[[int], object]) -> Subject:
        return Subject(lambda _: [call(seed) for seed in seeds], len(seeds))

    return alternate(effort.rounds, {name: each(call) for name, call in calls.items()})


def measure(effort: Effort) -> Result:
    """Paired replicates of Östergötland, one thread or process against two; a pair against its arms and by part."""
    seeds = replicate_seeds(1, effort.replicates)
    workers, singles = _workers(effort, seeds), _singles(effort, seeds)
    answers = [workers.answers[f"{kind} {n}"] for kind in (THREADS, PROCESSES) for n in (1, 2)]
    if any(answer != answers[0] for answer in answers):
        raise ValueError("threads and processes do not give the same results")
    speed_up = {kind: workers.ratio(f"{kind} 1", f"{kind} 2") for kind in (THREADS, PROCESSES, CONTROL)}
    speed_ups = [
        [one / two for one, two in zip(workers.seconds[f"{kind} 1"], workers.seconds[f"{kind} 2"], strict=True)]
        for kind in (THREADS, CONTROL)
    ]
    kept = Spread.of([own / possible for own, possible in zip(*speed_ups, strict=True)])
    each = zip(*(singles.seconds[name] for name in ("pair", "single without", "single with")), strict=True)
    saved = Spread.of([both / ((one + other) / 2) for both, one, other in each])
    split = [parts(seed) for seed in seeds]
    runs = [part["build"] / (part["spin-up"] + part["months with centre"]) for part in split]
    shares = [
        (
            name,
            Spread.of([1000.0 * part[name] for part in split]),
            Spread.of([100.0 * part[name] / sum(part.values()) for part in split]),
        )
        for name in split[0]
    ]
    unit = 1000.0 / len(seeds)
    return Result(
        "two workers against one, a pair against its two arms",
        (
            Table(
                f"{len(seeds)} pairs through `run_all`",
                ("", "ms a pair, 1", "ms a pair, 2", "speed-up"),
                tuple(
                    (kind, workers.spread(f"{kind} 1", unit), workers.spread(f"{kind} 2", unit), speed_up[kind])
                    for kind in speed_up
                ),
            ),
            Table(
                "A pair and single runs, one thread",
                ("", "ms", "pair takes so many times as long"),
                tuple((name, singles.spread(name, 1000.0), singles.ratio("pair", name)) for name in singles.seconds),
            ),
            Table(f"Parts of a pair, over {len(seeds)} replicates", ("", "ms", "% of the pair"), tuple(shares)),
        ),
        (
            "The empty loop is the control: two threads of it share nothing, so what it falls short of the possible "
            "speed-up is the machine's doing (others at work on it, a lower clock with both cores busy).",
            "Processes are started and have their kernels before the clock runs.",
            "Through an executor the first replicate of `run_all` runs alone, so that kernels compile once: "
            "with few replicates this costs speed-up "
            f"(at most {2 * len(seeds) / (len(seeds) + 1):.3g} with {len(seeds)} on two workers).",
        ),
        (
            Criterion("two threads at least 1.8 times as fast as one", speed_up[THREADS], at_least=1.8),
            Criterion("that speed-up at least 0.9 of the empty loop's in the same round", kept, at_least=0.9),
            Criterion("a pair takes at most 1.6 times its mean single arm", saved, at_most=1.6),
            Criterion("building takes at most as long as 5 runs of it", Spread.of(runs), at_most=5.0),
        ),
    )
