"""Commands that tie the model to the world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.limits import MOST_RUNS
from kretslopp.options import Json, Out, PosteriorFile, Seed, Set, output_folder, read_scenario

if TYPE_CHECKING:
    from abm.scenario import Scenario

VALIDATION = "validation"


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


WantedTargets = Annotated[
    str | None, typer.Option("--targets", metavar="NAMES", help="Only these, with commas between (list targets).")
]


def validate(
    region: Annotated[
        str, typer.Argument(metavar="REGION|FILE", help="Where regional targets are asked.")
    ] = "ostergotland",
    posterior: PosteriorFile = None,
    replicates: Annotated[int, typer.Option(min=2, max=MOST_RUNS, help="Histories (draws from the posterior).")] = 100,
    targets: WantedTargets = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a processor).")] = None,
    as_json: Json = False,
) -> None:
    """Whether the model holds against each target: holds, does not hold, cannot be judged."""
    scenario = read_scenario(region, settings, None)
    from calibration.posterior import read_posterior
    from calibration.targets import load_targets
    from calibration.validation import validate as put_to_test
    from experiments.files import manifest, write_csv, write_json, write_text
    from experiments.pool import SturdyPool
    from experiments.runner import default_workers
    from kretslopp.progress import Reporter
    from results import validations
    from results.drawing import write_figure

    wanted = load_targets() if targets is None else load_targets().named([one.strip() for one in targets.split(",")])
    given = read_posterior(posterior) if posterior else None
    folder = output_folder(out, f"{scenario.name}-validation", VALIDATION)
    with SturdyPool(workers or default_workers()) as pool, Reporter("histories", 2 * replicates) as reporter:
        found = put_to_test(
            scenario, wanted, given, draws=replicates, seed=seed, executor=pool, progress=reporter.update
        )
    write_csv(folder / "validation.csv", validations.validation_frame(found))
    write_text(folder / "validation.md", validations.validation_page(found))
    write_figure(lambda: validations.validation_figure(found), folder / "validation", "Does the model hold?")
    facts = {"posterior": found.posterior, "targets": targets}
    write_json(folder / "manifest.json", manifest(scenario, VALIDATION, seed=seed, replicates=replicates, **facts))
    typer.echo(json.dumps(found.as_dict(), ensure_ascii=False) if as_json else validations.validation_text(found))
    if not as_json:
        typer.echo(f"\nPage: {folder / 'validation.md'}")
