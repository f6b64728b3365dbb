"""What does a run cost besides the model: our runner against Mesa's `batch_run` and SALib's `evaluate`?"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from SALib.util.problem import ProblemSpec

from abm.model import SymbiosisModel
from abm.parameters import BY_NAME
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate
from benchmarks.report import Cell, Result, Table
from benchmarks.timing import Effort, Spread, Subject, alternate
from experiments.runner import replicate_seeds, run_all

REGION = "ostergotland"
VARIED = ("facilitator.fte", "prices.volatility", "transaction.multiplier", "operation.end_rate")
RUNS_PER_REPLICATE = 2
FEW = 2  # runs of the calls that show what starting the processes takes
LOOP = "loop over `simulate`"
MODEL_LOOP = "loop over `SymbiosisModel`"
ROWS_LOOP = "loop over rows"
OURS = {1: "`run_all`, 1 thread", 2: "`run_all`, 2 threads"}


@cache
def region() -> Scenario:
    """What all run, loaded once in a process."""
    return load_scenario(REGION)


def run(seed: int) -> float:
    """One run of the function."""
    return float(simulate(region(), seed)["exchanges"][-1])


def run_model(seed: int) -> float:
    """The same run as a Mesa model, as `batch_run` makes it."""
    model = SymbiosisModel(scenario=REGION, rng=seed)
    model.run_model()
    return model.indicator("exchanges")


def run_row(row: np.ndarray) -> float:
    """One run with a handful of parameters varied."""
    changed = region().with_values(dict(zip(VARIED, row.tolist(), strict=True)))
    return float(simulate(changed, 1)["exchanges"][-1])


def bounds() -> list[list[float]]:
    """Low and high of what is varied, as SALib wants them."""
    return [[float(getattr(BY_NAME[name], end)) for end in ("low", "high")] for name in VARIED]


def evaluated(rows: np.ndarray) -> np.ndarray:
    """The function that SALib asks for."""
    return np.array([run_row(row) for row in rows])


def batch_run(seeds: Sequence[int], processes: int, start_method: str | None = None) -> list[float]:
    """Mesa's runner, in order of seeds; importing Mesa sets the start method of processes, so it is set each time."""
    import mesa

    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(start_method, force=True)
    try:
        rows = mesa.batch_run(
            SymbiosisModel,
            {"scenario": REGION, "rng": list(seeds)},
            number_processes=processes,
            display_progress=False,
        )
    finally:
        multiprocessing.set_start_method(before, force=True)
    return [float(row["exchanges"]) for row in sorted(rows, key=lambda row: row["RunId"])]


def evaluate(rows: np.ndarray, processes: int) -> list[float]:
    """SALib's runner; it warns that evaluating in parallel is experimental."""
    problem = ProblemSpec({"names": list(VARIED), "bounds": bounds(), "outputs": ["exchanges"]})
    problem.set_samples(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.evaluate(evaluated, nprocs=processes)
    return [float(value) for value in problem.results]


def rows_within_bounds(count: int) -> np.ndarray:
    """Uniform draws of what is varied, shape (count, parameters)."""
    low, high = np.transpose(bounds())
    return np.random.default_rng(1).uniform(low, high, (count, len(VARIED)))


@dataclass(frozen=True)
class Way:
    """A way to do the first n runs, on so many workers."""

    call: Callable[[int], Any]
    workers: int


def _compared(title: str, bare: str, rounds: int, runs: int, ways: Mapping[str, Way]) -> Table:
    """Time `ways` on `runs` runs, those on two workers on FEW too; all must give the same."""

    def subject(way: Way, count: int) -> Subject:
        return Subject(lambda _: way.call(count))

    subjects = {name: subject(way, runs) for name, way in ways.items()}
    subjects |= {f"{name}, few": subject(way, FEW) for name, way in ways.items() if way.workers > 1}
    times = alternate(rounds, subjects)
    if any(times.answers[name] != times.answers[bare] for name in ways):
        raise ValueError(f"{title}: the runners do not give the same results")

    def row(name: str, workers: int) -> tuple[Cell, ...]:
        pairs = zip(times.seconds[name], times.seconds[bare], strict=True)
        beyond = Spread.of([1000.0 * (own - loop) / runs for own, loop in pairs]) if workers == 1 else None
        few = times.spread(f"{name}, few") if workers > 1 else None
        return (name, times.spread(name, 1000.0 / runs), times.ratio(name, OURS[workers]), beyond, few)

    columns = ("", "ms a run", "of `run_all` on as many workers", f"ms a run beyond the {bare}", f"s for {FEW} runs")
    return Table(title, columns, tuple(row(name, way.workers) for name, way in ways.items()))


def measure(effort: Effort) -> Result:
    """The same seeds through our runner and Mesa's, the same rows through our runner and SALib's."""
    runs = RUNS_PER_REPLICATE * effort.replicates
    seeds, rows = replicate_seeds(1, runs), rows_within_bounds(runs)
    by_seed = _compared(
        f"The same {runs} seeds of Östergötland, each a run of all its months",
        LOOP,
        effort.rounds,
        runs,
        {
            LOOP: Way(lambda n: [run(seed) for seed in seeds[:n]], 1),
            OURS[1]: Way(lambda n: run_all(run, seeds[:n], workers=1), 1),
            OURS[2]: Way(lambda n: run_all(run, seeds[:n], workers=2), 2),
            MODEL_LOOP: Way(lambda n: [run_model(seed) for seed in seeds[:n]], 1),
            "`batch_run`, 1 process": Way(lambda n: batch_run(seeds[:n], 1), 1),
            "`batch_run`, 2 processes, spawned (Mesa's setting)": Way(lambda n: batch_run(seeds[:n], 2, "spawn"), 2),
            "`batch_run`, 2 processes, forked": Way(lambda n: batch_run(seeds[:n], 2, "fork"), 2),
        },
    )
    by_row = _compared(
        f"The same {runs} rows of {len(VARIED)} parameters ({', '.join(VARIED)})",
        ROWS_LOOP,
        effort.rounds,
        runs,
        {
            ROWS_LOOP: Way(lambda n: [run_row(row) for row in rows[:n]], 1),
            OURS[1]: Way(lambda n: run_all(lambda i: run_row(rows[i]), range(n), workers=1), 1),
            OURS[2]: Way(lambda n: run_all(lambda i: run_row(rows[i]), range(n), workers=2), 2),
            "SALib `evaluate`": Way(lambda n: evaluate(rows[:n], 1), 1),
            "SALib `evaluate_parallel`, 2 processes": Way(lambda n: evaluate(rows[:n], 2), 2),
        },
    )
    return Result(
        "our runner against Mesa's and SALib's",
        (by_seed, by_row),
        (
            f"What starting workers takes is paid once a call and is in the ms a run of two workers; {FEW} runs take "
            "little else. Spawned processes import all anew and load the kernels.",
            "Mesa's runner steps `SymbiosisModel` month by month, loads the region for each run and collects all "
            f"indicators every month; the {MODEL_LOOP} does the same without Mesa's runner.",
            "All ways of a table give the same numbers of exchanges, run by run.",
        ),
    )
