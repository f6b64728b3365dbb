"""Methods of sensitivity analysis through one interface: a question and a number of runs in, a table out.

Sampling and analysis are SALib's where it has what is needed; chance is taken off, or shown as a floor: what an input
that does nothing would score. A method is a function and a line in `METHODS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis import (
    DUMMY,
    ENDS,
    Analysis,
    check_inputs,
    left_out_words,
    outputs_of,
    salib_seed,
    unchanged_words,
    undefined_error,
)
from experiments.discovery import prim
from experiments.indices import LEAST_BLOCKS
from experiments.questions import Outcome, Question, names_of, too_few
from experiments.sampled import delta, pawn, rbd_fast
from experiments.sensitivity import Sample, SobolResult, result_of, sample

__all__ = ["DUMMY", "METHODS", "Analysis", "elementary_effects", "least_runs", "morris", "salib_seed", "sobol"]

RESAMPLES = 500
LEVELS = 4  # of Morris' grid
TRAJECTORIES = (4, 20)  # of Morris: at least, and as many as are better than more replicates
FEWEST, MOST = 2, 16  # replicates of a row


# -- screening


def least_runs(inputs: int, outcome: Outcome) -> int:
    """Runs that a screening of so many inputs needs."""
    return TRAJECTORIES[0] * FEWEST * (inputs + 1) * (2 if outcome.effect else 1)


def morris(question: Question, runs: int) -> Analysis:
    """Elementary effects (Morris 1991) over the range of each input; rows of one trajectory share their luck.

    mu* is the mean size of the change of the outcome from one end of the range to the other, sigma its spread over
    trajectories. Floor: the mu* that an input of no effect would have from the noise that this input has.
    """
    from SALib.analyze import morris as analysis
    from SALib.sample import morris as sampling

    check_inputs(question, "morris")
    count = len(question.inputs)
    step = (count + 1) * question.arms
    replicates = int(np.clip(runs // (TRAJECTORIES[1] * step), FEWEST, MOST))
    trajectories = runs // (step * replicates)
    if trajectories < TRAJECTORIES[0]:
        raise too_few(runs, least_runs(count, question.outcome), f"morris over {count} inputs")
    generator = np.random.default_rng([question.seed, count])
    u = sampling.sample(question.unit_problem, trajectories, num_levels=LEVELS, seed=generator)
    luck = np.repeat(np.arange(trajectories), count + 1)
    outputs = outputs_of(*question.run(u, replicates, "morris", luck))
    whole = outputs.defined.reshape(trajectories, -1).all(axis=1)
    left, name = int(whole.sum()), question.outcome.name
    if left < TRAJECTORIES[0]:
        raise undefined_error(name, trajectories - left, trajectories, "trajectories", "morris")
    kept = np.repeat(whole, count + 1)
    u, y = u[kept], outputs.y[kept]
    found = analysis.analyze(
        question.unit_problem, u, y.mean(axis=1), num_levels=LEVELS, seed=salib_seed(question.seed)
    )
    table = _morris_table(question, found, elementary_effects(u, y, count))
    above = int(table["above_floor"].sum())
    said = f"{above} of {count} inputs move {name} more than chance alone would seem to ({left} trajectories)."
    words = (
        unchanged_words(name) if outputs.unchanged else said,
        *left_out_words(name, trajectories - left, trajectories, "trajectories"),
    )
    return Analysis("morris", question, table, "mu_star", len(u), replicates, words)


def _morris_table(question: Question, found: Mapping[str, Any], effects: np.ndarray) -> pd.DataFrame:
    noise = (effects.var(axis=2, ddof=1) / effects.shape[2]).mean(axis=0)
    drawn = _resampled_rows(effects.mean(axis=2), question.seed)  # (draws, trajectories, inputs)
    star, spread = np.abs(drawn).mean(axis=1), drawn.std(axis=1, ddof=1)
    table = pd.DataFrame({"name": names_of(question.inputs), "mu_star": found["mu_star"], "mu": found["mu"]})
    table["mu_star_low"], table["mu_star_high"] = np.quantile(star, ENDS, axis=0)
    table["sigma"] = found["sigma"]
    table["sigma_low"], table["sigma_high"] = np.quantile(spread, ENDS, axis=0)
    table["floor"] = np.sqrt(noise * 2.0 / math.pi)
    table["above_floor"] = table["mu_star_low"] > table["floor"]
    return table


def elementary_effects(u: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Change of each output per unit of the input that moved, shape (trajectories, inputs, replicates)."""
    x = u.reshape(-1, count + 1, count)
    steps, changes = np.diff(x, axis=1), np.diff(y.reshape(len(x), count + 1, -1), axis=1)
    moved = np.abs(steps).argmax(axis=2)
    size = np.take_along_axis(steps, moved[..., None], axis=2)
    effects = np.empty((len(x), count, changes.shape[2]))
    np.put_along_axis(effects, moved[..., None].repeat(changes.shape[2], axis=2), changes / size, axis=1)
    return effects


def _resampled_rows(values: np.ndarray, seed: int) -> np.ndarray:
    """Bootstrap samples of the first axis, shape (RESAMPLES, ...)."""
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    return values[drawn]


# -- Sobol, corrected for chance

PILOT = (4, 8)  # blocks of so many base samples
PILOT_REPLICATES = 4
KAPPA, TAU = 0.2, 0.3  # spread of squared differences over V^2, and a total index, as they often are (judgement)
STEP, MANY = 4, 16  # blocks added at a time, and as many as give narrow intervals


def best_replicates(ratio: float) -> int:
    """Replicates a row that make total indices surest for the money, by the ratio of chance to parametric variance.

    A squared difference varies by kappa V^2, by 4 tau V s2/R, and by noise squared, (2 + 1/(R - 1)) (s2/R)^2 with the
    correction's own; rows cost R.
    """
    if math.isinf(ratio):
        return MOST
    sizes = np.arange(FEWEST, MOST + 1)
    noise = max(ratio, 0.0) / sizes
    spread = KAPPA + 4.0 * TAU * noise + (2.0 + 1.0 / (sizes - 1)) * noise**2
    return int(sizes[(sizes * spread).argmin()])


def sobol(question: Question, runs: int, width: float | None = None, second_order: bool = False) -> Analysis:
    """First and total indices of the conditional mean, with the variance budget.

    A pilot measures chance against parametric variance and sets the replicates; blocks are added until all intervals of
    total indices are `width` wide at most, or the runs are spent.
    """
    groups = len(question.inputs)
    matrices = groups * (2 if second_order else 1) + 2
    pilot = _sobol_rows(question, range(-PILOT[0], 0), PILOT[1], second_order=False)
    spent = len(pilot.rows) * PILOT_REPLICATES * question.arms
    least = LEAST_BLOCKS * PILOT[1] * matrices * FEWEST * question.arms
    if runs < spent + least:
        raise too_few(runs, spent + least, f"sobol over {groups} inputs")
    ratio = _chance_ratio(_sobol_result(question, pilot, PILOT_REPLICATES, "pilot"))
    most = (runs - spent) // (LEAST_BLOCKS * PILOT[1] * matrices * question.arms)  # so that four blocks are paid for
    replicates = min(best_replicates(ratio), most)
    size, most = _block_size(runs - spent, matrices * replicates * question.arms)
    steps = [most] if width is None else [*range(min(2 * STEP, most), most, STEP), most]
    looks: list[SobolResult] = []
    for blocks in steps:
        rows = _sobol_rows(question, range(blocks), size, second_order)
        looks.append(_sobol_result(question, rows, replicates, "sobol"))
        if width is not None and _widest(looks[-1]) <= width:
            break
    return _sobol_analysis(question, looks, ratio, width)


def _sobol_rows(question: Question, blocks: Sequence[int], size: int, second_order: bool) -> Sample:
    return sample(question.unit_problem, size, [number + PILOT[0] for number in blocks], second_order, question.seed)


def _block_size(runs: int, cost: int) -> tuple[int, int]:
    """Base samples in a block, a power of two, and how many blocks so many runs pay for, at `cost` a base sample.

    Sixteen blocks or more give narrow intervals; larger blocks cover the ranges more evenly.
    """
    size = PILOT[1]
    while runs // (cost * 2 * size) >= MANY:
        size *= 2
    return size, max(runs // (cost * size), LEAST_BLOCKS)


def _sobol_result(question: Question, rows: Sample, replicates: int, part: str) -> SobolResult:
    without, with_ = question.run(rows.rows, replicates, part)
    outputs, name = outputs_of(without, with_), question.outcome.name
    undefined = int((~outputs.defined).sum())
    if undefined:  # its rows belong together
        raise undefined_error(name, undefined, len(outputs.y), "rows", "sobol")
    effect = with_ is not None
    return result_of(
        rows, with_ if with_ is not None else without, without if effect else None,
        quantity="effect" if effect else "outcome", seed=question.seed,
    )  # fmt: skip


def _chance_ratio(result: SobolResult) -> float:
    variance = result.variance
    return variance["chance"] / variance["parametric"] if variance["parametric"] > 0.0 else math.inf


def _widest(result: SobolResult) -> float:
    one = result.indices["total"]
    return math.inf if not result.identified else float((one.high - one.low).max())


def _sobol_analysis(question: Question, looks: list[SobolResult], ratio: float, width: float | None) -> Analysis:
    last, variance = looks[-1], looks[-1].variance
    words = [f"Chance has {ratio:.2g} times the variance of the parameters' mean in the pilot, so rows have "
             f"{last.replicates} replicates."]  # fmt: skip
    if variance["parametric"] == variance["chance"] == 0.0:
        words = [unchanged_words(question.outcome.name)]
    elif not last.identified:
        words.append("Not identified: the interval of the parametric variance includes zero, so no index is given.")
    elif width is not None:
        reached = _widest(last) <= width
        words.append(f"Stopped {'since intervals are' if reached else 'with the runs spent, intervals not'} at most "
                     f"{width:g} wide ({last.blocks} blocks).")  # fmt: skip
    frame = last.to_frame().drop(columns=["rows", "replicates", "blocks", "seed"])
    convergence = pd.concat([one.to_frame() for one in looks], ignore_index=True)
    return Analysis("sobol", question, frame, "ST", last.rows, last.replicates, tuple(words), last, convergence)


@dataclass(frozen=True)
class Method:
    """A method by name; what it says of an input, and from whom."""

    run: Callable[..., Analysis]
    meaning: str


METHODS: dict[str, Method] = {
    "morris": Method(morris, "screening: mean size of the change over an input's range"),
    "sobol": Method(sobol, "shares of the variance of the mean, first and total, corrected for chance"),
    "pawn": Method(pawn, "distance between laws of the outcome"),
    "delta": Method(delta, "moment-independent importance"),
    "rbd_fast": Method(rbd_fast, "first-order shares of variance"),
    "prim": Method(prim, "where the outcome is in its lowest quarter"),
}
