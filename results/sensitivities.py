"""From a question of the command line to files, words and figures: methods, the functions' shares, two-way maps."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from abm.scenario import Scenario, ScenarioError
from abm.texts import nearest
from experiments.attribution import attribute, reach_ranks
from experiments.budget import Stage
from experiments.files import write_csv, write_text
from experiments.maps import two_way
from experiments.methods import METHODS, Analysis, least_runs, morris, sobol
from experiments.questions import Input, Outcome, Question, all_inputs, read_inputs, read_outcome, too_few
from results import markdown
from results.drawing import write_figure
from results.influence import (
    analysis_dict,
    analysis_text,
    attribution_figure,
    attribution_frame,
    attribution_rows,
    attribution_words,
    map_figure,
    write_analysis,
)
from results.listings import as_text

FUNCTIONS, MAP = "functions", "map"  # asked for like methods
SCREENED = 0.2  # of the runs go to a screening that chooses the inputs, at most
COALITION_RUNS = 62  # runs of a replicate that attributes to five functions
REACH_REPLICATES = 20


@dataclass(frozen=True)
class Asked:
    """What the command line asks."""

    method: str
    outcome: str
    parameters: str | None
    runs: int
    seed: int
    second_order: bool = False
    ci_width: float | None = None


@dataclass(frozen=True)
class Found:
    """What is printed, for people and for machines."""

    text: str
    facts: dict[str, Any]
    replicates: int


def check_asked(scenario: Scenario, asked: Asked) -> Outcome:
    """Raise ScenarioError for what cannot be asked, before anything runs."""
    known = (*METHODS, FUNCTIONS, MAP)
    if asked.method not in known:
        near = nearest(asked.method, known)
        raise ScenarioError([f"method: no method {asked.method!r}; known: {', '.join(known)}{near}"])
    outcome = read_outcome(asked.outcome, scenario)
    errors = []
    if asked.method != "sobol":
        for name, given in (("second_order", asked.second_order), ("ci_width", asked.ci_width is not None)):
            if given:
                errors.append(f"{name}: goes with method sobol")
    if asked.ci_width is not None and not asked.ci_width > 0.0:
        errors.append(f"ci_width {asked.ci_width:g}: must be above 0")
    if asked.method == FUNCTIONS and not outcome.effect:
        errors.append("outcome: functions share an effect: effect.adoption, effect.exchanges, ...")
    if asked.method == FUNCTIONS and asked.parameters is not None:
        errors.append("parameters: functions are shared out, not varied; leave it out")
    if errors:
        raise ScenarioError(errors)
    if asked.method == FUNCTIONS:
        if asked.runs < 2 * COALITION_RUNS:
            raise too_few(asked.runs, 2 * COALITION_RUNS, "functions")
    elif asked.parameters is not None and not asked.parameters.isdecimal():
        read_inputs(asked.parameters, scenario)
    elif asked.parameters is not None:
        count, most = int(asked.parameters), len(all_inputs(scenario))
        if not 1 <= count <= most:
            raise ScenarioError([f"parameters {count}: from 1 to {most}, or names"])
        needed = least_runs(most, outcome)
        if asked.method != "morris" and SCREENED * asked.runs < needed:
            raise too_few(asked.runs, int(needed / SCREENED), f"a screening that chooses {count} inputs")
    elif asked.method == MAP:
        raise ScenarioError(["method map: name two parameters (A,B)"])
    return outcome


def run_asked(
    scenario: Scenario, asked: Asked, folder: Path, *, executor: Executor, workers: int, stage: Stage
) -> Found:
    """Run what is asked as sweeps in `folder`, and write tables, words and figures; the same again goes on."""
    outcome = check_asked(scenario, asked)
    if asked.method == FUNCTIONS:
        return _functions(scenario, asked, outcome, folder, workers, stage)
    make = partial(
        Question, scenario, outcome=outcome, seed=asked.seed, workers=workers, executor=executor, stage=stage
    )
    inputs, spent = _inputs(scenario, asked, folder, make)
    question = make(inputs, folder=folder / "runs")
    if asked.method == MAP:
        return _map(question, asked, folder)
    if asked.method == "sobol":
        found = sobol(question, asked.runs - spent, asked.ci_width, asked.second_order)
    else:
        found = METHODS[asked.method].run(question, asked.runs - spent)
    write_analysis(found, folder)
    return Found(analysis_text(found), analysis_dict(found), found.replicates)


def _inputs(
    scenario: Scenario, asked: Asked, folder: Path, make: Callable[..., Question]
) -> tuple[tuple[Input, ...], int]:
    """The inputs by name, all, or the strongest by a screening, whose runs are counted."""
    everything = all_inputs(scenario)
    if asked.parameters is None:
        return tuple(everything), 0
    if not asked.parameters.isdecimal():
        return tuple(read_inputs(asked.parameters, scenario)), 0
    if asked.method == "morris" or int(asked.parameters) == len(everything):
        return tuple(everything), 0
    budget = max(int(SCREENED * asked.runs), 0)
    screening: Analysis = morris(make(tuple(everything), folder=folder / "screening"), budget)
    write_csv(folder / "screening.csv", screening.table)
    chosen = screening.ranked()[: int(asked.parameters)]
    return tuple(one for one in everything if one.name in chosen), screening.runs


def _functions(scenario: Scenario, asked: Asked, outcome: Outcome, folder: Path, workers: int, stage: Stage) -> Found:
    replicates = asked.runs // COALITION_RUNS
    indicator = outcome.indicator
    told = stage("what each function adds, replicates")
    shares = attribute(scenario, (indicator,), replicates=replicates, seed=asked.seed, workers=workers, progress=told)
    ranks = None
    if not scenario.facilitators:  # their reach would move too
        told, few = stage("over the ranges of reach, replicates"), min(replicates, REACH_REPLICATES)
        ranks = reach_ranks(scenario, indicator, replicates=few, seed=asked.seed, workers=workers, progress=told)
    write_csv(folder / "functions.csv", attribution_frame(shares))
    write_figure(partial(attribution_figure, shares, indicator, ranks), folder / "functions", "What each function adds")
    rows, words = attribution_rows(shares, indicator, ranks), attribution_words(shares, indicator, ranks)
    page = [f"# What each function adds to {outcome.name}", "", words, "", "![](functions.png)", ""]
    page += [*markdown.head(rows[0]), *(markdown.row(row.values()) for row in rows)]
    write_text(folder / "sensitivity.md", "\n".join([*page, ""]))
    facts = {
        "method": FUNCTIONS,
        "scenario": scenario.name,
        "outcome": outcome.name,
        "replicates": replicates,
        "seed": asked.seed,
        "values": attribution_frame(shares).to_dict(orient="records"),
        "first_over_reach": ranks.first if ranks else None,
        "words": words,
    }
    return Found(f"{as_text(rows)}\n\n{textwrap.fill(words, 118)}", facts, replicates)


def _map(question: Question, asked: Asked, folder: Path) -> Found:
    found = two_way(question, asked.runs)
    table, replicates, name = found.table, found.replicates, question.outcome.name
    basis = f"{name} in {question.scenario.name}, {replicates} replicates, seed {asked.seed}"
    write_csv(folder / "map.csv", table.assign(seed=asked.seed))
    draw = partial(map_figure, table, name, question.outcome.unit, basis)
    write_figure(draw, folder / "map", f"{name} over two parameters")
    rows = [{str(name): f"{value:.4g}" for name, value in row.items()} for row in table.to_dict(orient="records")]
    words = " ".join([*found.words, f"{basis}."])
    page = [f"# {name} over two parameters", "", words, "", "![](map.png)", ""]
    write_text(folder / "sensitivity.md", "\n".join(page))
    facts = {
        "method": MAP,
        "scenario": question.scenario.name,
        "outcome": name,
        "replicates": replicates,
        "seed": asked.seed,
        "points": table.astype(object).where(table.notna(), None).to_dict(orient="records"),
        "words": words,
    }
    return Found(f"{as_text(rows)}\n\n{textwrap.fill(words, 118)}", facts, replicates)
