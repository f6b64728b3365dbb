"""Methods of sensitivity analysis through one interface: a question and a number of runs in, a table out.

Sampling and analysis are SALib's wherever it has them; chance is taken off, or shown as a floor: what an input that
does nothing would score. A method is a function and a line in `METHODS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd

from abm.scenario import ScenarioError
from experiments.indices import LEAST_BLOCKS
from experiments.questions import Outcome, Question, names_of, too_few
from experiments.sensitivity import Sample, SobolResult, result_of, sample
from experiments.workbench import LEAST_DENSITY, prim_box

RESAMPLES = 500
LEVELS = 4  # of Morris' grid
TRAJECTORIES = (4, 20)  # of Morris: at least, and as many as are better than more replicates
FEWEST, MOST = 2, 16  # replicates of a row
SAMPLED = 4  # replicates of a row of the methods that take any sample
LEAST_SAMPLE = 60  # rows of these
DUMMY = "(an input that does nothing)"
PAWN_RESAMPLES, PAWN_SLICES = 100, 10
QUARTER = 0.25  # of the rows: where the centre helps least
ENDS = (0.025, 0.975)
NORMAL = 1.96


@dataclass(frozen=True)
class Analysis:
    """What a method found: one row an input, `measure` ranks them; `low` and `high` columns beside each measure."""

    method: str
    question: Question
    table: pd.DataFrame
    measure: str
    rows: int
    replicates: int
    words: tuple[str, ...] = ()
    sobol: SobolResult | None = None
    convergence: pd.DataFrame | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """Simulations."""
        return self.rows * self.replicates * self.question.arms

    def ranked(self) -> list[str]:
        """Inputs by the measure, strongest first."""
        table = self.table[self.table["name"] != DUMMY]
        return table.sort_values(self.measure, ascending=False)["name"].tolist()

    @property
    def basis(self) -> str:
        """What the numbers rest on."""
        question = self.question
        return (
            f"{question.outcome.name} in {question.scenario.name}: {self.rows} rows of {self.replicates} replicates, "
            f"{self.runs} runs, seed {question.seed}; 95 % intervals"
        )


def _no_groups(question: Question, method: str) -> None:
    wide = [one.name for one in question.inputs if one.width > 1]
    if wide:
        raise ScenarioError([f"parameters: {wide[0]} is several inputs in one, which only sobol takes, not {method}"])


def salib_seed(seed: int) -> int:
    """A seed that SALib takes for one: 0 is none to it."""
    return 1 + seed % (2**31 - 2)


def _mean(with_: np.ndarray | None, without: np.ndarray) -> np.ndarray:
    """Outputs of rows and replicates: the effect, or the outcome without the centre."""
    return without if with_ is None else with_ - without


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

    _no_groups(question, "morris")
    count = len(question.inputs)
    step = (count + 1) * question.arms
    replicates = int(np.clip(runs // (TRAJECTORIES[1] * step), FEWEST, MOST))
    trajectories = runs // (step * replicates)
    if trajectories < TRAJECTORIES[0]:
        raise too_few(runs, least_runs(count, question.outcome), f"morris over {count} inputs")
    generator = np.random.default_rng([question.seed, count])
    u = sampling.sample(question.unit_problem, trajectories, num_levels=LEVELS, seed=generator)
    luck = np.repeat(np.arange(trajectories), count + 1)
    without, with_ = question.run(u, replicates, "morris", luck)
    y = _mean(with_, without)
    found = analysis.analyze(
        question.unit_problem, u, y.mean(axis=1), num_levels=LEVELS, seed=salib_seed(question.seed)
    )
    effects = elementary_effects(u, y, count)
    noise = (effects.var(axis=2, ddof=1) / replicates).mean(axis=0)
    drawn = _resampled_rows(effects.mean(axis=2), question.seed)  # (draws, trajectories, inputs)
    star, spread = np.abs(drawn).mean(axis=1), drawn.std(axis=1, ddof=1)
    table = pd.DataFrame({"name": names_of(question.inputs), "mu_star": found["mu_star"], "mu": found["mu"]})
    table["mu_star_low"], table["mu_star_high"] = np.quantile(star, ENDS, axis=0)
    table["sigma"] = found["sigma"]
    table["sigma_low"], table["sigma_high"] = np.quantile(spread, ENDS, axis=0)
    table["floor"] = np.sqrt(noise * 2.0 / math.pi)
    table["above_floor"] = table["mu_star_low"] > table["floor"]
    clear = table[table["above_floor"]]
    words = (
        f"{len(clear)} of {count} inputs move {question.outcome.name} more than chance alone would seem to "
        f"({trajectories} trajectories).",
    )
    return Analysis("morris", question, table, "mu_star", len(u), replicates, words)


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
    last = looks[-1]
    words = [f"Chance has {ratio:.2g} times the variance of the parameters' mean in the pilot, so rows have "
             f"{last.replicates} replicates."]  # fmt: skip
    if not last.identified:
        words.append("Not identified: the interval of the parametric variance includes zero, so no index is given.")
    elif width is not None:
        reached = _widest(last) <= width
        words.append(f"Stopped {'since intervals are' if reached else 'with the runs spent, intervals not'} at most "
                     f"{width:g} wide ({last.blocks} blocks).")  # fmt: skip
    frame = last.to_frame().drop(columns=["rows", "replicates", "blocks", "seed"])
    convergence = pd.concat([one.to_frame() for one in looks], ignore_index=True)
    return Analysis("sobol", question, frame, "ST", last.rows, last.replicates, tuple(words), last, convergence)


# -- any sample


def _sampled(question: Question, runs: int, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of a Latin hypercube and outputs of each row and replicate; the last input does nothing."""
    from scipy.stats import qmc

    _no_groups(question, method)
    rows = runs // (SAMPLED * question.arms)
    needed = max(LEAST_SAMPLE, 4 * len(question.inputs))
    if rows < needed:
        raise too_few(runs, needed * SAMPLED * question.arms, f"{method} over {len(question.inputs)} inputs")
    generator = np.random.default_rng([question.seed, rows])
    u = qmc.LatinHypercube(question.width + 1, rng=generator).random(rows)
    without, with_ = question.run(u[:, :-1], SAMPLED, "sample")
    return u, _mean(with_, without)


def _with_dummy(question: Question) -> dict[str, Any]:
    names = [*names_of(question.inputs), DUMMY]
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def pawn(question: Question, runs: int) -> Analysis:
    """PAWN (Pianosi & Wagener 2018): median distance of the outcome's law from that given the input's tenth."""
    from SALib.analyze import pawn as analysis

    u, y = _sampled(question, runs, "pawn")
    problem, seed = _with_dummy(question), salib_seed(question.seed)
    mean = y.mean(axis=1)

    def median(places: np.ndarray) -> np.ndarray:
        return np.array(analysis.analyze(problem, u[places], mean[places], S=PAWN_SLICES, seed=seed)["median"])

    generator = np.random.default_rng(question.seed)
    drawn = [median(generator.integers(len(u), size=len(u))) for _ in range(PAWN_RESAMPLES)]
    half = NORMAL * np.std(drawn, axis=0, ddof=1)  # a distance of samples has a bias, so no quantiles of resamples
    found = {"pawn": median(np.arange(len(u))), "half": half}
    return _floored("pawn", question, _table(problem, found, "pawn", "half"), len(u))


def delta(question: Question, runs: int) -> Analysis:
    """Moment-independent delta (Borgonovo 2007; Plischke et al. 2013)."""
    from SALib.analyze import delta as analysis

    u, y = _sampled(question, runs, "delta")
    problem = _with_dummy(question)
    with redirect_stdout(StringIO()):  # it prints what it thinks of the bins
        found = analysis.analyze(problem, u, y.mean(axis=1), seed=salib_seed(question.seed))
    found = {"delta": found["delta_balanced"], "half": found["delta_balanced_conf"]}
    return _floored("delta", question, _table(problem, found, "delta", "half"), len(u))


def rbd_fast(question: Question, runs: int) -> Analysis:
    """First-order indices by random balance designs (Tarantola et al. 2006); chance is not taken off."""
    from SALib.analyze import rbd_fast as analysis

    u, y = _sampled(question, runs, "rbd_fast")
    problem = _with_dummy(question)
    found = analysis.analyze(problem, u, y.mean(axis=1), seed=np.random.default_rng(question.seed))
    return _floored("rbd_fast", question, _table(problem, found, "S1", "S1_conf"), len(u))


def _table(problem: Mapping[str, Any], found: Mapping[str, Any], measure: str, half: str) -> pd.DataFrame:
    value, spread = np.array(found[measure]), np.array(found[half])
    return pd.DataFrame({
        "name": problem["names"], measure: value, f"{measure}_low": value - spread, f"{measure}_high": value + spread,
    })  # fmt: skip


def _floored(method: str, question: Question, table: pd.DataFrame, rows: int) -> Analysis:
    measure = str(table.columns[1])
    floor = float(table.iloc[-1][f"{measure}_high"])
    clear = (table[f"{measure}_low"] > floor) & (table["name"] != DUMMY)
    table = table.assign(floor=floor, above_floor=clear)
    words = (f"{int(clear.sum())} of {len(table) - 1} inputs score beyond what one that does nothing may "
             f"({measure} {floor:.3f}).",)  # fmt: skip
    return Analysis(method, question, table, measure, rows, SAMPLED, words)


def prim(question: Question, runs: int) -> Analysis:
    """Scenario discovery (PRIM, Friedman & Fisher 1999; Bryant & Lempert 2010): where is the outcome in its lowest
    quarter? Needs the extra `discovery` (EMA Workbench)."""
    u, y = _sampled(question, runs, "prim")
    mean = y.mean(axis=1)
    limit = float(np.quantile(mean, QUARTER))
    values = pd.DataFrame(question.columns(u[:, :-1]))
    box = prim_box(values, mean <= limit)
    steps = box.peeling_trajectory
    dense = steps["mean"].iloc[-1] >= LEAST_DENSITY  # otherwise no box is found: the whole space
    chosen = int((steps["coverage"] * steps["density"]).to_numpy().argmax()) if dense else 0
    limits, whole = box.box_lims[chosen], box.box_lims[0]
    rows = []
    for name in names_of(question.inputs):
        (low, high), (least, most) = limits[name], whole[name]
        rows.append({"name": name, "low": low, "high": high, "restricted": bool(low > least or high < most),
                     "kept": float((high - low) / (most - least))})  # fmt: skip
    table = pd.DataFrame(rows).sort_values("kept", ignore_index=True)
    facts = {name: float(steps[name].iloc[chosen]) for name in ("coverage", "density", "mass")}
    words = (
        f"Lowest quarter of {question.outcome.name}: {limit:.3g} or less. In the box {100 * facts['density']:.0f} % of "
        f"the rows are of it, against {100 * QUARTER:.0f} % overall; it holds {100 * facts['coverage']:.0f} % of them "
        f"in {100 * facts['mass']:.0f} % of the space.",
    )
    return Analysis("prim", question, table, "kept", len(u), SAMPLED, words, more=facts)


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
