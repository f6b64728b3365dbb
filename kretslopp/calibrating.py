"""Commands that tie the model to the world."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.limits import MOST_RUNS
from kretslopp.options import Json, Out, PosteriorFile, Seed, Set, output_folder, read_scenario

if TYPE_CHECKING:
    from abm.scenario import Scenario
    from calibration.targets import Targets

CALIBRATION, VALIDATION = "calibration", "validation"
Asked = typer.Argument(metavar="REGION|FILE", help="Where regional targets are asked; kalundborg: the cluster's alone.")
Processes = Annotated[int | None, typer.Option(min=1, help="Processes (default: one a processor).")]
WantedTargets = Annotated[
    str | None, typer.Option("--targets", metavar="NAMES", help="Only these, with commas between (list targets).")
]


def calibrate(
    region: Annotated[str, Asked] = "ostergotland",
    points: Annotated[int, typer.Option(min=20, help="Points of a wave.")] = 150,
    replicates: Annotated[int, typer.Option(min=2, help="Runs of a point.")] = 8,
    inputs: Annotated[int, typer.Option(min=1, max=15, help="Parameters at most, the strongest by a screening.")] = 8,
    waves: Annotated[int, typer.Option(min=1, help="Waves of history matching at most.")] = 4,
    particles: Annotated[int, typer.Option(min=20, help="Particles of the posterior.")] = 300,
    truths: Annotated[int, typer.Option("--recover", min=0, help="Synthetic truths to be recovered.")] = 0,
    targets: WantedTargets = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Processes = None,
    as_json: Json = False,
) -> None:
    """Tie uncertain parameters to the targets: screening, history matching, posterior; the same command goes on."""
    scenario = read_scenario(region, settings, None)
    wanted = read_targets(targets)
    _needs("sklearn", "pyabc")
    from calibration.calibrate import Plan, recovered
    from calibration.calibrate import calibrate as fit
    from experiments.files import manifest
    from experiments.outputs import finish
    from experiments.pool import SturdyPool
    from experiments.runner import default_workers
    from kretslopp.progress import Stages
    from results.calibrations import calibration_text, write_calibration

    plan = Plan(inputs=inputs, points=points, replicates=replicates, waves=waves, particles=particles, seed=seed)
    folder = output_folder(out, f"{scenario.name}-calibration", CALIBRATION)
    with SturdyPool(workers or default_workers()) as pool, Stages() as stages:
        found = fit(scenario, wanted, plan, folder, executor=pool, stage=stages.stage)
        if truths and found.sample is not None:
            few = max(particles // 3, 20)
            recovery = recovered(found, truths, few, plan.generations, folder, executor=pool, stage=stages.stage)
            found = replace(found, recovery=recovery)
    write_calibration(found, folder)
    facts = {**asdict(plan), "targets": targets, "recover": truths}
    finish(folder, manifest(scenario, CALIBRATION, **facts))
    typer.echo(json.dumps(found.as_dict(), ensure_ascii=False) if as_json else calibration_text(found))
    if not as_json:
        typer.echo(f"\nPage: {folder / 'calibration.md'}")


def validate(
    region: Annotated[str, Asked] = "ostergotland",
    posterior: PosteriorFile = None,
    replicates: Annotated[int, typer.Option(min=2, max=MOST_RUNS, help="Histories (draws from the posterior).")] = 100,
    targets: WantedTargets = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Processes = None,
    as_json: Json = False,
) -> None:
    """Whether the model holds against each target: holds, does not hold, cannot be judged."""
    scenario = read_scenario(region, settings, None)
    from calibration.posterior import read_posterior
    from calibration.validation import validate as put_to_test
    from experiments.files import manifest
    from experiments.outputs import finish
    from experiments.pool import SturdyPool
    from experiments.runner import default_workers
    from kretslopp.progress import Reporter
    from results.validations import validation_text, write_validation

    wanted = read_targets(targets)
    given = read_posterior(posterior) if posterior else None
    folder = output_folder(out, f"{scenario.name}-validation", VALIDATION)
    with SturdyPool(workers or default_workers()) as pool, Reporter("histories", 2 * replicates) as reporter:
        found = put_to_test(
            scenario, wanted, given, draws=replicates, seed=seed, executor=pool, progress=reporter.update
        )
    write_validation(found, folder)
    facts = {"posterior": found.posterior, "targets": targets}
    finish(folder, manifest(scenario, VALIDATION, seed=seed, replicates=replicates, **facts))
    typer.echo(json.dumps(found.as_dict(), ensure_ascii=False) if as_json else validation_text(found))
    if not as_json:
        typer.echo(f"\nPage: {folder / 'validation.md'}")


def read_targets(text: str | None) -> Targets:
    """`--targets`; raises ScenarioError."""
    from calibration.targets import load_targets

    every = load_targets()
    return every if text is None else every.named([one.strip() for one in text.split(",")])


def _needs(*packages: str) -> None:
    """Raise ScenarioError if a package of the extra is missing."""
    from importlib.util import find_spec

    from abm.scenario import ScenarioError

    if missing := [name for name in packages if find_spec(name) is None]:
        raise ScenarioError([f"{', '.join(missing)}: not installed; pip install 'kretslopp[calibrate]'"])


def effect_over_posterior(
    scenario: Scenario, file: Path, draws: int, seed: int, workers: int | None, as_json: bool
) -> None:
    """`kretslopp effect --posterior`: the effect at parameters drawn from a posterior, printed."""
    from calibration.posterior import posterior_effect, read_posterior
    from kretslopp.progress import Reporter

    posterior = read_posterior(file)
    with Reporter("draws", draws) as reporter:
        effect = posterior_effect(
            scenario, posterior, draws=draws, seed=seed, workers=workers, progress=reporter.update
        )
    if as_json:
        typer.echo(json.dumps(effect.as_dict(), ensure_ascii=False))
    else:
        from results.posteriors import posterior_text

        typer.echo(posterior_text(effect))
