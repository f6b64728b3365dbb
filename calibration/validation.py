"""Does the model hold? Each target against what the model says at calibrated (or given) parameter values.

A number holds if it lies within 2 standard deviations of the model's mean, which are those of single histories over the
posterior, of the observation and of the discrepancy together. It cannot be judged where nine of ten draws from the
parameters' declared ranges would meet it within observation and discrepancy alone: then it says nothing. A property
holds if the 95 % interval of its mean is above zero, and cannot be judged while the interval includes zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from abm.parameters import Value
from abm.scenario import Scenario
from calibration.evaluation import Progress, answers_at, evaluation, input_ranges, values_at
from calibration.posterior import ENDS, Posterior
from calibration.targets import PROPERTY, USES, Point, Targets
from experiments.ranges import uncertain

HOLDS, FAILS, OPEN = VERDICTS = ("holds", "does not hold", "cannot be judged")
TOLERATED = 2.0  # standard deviations
UNTELLING = 0.9  # share of prior draws from which on a target judges nothing
FEWEST = 10  # histories in which a statistic must be defined
PRIOR = 1  # offset of the prior's seed from the posterior's


@dataclass(frozen=True)
class Finding:
    """One number of a target, or a property, and what the model says: mean and 95 % of histories (or of that mean).

    `prior` is the share of draws from the declared ranges within the tolerance of the observation; `histories` those in
    which the statistic was defined, of `asked`.
    """

    name: str
    letter: str
    use: str
    unit: str
    meaning: str
    source: str
    observed: float | None
    tolerance: float
    mean: float
    low: float
    high: float
    z: float | None
    prior: float | None
    histories: int
    asked: int
    verdict: str


@dataclass(frozen=True)
class Validation:
    """What was found, and what it rests on."""

    scenario: str
    rule: str
    posterior: str | None  # file, or None: the scenario's own values
    draws: int
    seed: int
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """As printed by `validate --json`; nan becomes null."""

        def plain(finding: Finding) -> dict[str, Any]:
            return {key: None if value != value else value for key, value in asdict(finding).items()}

        return {**vars(self), "findings": [plain(one) for one in self.findings]}


def judge(point: Point, use: str, histories: np.ndarray, prior: np.ndarray) -> Finding:
    """The verdict on one number, from histories at the posterior and at the prior (n,); nan: not defined."""
    target, seen = point.target, histories[np.isfinite(histories)]
    few = len(seen) < min(FEWEST, max(len(histories) // 2, 2))
    mean = float(seen.mean()) if len(seen) else math.nan
    spread = float(seen.std(ddof=1)) if len(seen) > 1 else math.nan
    low, high = (float(end) for end in np.quantile(seen, ENDS)) if len(seen) else (math.nan, math.nan)
    tolerance, z, met = math.hypot(point.sd, point.discrepancy), None, None
    if use == PROPERTY:
        half = float(stdtrit(len(seen) - 1, ENDS[1])) * spread / math.sqrt(len(seen)) if len(seen) > 1 else math.nan
        low, high = mean - half, mean + half
        verdict = HOLDS if low > 0.0 else FAILS if high < 0.0 else OPEN
    else:
        assert point.observed is not None  # the table is checked
        z = (point.observed - mean) / math.hypot(spread, tolerance)
        within = np.abs(prior - point.observed) <= TOLERATED * tolerance  # nan is not within
        met = float(within.mean())
        verdict = OPEN if few or met >= UNTELLING else HOLDS if abs(z) <= TOLERATED else FAILS
    return Finding(
        point.name,
        target.letter,
        use,
        target.unit,
        target.meaning,
        target.source,
        point.observed,
        tolerance,
        mean,
        low,
        high,
        z,
        met,
        len(seen),
        len(histories),
        verdict,
    )


def validate(
    scenario: Scenario,
    targets: Targets,
    posterior: Posterior | None,
    *,
    draws: int,
    seed: int,
    executor: Executor,
    progress: Progress | None = None,
) -> Validation:
    """One history at each of `draws` draws from the posterior (or at the scenario's values), and from the prior.

    The prior is uniform over the declared ranges of the posterior's parameters, or of all uncertain ones.
    """
    rule = str(scenario.values["appraisal.rule"])
    wanted = targets.of(scenario, USES)
    one = evaluation(scenario, wanted)
    names = posterior.names if posterior else [parameter.name for parameter in uncertain(scenario)]
    ranges = input_ranges(scenario, names)
    unit = np.random.default_rng([seed, PRIOR]).uniform(size=(draws, len(ranges)))
    calibrated: Sequence[dict[str, Value]] = posterior.draws(draws, seed) if posterior else [{}] * draws
    points = [*calibrated, *values_at(ranges, unit)]
    found = answers_at(points, 1, seed, one=one, executor=executor, progress=progress)[:, 0]
    findings = tuple(
        judge(point, point.target.use_for(rule), found[:draws, number], found[draws:, number])
        for number, point in enumerate(wanted.points)
    )
    return Validation(scenario.name, rule, posterior.source if posterior else None, draws, seed, findings)
