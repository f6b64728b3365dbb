"""The main job: with and without the centre, each of its functions alone, and other sizes; files and a report."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pandas as pd

from abm.parameters import FUNCTIONS
from abm.scenario import Scenario
from calibration.posterior import FEWEST_DRAWS, Posterior, posterior_effect
from experiments.attribution import attribute, reach_ranks
from experiments.breakeven import PATHS, benefit
from experiments.budget import Stage, unseen
from experiments.effect import (
    OUTLAY,
    WITH,
    WITHOUT,
    Arms,
    effect_of,
    run_arms,
    single_function,
    without_centre,
)
from experiments.files import manifest, write_csv, write_json, write_parquet, write_text
from experiments.increments import increments
from experiments.methods import Analysis, morris
from experiments.precision import UntilNarrow
from experiments.questions import Question, all_inputs, read_outcome
from experiments.risk import SMALL, Small
from experiments.runner import default_workers, quick_switches, replicate_seeds
from experiments.unmeasured import Unmeasured, over_unmeasured, points_for
from results.allocation import SCREENED_FOR, reach_replicates, screening_runs, share_replicates
from results.answer import answer_text
from results.drawing import Study, staff
from results.figures import Drawer
from results.influence import analysis_text, attribution_frame, attribution_rows, attribution_words
from results.listings import as_text
from results.posteriors import posterior_frame, posterior_text
from results.report import (
    RANKING,
    dose_rows,
    function_rows,
    report_html,
    step_rows,
    study_answer,
    unmeasured_basis,
    unmeasured_rows,
)
from results.tables import HEADLINES, effect_table, effects_frame

DOSES = (1.0, 2.0, 4.0, 8.0, 16.0)  # FTE
ENDS: tuple[Literal["low", "high"], ...] = ("low", "high")  # of the assumed reach of one person
MONTHLY = (WITHOUT, WITH)  # arms whose months are kept
Grown = Callable[[Study], None]
SOMETIMES = ("functions", "screening", "posterior", "unmeasured")  # tables that not every study has
ALONE = "Each function alone (against no centre"  # title of a table
FEW_SHOWN = 10  # inputs of the screening on the terminal


def unshown(study: Study) -> None:
    """Nobody looks at a study that is under way."""


def _alone(function: str, reach: str = "") -> str:
    return f"only {function}, {reach} reach" if reach else f"only {function}"


def _dose(fte: float) -> str:
    return f"{fte:g} FTE"


def study_arms(scenario: Scenario) -> dict[str, Scenario]:
    """Scenarios by the name of their arm; functions that nobody works on have no arm of their own.

    Where others facilitate too, there are no arms at low and high reach: it would be that of the others as well.
    """
    ends = () if scenario.facilitators else ENDS
    staffed = [function for function in FUNCTIONS if staff(scenario, function) > 0]
    return {
        WITHOUT: without_centre(scenario),
        WITH: scenario,
        **{_alone(function): single_function(scenario, function) for function in staffed},
        **{_alone(function, end): single_function(scenario, function, end) for function in staffed for end in ends},
        **{_dose(fte): scenario.with_values({"facilitator.fte": fte}) for fte in DOSES},
    }


def run_study(
    scenario: Scenario,
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    workers: int | None = None,
    posterior: Posterior | None = None,
    small: Mapping[str, Small] = SMALL,
    quick: bool = False,
    stage: Stage = unseen,
    grown: Grown = unshown,
) -> Study:
    """Run all arms on the same replicates and estimate the effect of each against the arm without the centre; then what
    each function adds, how that and the effect move over what nobody has measured, and what the effect is sensitive to
    (`quick` leaves these out). Of a posterior there are as many draws as replicates. `small`: effects that are little.

    How many runs each of these has: allocation.py.
    `stage` is told what is being done, `grown` is given the study whenever a part has been added.
    """
    told = stage("runs on each seed")
    arms = run_arms(
        study_arms(scenario), replicates=replicates, seed=seed, monthly=MONTHLY, workers=workers, progress=told
    )
    treated = [name for name in arms.arm_names if name != WITHOUT]
    effects = {name: effect_of(arms, scenario, name, small) for name in treated}
    alone = {name: effects[_alone(name)] for name in FUNCTIONS if _alone(name) in effects}
    reach = {
        name: (effects[_alone(name, "low")], effects[_alone(name, "high")])
        for name in alone
        if _alone(name, "low") in effects
    }
    doses = {fte: effects[_dose(fte)] for fte in DOSES}
    steps = increments(arms, {fte: _dose(fte) for fte in DOSES})
    more = np.stack([arms.series(WITH, name) - arms.series(WITHOUT, name) for name in PATHS], axis=-1)
    _, pays = benefit(scenario, more, seed)
    study = Study(scenario, arms, effects[WITH], alone, reach, doses, small=small, quick=quick)
    study = replace(study, increments=steps, break_even=pays)
    grown(study)
    if posterior:
        told, draws = stage("draws from the posterior"), max(arms.pairs, FEWEST_DRAWS)
        over = posterior_effect(scenario, posterior, draws=draws, seed=seed, workers=workers, progress=told)
        study = replace(study, posterior=over)
    return study if not alone else _explained(study, seed, workers, stage, grown)


def _explained(study: Study, seed: int, workers: int | None, stage: Stage, grown: Grown) -> Study:
    """With what each function adds, how that hangs on reach, and what the effect is sensitive to."""
    scenario, pairs = study.scenario, study.arms.pairs
    told = stage("what each function adds, replicates")
    wanted = share_replicates(study.centre)
    how: dict[str, Any] = {"seed": seed, "workers": workers}
    shares = attribute(scenario, replicates=wanted, progress=told, known=study.arms, **how) if pairs > 1 else []
    ranks = None
    if shares and not study.quick and not scenario.facilitators:  # their reach would move too
        told = stage("over the ranges of reach, groups of points")
        ranks = reach_ranks(scenario, replicates=reach_replicates(pairs), progress=told, **how)
    study = replace(study, attribution=tuple(shares), ranks=ranks)
    grown(study)
    if study.quick:
        return study
    told, shown = stage("over what nobody has measured, points"), [name for name, _ in HEADLINES]
    over = over_unmeasured(scenario, shown, points=points_for(pairs), progress=told, **how)
    study = replace(study, unmeasured=over)
    study = replace(study, screening=_screened(scenario, screening_runs(study), seed, workers, stage))
    grown(study)
    return study


def _screened(scenario: Scenario, runs: int, seed: int, workers: int | None, stage: Stage) -> Analysis | None:
    """Morris screening of the effect on adoption, or None where there are no runs for it."""
    if runs == 0:
        return None
    outcome, inputs = read_outcome(SCREENED_FOR, scenario), tuple(all_inputs(scenario))
    with TemporaryDirectory() as folder, quick_switches(), ThreadPoolExecutor(workers or default_workers()) as threads:
        question = Question(scenario, inputs, outcome, seed, Path(folder), workers or default_workers(), threads, stage)
        return morris(question, runs)


def runs_frame(arms: Arms) -> pd.DataFrame:
    """One row an arm and replicate: every column at the horizon."""
    replicates = arms.pairs
    frame = pd.DataFrame(arms.ends.reshape(-1, len(arms.columns)), columns=list(arms.columns))
    frame.insert(0, "arm", np.repeat(arms.arm_names, replicates))
    frame.insert(1, "replicate", np.tile(np.arange(replicates), len(arms.arm_names)))
    frame.insert(2, "seed", np.tile(replicate_seeds(arms.seed, replicates), len(arms.arm_names)))
    return frame


def trajectories_frame(arms: Arms) -> pd.DataFrame:
    """One row an arm whose months were kept, replicate and month (from 1): every column."""
    names, chosen = list(arms.monthly), np.array(list(arms.monthly.values()))
    _, replicates, months, columns = chosen.shape
    frame = pd.DataFrame(chosen.reshape(-1, columns), columns=list(arms.columns))
    frame.insert(0, "arm", np.repeat(names, replicates * months))
    frame.insert(1, "replicate", np.tile(np.repeat(np.arange(replicates), months), len(names)))
    frame.insert(2, "month", np.tile(np.arange(1, months + 1), len(names) * replicates))
    return frame


def increments_frame(study: Study) -> pd.DataFrame:
    """One row a step in size: what it adds to exchanges, emissions avoided and public cost, and what each costs."""
    rows = []
    for one in study.increments:
        row: dict[str, Any] = {"fte_from": one.smaller, "fte_to": one.larger}
        for name, added in (("exchanges", one.exchanges), ("carbon", one.carbon), (OUTLAY, one.outlay)):
            row |= {name: added.mean, f"{name}_low": added.ci_low, f"{name}_high": added.ci_high}
        for name, cost in (
            ("marginal_cost_per_tonne", one.marginal_cost),
            ("marginal_cost_per_exchange", one.exchange_cost),
        ):
            row |= {name: cost.value, f"{name}_low": cost.ci_low, f"{name}_high": cost.ci_high}
        rows.append(row | {"pairs": one.exchanges.pairs, "seed": study.arms.seed})
    return pd.DataFrame(rows)


def unmeasured_frame(found: Unmeasured) -> pd.DataFrame:
    """One row a point: its parameters, and the mean effects of its pairs."""
    effects = {f"effect.{name}": values for name, values in found.effects.items()}
    return pd.DataFrame({**found.values, **effects}).assign(replicates=found.replicates, seed=found.seed)


def write_study(study: Study, folder: Path, drawer: Drawer | None = None) -> None:
    """Write tables, figures and report, and last the manifest: where it is, the rest belongs together.

    `drawer` may have drawn some of the figures before.
    """
    if drawer is None:
        with Drawer() as own:
            return write_study(study, folder, own)
    drawer.draw(study)
    arms, file = study.arms, folder / "manifest.json"
    for stale in (file, folder / "report.html", *(folder / f"{name}.csv" for name in SOMETIMES)):
        stale.unlink(missing_ok=True)
    write_parquet(folder / "runs.parquet", runs_frame(arms))
    write_parquet(folder / "trajectories.parquet", trajectories_frame(arms))
    effects = {
        WITH: study.centre,
        **{_alone(name): effect for name, effect in study.functions.items()},
        **{
            _alone(name, end): effect
            for name, pair in study.reach.items()
            for end, effect in zip(ENDS, pair, strict=True)
        },
        **{_dose(fte): effect for fte, effect in study.doses.items()},
    }
    write_csv(folder / "effects.csv", effects_frame(effects))
    write_csv(folder / "increments.csv", increments_frame(study))
    if study.unmeasured:
        write_csv(folder / "unmeasured.csv", unmeasured_frame(study.unmeasured))
    if study.attribution:
        write_csv(folder / "functions.csv", attribution_frame(study.attribution))
    if study.screening is not None:
        facts = {"rows": study.screening.rows, "replicates": study.screening.replicates, "seed": arms.seed}
        write_csv(folder / "screening.csv", study.screening.table.assign(**facts))
    if study.posterior:
        write_csv(folder / "posterior.csv", posterior_frame(study.posterior))
    write_text(folder / "report.html", report_html(study, drawer.write(folder / "figures")))
    more: dict[str, Any] = {"arms": list(arms.arm_names), "doses": list(study.doses)}
    more |= {"posterior": study.posterior.source} if study.posterior else {}
    write_json(file, manifest(study.scenario, "study", seed=arms.seed, replicates=study.centre.pairs, **more))


def study_text(study: Study) -> str:
    """What the terminal shows: the answer, the effect, the functions alone, the sizes."""
    parts = [answer_text(study_answer(study)), effect_table(study.centre)]
    if study.posterior:
        parts.append(f"The effect over the calibrated parameters\n\n{posterior_text(study.posterior)}")
    tables: Mapping[str, list[dict[str, str]]] = {
        ALONE: function_rows(study),
        "Size of the centre (against no centre": dose_rows(study),
        "From one size of the centre to the next (the first step from none": step_rows(study),
    }
    for title, rows in tables.items():
        if rows:
            parts.append(f"{title}; 95 % intervals; {study.basis})\n\n{as_text(rows)}")
            if title == ALONE:
                parts[-1] += f"\n\n{RANKING}"
    if study.unmeasured:
        words = textwrap.fill(unmeasured_basis(study.unmeasured), 118)
        parts.append(f"What nobody has measured\n\n{as_text(unmeasured_rows(study))}\n\n{words}")
    if study.attribution:
        rows = attribution_rows(study.attribution, "exchanges", study.ranks)
        words = textwrap.fill(attribution_words(study.attribution, "exchanges", study.ranks), 118)
        parts.append(f"What each function adds to living exchanges (Shapley values)\n\n{as_text(rows)}\n\n{words}")
    if study.screening is not None:
        title = "What the effect on participants is sensitive to (Morris; the strongest)"
        parts.append(f"{title}\n\n{analysis_text(study.screening, FEW_SHOWN)}")
    return "\n\n".join(parts)


def make_study(
    scenario: Scenario,
    folder: Path,
    *,
    replicates: int | UntilNarrow = 100,
    seed: int = 1,
    workers: int | None = None,
    posterior: Posterior | None = None,
    small: Mapping[str, Small] = SMALL,
    quick: bool = False,
    stage: Stage = unseen,
) -> str:
    """Run the study of a scenario and write it into `folder`; returns the text for the terminal."""
    with Drawer() as drawer:
        study = run_study(
            scenario, replicates=replicates, seed=seed, workers=workers, posterior=posterior, small=small, quick=quick,
            stage=stage, grown=drawer.draw,
        )  # fmt: skip
        stage("tables, figures and report are written")
        write_study(study, folder, drawer)
    text = study_text(study)
    if not isinstance(replicates, int) and (found := study.centre.indicators.get(replicates.indicator)):
        width = found.ci_high - found.ci_low
        if not width <= replicates.width:  # nan: not defined
            wide = f"an interval {width:.3g} wide, not {replicates.width:g}"
            text += f"\n\nStopped at {study.arms.pairs} pairs with {wide}."
    return text
