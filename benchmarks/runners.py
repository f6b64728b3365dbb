"""What does a run cost besides the model: our runner against Mesa's `batch_run` and SALib's `evaluate`?"""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from SALib.util.problem import ProblemSpec

from abm.model import SymbiosisModel
from abm.parameters import BY_NAME
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate
from benchmarks.report import Cell, Result, Table
from benchmarks.timing import Effort, Spread, Subject, Times, alternate
from experiments.runner import replicate_seeds, run_all

REGION = "ostergotland"
VARIED = ("facilitator.fte", "prices.volatility", "transaction.multiplier", "operation.end_rate")
RUNS_PER_REPLICATE = 2
FEW = 2  # runs of the calls that show what starting the processes takes
LOOP = "loop over `simulate`"
MODEL_LOOP = "loop over `SymbiosisModel`"
ROWS_LOOP = "loop over rows"


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
    bounds = [[float(BY_NAME[name].low), float(BY_NAME[name].high)] for name in VARIED]
    problem = ProblemSpec({"names": list(VARIED), "bounds": bounds, "outputs": ["exchanges"]})
    problem.set_samples(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.evaluate(evaluated, nprocs=processes)
    return [float(value) for value in problem.results]


def _rows_of(count: int) -> np.ndarray:
    low, high = (np.array([float(getattr(BY_NAME[name], end)) for name in VARIED]) for end in ("low", "high"))
    return low + (high - low) * np.random.default_rng(1).random((count, len(VARIED)))


def _overhead(times: Times, name: str, workers: int, bare: str, runs: int) -> Spread:
    """Milliseconds a run beyond the share of a worker in the bare loop of the same round."""
    pairs = zip(times.seconds[name], times.seconds[bare], strict=True)
    return Spread.of([1000.0 * (own - loop / workers) / runs for own, loop in pairs])


def _compared(
    title: str, bare: str, rounds: int, runs: int, ways: dict[str, tuple[Callable[[int], Any], int]]
) -> tuple[Table, Times]:
    """Time `ways` (call with a number of runs, workers) on `runs` and, with two workers, on FEW; all must agree."""
    subjects = {name: Subject(lambda _, call=call: call(runs)) for name, (call, _) in ways.items()}
    started = {name: f"{name}, start" for name, (_, workers) in ways.items() if workers > 1}
    subjects |= {few: Subject(lambda _, call=ways[name][0]: call(FEW)) for name, few in started.items()}
    times = alternate(rounds, subjects)
    if any(times.answers[name] != times.answers[bare] for name in ways):
        raise ValueError(f"{title}: the runners do not give the same results")
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            workers,
            times.spread(name, 1000.0 / runs),
            times.ratio(name, bare),
            _overhead(times, name, workers, bare, runs),
            times.spread(started[name]) if name in started else None,
        )
        for name, (_, workers) in ways.items()
    ]
    columns = ("", "workers", "ms a run", f"of the {bare}", "ms overhead a run", f"seconds for {FEW} runs")
    return Table(title, columns, tuple(rows)), times


def measure(effort: Effort) -> Result:
    """The same seeds through our runner and Mesa's, the same rows through our runner and SALib's."""
    runs = RUNS_PER_REPLICATE * effort.replicates
    seeds, rows = replicate_seeds(1, runs), _rows_of(runs)
    by_seed, _ = _compared(
        f"The same {runs} seeds of Östergötland, each a run of all its months",
        LOOP,
        effort.rounds,
        runs,
        {
            LOOP: (lambda n: [run(seed) for seed in seeds[:n]], 1),
            "`run_all`, 1 thread": (lambda n: run_all(run, seeds[:n], workers=1), 1),
            "`run_all`, 2 threads": (lambda n: run_all(run, seeds[:n], workers=2), 2),
            MODEL_LOOP: (lambda n: [run_model(seed) for seed in seeds[:n]], 1),
            "`batch_run`, 1 process": (lambda n: batch_run(seeds[:n], 1), 1),
            "`batch_run`, 2 processes, spawned (Mesa's setting)": (lambda n: batch_run(seeds[:n], 2, "spawn"), 2),
            "`batch_run`, 2 processes, forked": (lambda n: batch_run(seeds[:n], 2, "fork"), 2),
        },
    )
    by_row, _ = _compared(
        f"The same {runs} rows of {len(VARIED)} parameters ({', '.join(VARIED)})",
        ROWS_LOOP,
        effort.rounds,
        runs,
        {
            ROWS_LOOP: (lambda n: [run_row(row) for row in rows[:n]], 1),
            "`run_all`, 1 thread": (lambda n: run_all(lambda i: run_row(rows[i]), range(n), workers=1), 1),
            "`run_all`, 2 threads": (lambda n: run_all(lambda i: run_row(rows[i]), range(n), workers=2), 2),
            "SALib `evaluate`": (lambda n: evaluate(rows[:n], 1), 1),
            "SALib `evaluate_parallel`, 2 processes": (lambda n: evaluate(rows[:n], 2), 2),
        },
    )
    return Result(
        "our runner against Mesa's and SALib's",
        (by_seed, by_row),
        (
            "Overhead a run: the time of all runs less what the bare loop of the same round takes divided by the "
            "workers, over the runs. It holds what starting the workers takes, which one call pays once: see the time "
            f"of a call with {FEW} runs.",
            "Mesa's runner steps `SymbiosisModel` month by month, loads the region for each run and collects all "
            f"indicators every month; the {MODEL_LOOP} does the same without Mesa's runner.",
            "All ways of a table give the same numbers of exchanges, run by run.",
        ),
    )
