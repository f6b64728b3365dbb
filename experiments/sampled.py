"""Methods that take any sample: measures of one Latin hypercube, beside what an input that does nothing scores."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis import (
    DUMMY,
    Analysis,
    check_inputs,
    left_out_words,
    outputs_of,
    salib_seed,
    unchanged_words,
    undefined_error,
)
from experiments.questions import Question, names_of, too_few

SAMPLED = 4  # replicates of a row
LEAST_SAMPLE = 60  # rows
PAWN_RESAMPLES, PAWN_SLICES = 100, 10
PERMUTATIONS = 199
LEVEL = 0.05  # chance that any input that does nothing is above PAWN's floor
NORMAL = 1.96


@dataclass(frozen=True)
class Sample:
    """Quantiles of the rows whose outcome is defined, shape (rows, inputs + 1), the last input doing nothing; the mean
    outcome of each; what is said of them."""

    u: np.ndarray
    y: np.ndarray
    unchanged: bool
    words: tuple[str, ...]

    @property
    def rows(self) -> int:
        """That are used."""
        return len(self.u)


def sampled(question: Question, runs: int, method: str) -> Sample:
    """Run a Latin hypercube; raises ScenarioError with too few runs, or too few rows whose outcome is defined."""
    from scipy.stats import qmc

    rows = runs // (SAMPLED * question.arms)
    needed = max(LEAST_SAMPLE, 4 * len(question.inputs))
    if rows < needed:
        raise too_few(runs, needed * SAMPLED * question.arms, f"{method} over {len(question.inputs)} inputs")
    generator = np.random.default_rng([question.seed, rows])
    u = qmc.LatinHypercube(question.width + 1, rng=generator).random(rows)
    outputs = outputs_of(*question.run(u[:, :-1], SAMPLED, "sample"))
    there, name = outputs.defined, question.outcome.name
    undefined = int(rows - there.sum())
    if rows - undefined < needed:
        raise undefined_error(name, undefined, rows, "rows", method)
    same = outputs.unchanged
    words = left_out_words(name, undefined, rows, "rows") + ((unchanged_words(name),) if same else ())
    return Sample(u[there], outputs.y[there].mean(axis=1), same, words)


def _with_dummy(question: Question) -> dict[str, Any]:
    names = [*names_of(question.inputs), DUMMY]
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def _table(names: list[str], measure: str, value: np.ndarray, half: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"name": names, measure: value, f"{measure}_low": value - half, f"{measure}_high": value + half}
    )


# -- PAWN


def pawn(question: Question, runs: int) -> Analysis:
    """PAWN (Pianosi & Wagener 2018): mean distance of the outcome's law from that given each tenth of the input.

    The mean, since the median of tenths misses what acts in a few of them. Floor: what the strongest of as many inputs
    that do nothing reaches in a share LEVEL of samples of this size, by permuting the outcome.
    """
    check_inputs(question, "pawn", choices=True)
    sample = sampled(question, runs, "pawn")
    slices = slices_of(sample.u)
    value = distances(slices, sample.y)
    generator = np.random.default_rng(question.seed)
    drawn = []
    for _ in range(PAWN_RESAMPLES):
        places = generator.integers(sample.rows, size=sample.rows)
        drawn.append(distances(slices[:, places], sample.y[places]))
    half = NORMAL * np.std(drawn, axis=0, ddof=1)  # a distance of samples has a bias, so no quantiles of resamples
    floor = pawn_floor(slices[:-1], sample.y, question.seed)
    table = _table([*names_of(question.inputs), DUMMY], "pawn", value, half)
    clear = (table["pawn"] > floor) & (table["name"] != DUMMY)
    table = table.assign(floor=floor, above_floor=clear)
    said = (
        f"{int(clear.sum())} of {len(question.inputs)} inputs score beyond what the strongest of as many that do "
        f"nothing would in {100 * LEVEL:.0f} % of such samples (pawn {floor:.3f}).",
    )
    words = sample.words if sample.unchanged else (*said, *sample.words)
    return Analysis("pawn", question, table, "pawn", sample.rows, SAMPLED, words)


def slices_of(u: np.ndarray) -> np.ndarray:
    """The tenth in which each row lies by each input, shape (inputs, rows); every tenth has as many rows."""
    ranks = np.argsort(np.argsort(u, axis=0), axis=0).T
    places: np.ndarray = ranks * PAWN_SLICES // len(u)
    return places


def distances(slices: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean over the tenths of the Kolmogorov-Smirnov distance of y in a tenth from all y, shape (inputs,).

    Tenths without a row (of a resample) are left out.
    """
    order = np.argsort(y, kind="stable")
    ahead = y[order]
    whole = np.arange(1, y.size + 1) / y.size
    last = np.append(ahead[1:] != ahead[:-1], True)  # of values that tie
    found = np.empty(len(slices))
    for number, places in enumerate(slices[:, order]):
        inside = np.cumsum(places[None, :] == np.arange(PAWN_SLICES)[:, None], axis=1, dtype=np.int32)
        counts = inside[:, -1]
        there = counts > 0
        gaps = np.abs(inside[there][:, last] / counts[there, None] - whole[last])
        found[number] = gaps.max(axis=1).mean()
    return found


def pawn_floor(slices: np.ndarray, y: np.ndarray, seed: int) -> float:
    """The distance that the largest of these inputs exceeds with a chance of LEVEL if none does anything."""
    generator = np.random.default_rng([seed, 0xF100])
    most = np.sort([distances(slices, generator.permutation(y)).max() for _ in range(PERMUTATIONS)])
    return float(most[int(np.ceil((1.0 - LEVEL) * (PERMUTATIONS + 1))) - 1])


# -- SALib's


def delta(question: Question, runs: int) -> Analysis:
    """Moment-independent delta (Borgonovo 2007; Plischke et al. 2013)."""
    from SALib.analyze import delta as analysis

    check_inputs(question, "delta", choices=True)
    sample, problem = sampled(question, runs, "delta"), _with_dummy(question)
    if sample.unchanged:
        return _nothing("delta", question, sample, 0.0)
    state = np.random.get_state()  # noqa: NPY002 - it seeds the global generator, and sets how warnings are shown
    shown = warnings.formatwarning
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings(record=True):  # it says what it thinks of the bins
            found = analysis.analyze(problem, sample.u, sample.y, seed=salib_seed(question.seed))
    finally:
        warnings.formatwarning = shown
        np.random.set_state(state)  # noqa: NPY002
    return _by_dummy("delta", question, sample, problem, found, ("delta", "delta_balanced", "delta_balanced_conf"))


def rbd_fast(question: Question, runs: int) -> Analysis:
    """First-order indices by random balance designs (Tarantola et al. 2006); chance is not taken off."""
    from SALib.analyze import rbd_fast as analysis

    check_inputs(question, "rbd_fast")
    sample, problem = sampled(question, runs, "rbd_fast"), _with_dummy(question)
    if sample.unchanged:
        return _nothing("S1", question, sample, np.nan, "rbd_fast")
    found = analysis.analyze(problem, sample.u, sample.y, seed=np.random.default_rng(question.seed))
    return _by_dummy("rbd_fast", question, sample, problem, found, ("S1", "S1", "S1_conf"))


def _nothing(measure: str, question: Question, sample: Sample, value: float, method: str = "delta") -> Analysis:
    """Of an outcome that never changes: shares of nothing are no number, distances are zero."""
    names = [*names_of(question.inputs), DUMMY]
    table = _table(names, measure, np.full(len(names), value), np.zeros(len(names)))
    table = table.assign(floor=value, above_floor=False)
    return Analysis(method, question, table, measure, sample.rows, SAMPLED, sample.words)


def _by_dummy(
    method: str,
    question: Question,
    sample: Sample,
    problem: Mapping[str, Any],
    found: Mapping[str, Any],
    keys: tuple[str, str, str],
) -> Analysis:
    """With the upper end of an input that does nothing as the floor; `keys`: ours, its value, its half width."""
    measure, value, half = keys
    table = _table(problem["names"], measure, np.array(found[value], float), np.array(found[half], float))
    floor = float(table.iloc[-1][f"{measure}_high"])
    clear = (table[f"{measure}_low"] > floor) & (table["name"] != DUMMY)
    table = table.assign(floor=floor, above_floor=clear)
    said = (
        f"{int(clear.sum())} of {len(table) - 1} inputs score beyond what one that does nothing may "
        f"({measure} {floor:.3f}).",
    )
    return Analysis(method, question, table, measure, sample.rows, SAMPLED, (*said, *sample.words))
