"""The commands that answer questions: `compare` (what is best for the money?) and `hypotheses` (is it so?)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from experiments.limits import MOST_RUNS
from kretslopp.options import (
    Json,
    Months,
    Out,
    Pairs,
    Region,
    Seed,
    Set,
    SmallEffects,
    Width,
    WidthOf,
    Workers,
    output_folder,
    read_pairs,
    read_scenario,
    read_small_effects,
    say_if_wide,
)

COMPARISON, HYPOTHESES, SENSITIVITY = (
    "comparison",
    "hypotheses",
    "sensitivity",
)  # what the manifest of a folder says it is


def compare(
    region: Region,
    interventions: Annotated[
        str,
        typer.Option(metavar="A,B,A+C", help="What is compared; a mix has a plus between its parts."),
    ],
    budget: Annotated[float, typer.Option(metavar="MSEK", help="Public money a year that each may cost.")],
    replicates: Pairs = "100",
    months: Months = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Workers = None,
    beyond: Annotated[
        bool,
        typer.Option("--beyond", help="Let levels go beyond their declared range, up to what is allowed."),
    ] = False,
    robust: Annotated[
        bool, typer.Option("--robust/--no-robust", help="Also over the ranges of all uncertain parameters (regret).")
    ] = True,
    as_json: Json = False,
    ci_width: Width = None,
    ci_of: WidthOf = "adoption",
    small: SmallEffects = None,
) -> None:
    """Interventions at equal public budget: what each brings, what a tonne costs, who pays, which is best."""
    from experiments.options import parse_options

    scenario = read_scenario(region, settings, months)
    options = parse_options(interventions, beyond)
    pairs, little = read_pairs(replicates, ci_width, ci_of, scenario), read_small_effects(small, scenario)
    from experiments.comparison import check_question, compare
    from experiments.files import manifest
    from experiments.outputs import finish
    from kretslopp.progress import Stages
    from results.comparing import comparison_text
    from results.comparisonfiles import comparison_dict, write_comparison

    check_question(scenario, options, budget, pairs, seed if robust else None)
    folder = output_folder(out, f"{scenario.name}-compare", COMPARISON)
    for stale in ("regret.csv", "unit_costs.csv"):
        (folder / stale).unlink(missing_ok=True)
    with Stages() as stages:
        found = compare(
            scenario, options, budget, replicates=pairs, seed=seed, robust=robust, small=little, workers=workers,
            stage=stages.stage,
        )  # fmt: skip
    say_if_wide(pairs, [one.effects.get(ci_of) for one in (*found.spending, *found.taxes)])
    write_comparison(found, folder)
    facts = {"budget": budget, "interventions": interventions, "beyond": beyond, "points": found.points}
    finish(folder, manifest(scenario, COMPARISON, seed=seed, replicates=found.pairs, **facts))
    typer.echo(json.dumps(comparison_dict(found), ensure_ascii=False) if as_json else comparison_text(found))
    if not as_json:
        typer.echo(f"\nPage: {folder / 'comparison.md'}, figure: {folder / 'comparison.png'}")


def sensitivity(
    region: Region,
    method: Annotated[
        str, typer.Option(help="morris, sobol, pawn, delta, rbd_fast, prim; functions (of the centre), map (of two).")
    ] = "morris",
    outcome: Annotated[
        str, typer.Option(metavar="INDICATOR", help="At the end: adoption without the centre, effect.adoption, ...")
    ] = "effect.adoption",
    parameters: Annotated[
        str | None, typer.Option(metavar="N|NAMES", help="Which inputs, or how many: the strongest by a screening.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, max=MOST_RUNS, help="Simulations, at most.")] = 10_000,
    second_order: Annotated[bool, typer.Option("--second-order", help="Pairs of inputs too (sobol).")] = False,
    ci_width: Annotated[
        float | None, typer.Option(help="Stop when intervals of total indices are this wide (sobol).")
    ] = None,
    months: Months = None,
    seed: Seed = 1,
    settings: Set = None,
    out: Out = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a processor).")] = None,
    as_json: Json = False,
) -> None:
    """What an outcome, or the effect of the centre, is sensitive to; corrected for chance."""
    from experiments.files import manifest
    from experiments.outputs import finish
    from experiments.pool import SturdyPool
    from experiments.runner import default_workers
    from kretslopp.progress import Stages
    from results.sensitivities import Asked, check_asked, run_asked

    scenario = read_scenario(region, settings, months)
    asked = Asked(method, outcome, parameters, runs, seed, second_order, ci_width)
    check_asked(scenario, asked)
    folder = output_folder(out, f"{scenario.name}-{method}", SENSITIVITY)
    width = workers or default_workers()
    with SturdyPool(width) as pool, Stages() as stages:
        found = run_asked(scenario, asked, folder, executor=pool, workers=width, stage=stages.stage)
    finish(folder, manifest(scenario, SENSITIVITY, replicates=found.replicates, **vars(asked)))
    typer.echo(json.dumps(found.facts, ensure_ascii=False) if as_json else found.text)
    if not as_json:
        typer.echo(f"\nPage: {folder / 'sensitivity.md'}")


def hypotheses(
    source: Annotated[
        str, typer.Argument(metavar="NAME|FILE.toml", help="A file of hypotheses, or those on facilitation.")
    ] = "facilitation",
    out: Annotated[Path | None, typer.Option(help="Folder; the same command again goes on in it.")] = None,
    most: Annotated[int | None, typer.Option(min=10, help="Replicates at most, fewer than the file allows.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one a processor).")] = None,
    as_json: Json = False,
) -> None:
    """Put hypotheses to the model: supported, rejected or undecided, however often one looks."""
    from experiments.files import manifest
    from experiments.folder import refuse_foreign
    from experiments.hypotheses import limited, load_hypotheses, put_to_test
    from experiments.outputs import finish
    from experiments.pool import SturdyPool
    from experiments.runner import default_workers
    from results.verdicts import verdicts_text, write_verdicts

    asked = limited(load_hypotheses(source), most)
    folder = output_folder(out, f"hypotheses-{asked.name}", HYPOTHESES)
    refuse_foreign(folder / "runs")
    width = workers or default_workers()

    def watch(pairs: int, decided: int, claims: int) -> None:
        print(f"after {pairs} replicates {decided} of {claims} claims are decided", file=sys.stderr, flush=True)

    with SturdyPool(width) as pool:
        result = put_to_test(asked, folder / "runs", executor=pool, workers=width, watch=watch)
    write_verdicts(result, folder)
    facts = {"hypotheses": asked.name, "error": asked.error, "pairs": vars(asked.pairs), "cells": dict(asked.cells)}
    finish(folder, manifest(asked.scenario, HYPOTHESES, seed=asked.seed, replicates=result.pairs, **facts))
    typer.echo(json.dumps(result.as_dict(), ensure_ascii=False) if as_json else verdicts_text(result))
    if not as_json:
        typer.echo(f"\nPage: {folder / 'verdicts.md'}, figure: {folder / 'verdicts.png'}")
