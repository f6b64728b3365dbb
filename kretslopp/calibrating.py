"""Commands that tie the model to the world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from abm.scenario import Scenario


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
