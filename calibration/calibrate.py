"""A calibration of the model in a folder: screening, waves, posterior; what is there already is not done again."""

from __future__ import annotations

import json
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abm.scenario import Scenario, ScenarioError
from calibration.abc import WEIGHT, PosteriorSample, contraction, sample_posterior
from calibration.evaluation import Evaluation, answers, evaluation, input_ranges, simulate, values_at
from calibration.matching import Matching, match
from calibration.problem import Problem
from calibration.recovery import Recovery, recover
from calibration.screening import Screening, screen
from calibration.targets import FIT, Targets
from experiments.budget import Stage
from experiments.cells import read_csv
from experiments.files import whole, write_csv, write_json, write_parquet
from experiments.identity import description, model_version
from experiments.ranges import Range, uncertain

PROBLEM = "problem.json"
POSTERIOR = "posterior.csv"
FAR_APART = 10_000  # between the seeds of one wave and the next


@dataclass(frozen=True)
class Plan:
    """How much is done: inputs kept by the screening, points and replicates of a wave, particles of the posterior."""

    inputs: int = 8
    trajectories: int = 6
    points: int = 150
    replicates: int = 8
    waves: int = 4
    particles: int = 300
    generations: int = 5
    seed: int = 1

    @property
    def screening_replicates(self) -> int:
        """Replicates of a row of the screening: half of a wave's, at least two."""
        return max(2, self.replicates // 2)


@dataclass(frozen=True)
class Calibration:
    """What a calibration found. `sample` is None where everything is ruled out."""

    scenario: Scenario
    plan: Plan
    evaluation: Evaluation
    ranges: tuple[Range, ...]
    screening: pd.DataFrame
    matching: Matching
    sample: PosteriorSample | None
    posterior: pd.DataFrame | None  # natural units, weights, answers
    informed: pd.DataFrame | None
    recovery: Recovery | None = None

    def as_dict(self) -> dict[str, Any]:
        """As printed by `calibrate --json`."""
        sample = self.sample
        return {
            "scenario": self.scenario.name,
            "rule": self.scenario.values["appraisal.rule"],
            **asdict(self.plan),
            "targets": self.matching.problem.described(),
            "inputs": list(self.matching.problem.inputs),
            "waves": [{key: _plain(value) for key, value in row.items()} for row in self.matching.rows()],
            "runs": self.matching.runs,
            "simulations": sample.simulations if sample else 0,
            "effective_particles": sample.effective if sample else 0,
            "informed": self.informed.to_dict("records") if self.informed is not None else [],
        }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value


def calibrate(
    scenario: Scenario, targets: Targets, plan: Plan, folder: Path, *, executor: Executor, stage: Stage
) -> Calibration:
    """Calibrate the scenario's uncertain parameters to the targets that it can answer.

    `folder` keeps the screening, each wave and the posterior; one of another calibration is refused (ScenarioError).
    """
    asked = targets.of(scenario, (FIT,))
    if not asked.targets:
        raise ScenarioError([f"{scenario.name}: no target is fitted here"])
    one = evaluation(scenario, asked)
    _claim(folder, scenario, asked, plan)
    screening = _screened(one, plan, folder, executor, stage)
    clear = screening[screening["above"]]["name"].head(plan.inputs)
    if clear.empty:
        raise ScenarioError([f"{scenario.name}: no parameter moves these targets by more than chance"])
    ranges = input_ranges(scenario, list(clear))
    problem = model_problem(one, ranges, executor)
    matching = match(
        problem,
        points=plan.points,
        replicates=plan.replicates,
        most_waves=plan.waves,
        seed=plan.seed,
        simulate=partial(_wave, problem, plan, folder, stage),
    )
    write_csv(folder / "waves.csv", pd.DataFrame(matching.rows()))
    if matching.empty:
        return Calibration(scenario, plan, one, ranges, screening, matching, None, None, None)
    sample = _sampled(matching, plan, folder, stage)
    table, informed = posterior_frame(sample, ranges), contraction(sample, plan.seed)
    informed = _with_units(informed, ranges)
    write_csv(folder / POSTERIOR, table)
    write_csv(folder / "informed.csv", informed)
    return Calibration(scenario, plan, one, ranges, screening, matching, sample, table, informed)


def model_problem(one: Evaluation, ranges: tuple[Range, ...], executor: Executor) -> Problem:
    """The model as a problem: inputs are places within the ranges, uniform a priori."""
    points = one.targets.points
    return Problem(
        tuple(one_range.name for one_range in ranges),
        tuple(point.name for point in points),
        np.array([point.observed for point in points], float),
        np.array([point.sd for point in points]),
        np.array([point.discrepancy for point in points]),
        partial(simulate, one=one, ranges=ranges, executor=executor),
        partial(_one_history, one, ranges),
    )


def _one_history(one: Evaluation, ranges: tuple[Range, ...], unit: np.ndarray, seed: int) -> np.ndarray:
    return answers(one, values_at(ranges, unit[None])[0], [seed])[0]


def _claim(folder: Path, scenario: Scenario, targets: Targets, plan: Plan) -> None:
    """Say in the folder which calibration it is, or refuse it as another one's."""
    what = {
        "scenario": description(scenario),
        "targets": [target.model_dump(mode="json") for target in targets.targets],
        "settings": [setting.model_dump(mode="json") for setting in targets.settings],
        "plan": {key: value for key, value in asdict(plan).items() if key not in ("particles", "generations")},
        "model": model_version(),
    }
    file = folder / PROBLEM
    if file.is_file():
        there = json.loads(file.read_text(encoding="utf-8"))
        different = [key for key in what if json.loads(json.dumps(what[key])) != there.get(key)]
        if different:
            raise ScenarioError([f"{folder}: holds another calibration; other {', '.join(different)}; choose another"])
    else:
        write_json(file, what)


def _screened(one: Evaluation, plan: Plan, folder: Path, executor: Executor, stage: Stage) -> pd.DataFrame:
    file = folder / "screening.csv"
    if file.is_file():
        return read_csv(file)
    inputs = [one_of for one_of in uncertain(one.scenario) if one_of.name not in one.scenario.region.parameters]
    ranges = input_ranges(one.scenario, [parameter.name for parameter in inputs])
    told = stage("screening, points")

    def run(unit: np.ndarray, replicates: int, seed: int, luck: Any) -> np.ndarray:
        return simulate(unit, replicates, seed, ranges=ranges, one=one, executor=executor, progress=told, luck=luck)

    points = one.targets.points
    found: Screening = screen(
        inputs,
        [point.name for point in points],
        np.array([np.hypot(point.sd, point.discrepancy) for point in points]),
        run,
        trajectories=plan.trajectories,
        replicates=plan.screening_replicates,
        seed=plan.seed,
    )
    table = found.table.assign(trajectories=found.trajectories, replicates=found.replicates, seed=found.seed)
    write_csv(file, table)
    return table


def _wave(problem: Problem, plan: Plan, folder: Path, stage: Stage, number: int, unit: np.ndarray) -> np.ndarray:
    """Runs of a wave's design: those of the folder if they are of this design, else new ones, kept there."""
    file = folder / f"wave_{number + 1}.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as kept:
            if np.array_equal(kept["unit"], unit):
                runs: np.ndarray = kept["runs"]
                return runs
    told = stage(f"wave {number + 1}, points")
    runs = problem.simulate_many(unit, plan.replicates, plan.seed + FAR_APART * (number + 1), progress=told)
    with whole(file) as temporary, temporary.open("wb") as target:
        np.savez_compressed(target, unit=unit, runs=runs)
    return runs


def _sampled(matching: Matching, plan: Plan, folder: Path, stage: Stage) -> PosteriorSample:
    """The posterior: that of the folder if it has as many particles of as many generations, else a new one."""
    file = folder / "particles.parquet"
    names, seed = matching.problem.inputs, plan.seed
    size = (plan.particles, plan.generations)
    if file.is_file():
        kept = pd.read_parquet(file)
        if (len(kept), int(kept["generations"].iloc[0])) == size:
            answers_of = [f"answer.{name}" for name in matching.problem.targets]
            arrays = (kept[list(names)].to_numpy(), kept[WEIGHT].to_numpy(), kept[answers_of].to_numpy())
            return PosteriorSample(matching.problem, *arrays, int(kept["simulations"].iloc[0]), seed)
    told = stage("posterior, simulations")
    sample = sample_posterior(
        matching, particles=plan.particles, generations=plan.generations, seed=seed, progress=told
    )
    frame = pd.DataFrame(sample.unit, columns=list(names)).assign(**{WEIGHT: sample.weights})
    for place, name in enumerate(matching.problem.targets):
        frame[f"answer.{name}"] = sample.answers[:, place]
    write_parquet(file, frame.assign(simulations=sample.simulations, generations=plan.generations))
    return sample


def posterior_frame(sample: PosteriorSample, ranges: tuple[Range, ...]) -> pd.DataFrame:
    """Particles in the parameters' own units with their weights: what `effect --posterior` reads."""
    return pd.DataFrame(values_at(ranges, sample.unit)).assign(**{WEIGHT: sample.weights})


def _with_units(informed: pd.DataFrame, ranges: tuple[Range, ...]) -> pd.DataFrame:
    """Median and 90 % interval in the parameters' own units, beside the range and the default."""
    by_name = {one.name: one for one in ranges}
    for column in ("median", "from", "to"):
        informed[column] = [
            float(by_name[name].at(np.array([place]))[0])
            for name, place in zip(informed["name"], informed[column], strict=True)
        ]
    for column in ("low", "high"):
        informed[f"range_{column}"] = [getattr(by_name[name], column) for name in informed["name"]]
    informed["default"] = [by_name[name].parameter.default for name in informed["name"]]
    informed["unit"] = [by_name[name].parameter.unit for name in informed["name"]]
    return informed


def recovered(
    found: Calibration, truths: int, particles: int, generations: int, folder: Path, *, executor: Executor, stage: Stage
) -> Recovery:
    """The same calibration put to `truths` synthetic truths, with the first wave and the truths that are there."""
    problem, seed = found.matching.problem, found.plan.seed
    first = found.matching.waves[0]
    told = stage("recovery, truths")
    result = recover(
        problem,
        first,
        truths=truths,
        particles=particles,
        generations=generations,
        seed=seed,
        folder=folder / "recovery",
        executor=executor,
        progress=told,
    )
    write_csv(folder / "recovery.csv", result.table.assign(particles=particles, generations=generations, seed=seed))
    write_csv(folder / "coverage.csv", result.coverage())
    return result
