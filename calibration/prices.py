"""Maximum likelihood of the price process of abm/prices.py for a checked series, with intervals and diagnostics.

The five numbers of a commodity's row are estimated together by the restricted likelihood (calibration/likelihood.py);
intervals are those of its profile: values at which twice the log likelihood ratio stays below the 95 % point of
chi-square with one degree. How often they hold the truth: calibration/pricerecovery.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import ndtr, ndtri

from abm.texts import DataError, shown
from calibration.likelihood import KAPPA, LONGEST_GAP, MEAN, RATE, SIZE, VOLATILITY, components, log_mean, objective
from calibration.pricefile import month_text
from calibration.priceseries import Series
from calibration.unitroot import DickeyFuller, dickey_fuller

NUMBERS = ("long_run_mean", "volatility", "half_life_years", "jump_rate", "jump_sd")  # what is estimated
PLACES = (MEAN, VOLATILITY, KAPPA, RATE, SIZE)  # and where each stands among the parameters
CHI_SQUARE = 3.841458820694124  # 95 %, one degree of freedom
SHORTEST = 1.0 / 12.0  # half-life, years
RECORDS = 3.0  # half-lives that a record must hold at least: estimates end there, intervals do not
NEVER = 1e-5  # speed of reversion, 1/yr, at which a record cannot be told from one without any
RATES = (1e-3, 6.0)  # jumps a year: at most in every second month, or the other months are the jumps
STARTS = ((0.2, 4.0), (1.0, 2.5), (3.0, 1.5))  # jumps a year and their size over the monthly deviation
FREQUENT = 1.5  # jumps a year from which on they are fat tails rather than rare events
SIGNIFICANT = 0.05
MOST_MEAN = 1e6  # times the highest price: a long-run mean that says the jumps are no jumps
SEARCH = {"maxfun": 500}  # evaluations, ten times what a search takes


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and 95 % interval; None: not known, or without a bound."""

    value: float
    se: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Fit:
    """What is known of one price."""

    series: Series
    estimates: dict[str, Estimate]
    half_life_uncorrected: float
    geometric_mean: float
    window_mean: float
    likelihood_gain: float  # of the two parameters of jumps: twice the log likelihood ratio
    unit_root: DickeyFuller | None
    flags: tuple[str, ...]
    scores: np.ndarray = field(repr=False)  # normal scores of the residuals
    shocks: dict[int, float] = field(repr=False)  # standardised diffusive shock by month, months of jumps left out

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of one of NUMBERS."""
        return self.estimates[name]

    @property
    def total_volatility(self) -> float:
        """Diffusion and jumps together, 1/sqrt(yr), as `abm.prices.processes` adds them up."""
        return total_volatility(*(self[name].value for name in ("volatility", "jump_rate", "jump_sd")))

    def as_dict(self) -> dict[str, Any]:
        """As JSON can write it; None: not known or without a bound."""
        row: dict[str, Any] = {name: self[name].value for name in NUMBERS}
        for name in NUMBERS:
            row |= {f"{name}_se": self[name].se, f"{name}_low": self[name].low, f"{name}_high": self[name].high}
        test = self.unit_root
        return row | {
            "total_volatility": self.total_volatility,
            "half_life_years_uncorrected": self.half_life_uncorrected,
            "long_run_mean_geometric": self.geometric_mean,
            "window_mean": self.window_mean,
            "jump_likelihood_ratio": self.likelihood_gain,
            "return_autocorrelation": self.series.autocorrelation,
            "adf_statistic": test and test.statistic,
            "adf_p": test and test.p,
            "adf_lags": test and test.lags,
            "unit": self.series.unit,
            "start": month_text(int(self.series.months[0])),
            "end": month_text(int(self.series.months[-1])),
            "months": int(self.series.months.size),
            "months_missing": self.series.missing,
            "flags": list(self.flags),
        }


def total_volatility(volatility: float, rate: float, size: float) -> float:
    """Diffusion and jumps together, 1/sqrt(yr)."""
    return math.sqrt(volatility**2 + rate * size**2)


class Likelihood:
    """The restricted log likelihood of one series, and its maximum over some of the parameters."""

    def __init__(self, series: Series) -> None:
        self.logs, self.gaps = series.logs, series.gaps
        steps = np.diff(self.logs)[self.gaps[1:] > 0] / np.sqrt(self.gaps[1:][self.gaps[1:] > 0])
        self.spread = float(steps.std()) * math.sqrt(12.0)
        half_lives = SHORTEST, series.years / RECORDS
        middle, wide = float(self.logs.mean()), 10.0 + 10.0 * float(self.logs.std())
        self.bounds = np.array(
            [
                (middle - wide, middle + wide),
                (math.log(math.log(2.0) / half_lives[1]), math.log(math.log(2.0) / half_lives[0])),
                (math.log(1e-3 * self.spread), math.log(10.0 * self.spread)),
                (math.log(RATES[0]), math.log(RATES[1])),
                (math.log(1e-3 * self.spread), math.log(30.0 * self.spread)),
            ]
        )

    def maximum(
        self, start: np.ndarray, free: tuple[int, ...], *, restricted: bool = True, of_price: bool = False
    ) -> tuple[float, np.ndarray]:
        """Largest log likelihood over the `free` parameters, the others as in `start`, and where it is."""
        theta, chosen = start.copy(), list(free)

        def negative(values: np.ndarray) -> tuple[float, np.ndarray]:
            theta[chosen] = values
            value, slope = objective(theta, self.logs, self.gaps, restricted, of_price)
            return (value, slope[chosen]) if math.isfinite(value) else (1e10, np.zeros(len(chosen)))

        # Truncated Newton: unlike L-BFGS-B it calls no BLAS, whose threads make tiny problems slow on a busy machine.
        bounds, first = self.bounds[chosen], np.clip(start[chosen], *self.bounds[chosen].T)
        found: Any = minimize(negative, first, jac=True, method="TNC", bounds=bounds, options=SEARCH)  # type: ignore[call-overload]
        theta[chosen] = found.x
        return -float(found.fun), theta

    def without_jumps(self, *, restricted: bool = True) -> tuple[float, np.ndarray]:
        """The maximum of the model without jumps."""
        kappa = math.log(2.0) / min(3.0, math.exp(-self.bounds[KAPPA, 0]) * math.log(2.0))
        start = np.array([self.logs.mean(), math.log(kappa), math.log(self.spread), -math.inf, 0.0])
        return self.maximum(start, (MEAN, KAPPA, VOLATILITY), restricted=restricted)

    def with_jumps(self, plain: np.ndarray, *, restricted: bool = True) -> tuple[float, np.ndarray]:
        """The maximum of the whole model, from several starts, as mixtures have several tops."""
        found = []
        for rate, size in STARTS:
            start = plain.copy()
            start[VOLATILITY] -= 0.3
            start[RATE], start[SIZE] = math.log(rate), math.log(size) + plain[VOLATILITY] - 0.5 * math.log(12.0)
            found.append(self.maximum(start, tuple(range(5)), restricted=restricted))
        return max(found, key=lambda one: one[0])


def fit(series: Series) -> Fit:
    """All that is estimated of one series; raises DataError for one that no such process makes."""
    likelihood = Likelihood(series)
    plain_value, plain = likelihood.without_jumps()
    value, full = likelihood.with_jumps(plain)
    gain = max(2.0 * (value - plain_value), 0.0)
    jumps = gain > 2.0 * math.log(series.months.size)  # Bayesian information criterion: two parameters more
    theta = full if jumps else plain
    try:
        estimates = _estimates(likelihood, theta, value, full)
    except OverflowError:
        raise DataError([_no_process(series)]) from None
    if estimates["long_run_mean"].value > MOST_MEAN * math.exp(series.logs.max()):
        raise DataError([_no_process(series)])
    raw = likelihood.without_jumps(restricted=False)
    raw = likelihood.with_jumps(raw[1], restricted=False) if jumps else raw
    test = dickey_fuller(series.monthly)
    scores, shocks = _residuals(series, theta)
    return Fit(
        series,
        estimates,
        half_life_uncorrected=math.log(2.0) / math.exp(raw[1][KAPPA]),
        geometric_mean=math.exp(theta[MEAN]),
        window_mean=float(np.exp(series.logs).mean()),
        likelihood_gain=gain,
        unit_root=test,
        flags=(*series.flags, *_fit_flags(likelihood, theta, jumps, test, estimates)),
        scores=scores,
        shocks=shocks,
    )


def _no_process(series: Series) -> str:
    """What is wrong with a series whose jumps have no mean."""
    step = int(np.abs(np.diff(series.logs)).argmax()) + 1
    times, month = math.exp(series.logs[step] - series.logs[step - 1]), month_text(int(series.months[step]))
    return f"{shown(series.name)}: no price process fits: in {month} it is {times:.2g} times the value before"


def fit_all(series: Sequence[Series], progress: Callable[[int, int], None]) -> list[Fit]:
    """Fits of all series, one after the other; `progress` is told how many of how many are done."""
    fits = []
    for one in series:
        fits.append(fit(one))
        progress(len(fits), len(series))
    return fits


def simulated_ahead(one: Fit, months: int, paths: int, seed: int, start: float | None = None) -> np.ndarray:
    """Log prices of `months` months from `start` (the last value) on, by the fit, shape (paths, months + 1)."""
    random = np.random.default_rng(seed)
    kappa = math.log(2.0) / one["half_life_years"].value
    a, mean = math.exp(-kappa / 12.0), math.log(one.geometric_mean)
    s = one["volatility"].value * math.sqrt(-math.expm1(-kappa / 6.0) / (2.0 * kappa))
    shocks = s * random.standard_normal((paths, months))
    jumps = random.random((paths, months)) < one["jump_rate"].value / 12.0
    shocks += jumps * one["jump_sd"].value * random.standard_normal((paths, months))
    logs = np.full((paths, months + 1), one.series.logs[-1] if start is None else start)
    for month in range(months):
        logs[:, month + 1] = mean + a * (logs[:, month] - mean) + shocks[:, month]
    return logs


def _above(theta: np.ndarray) -> float:
    """m: log of the mean price less the mean log price."""
    kappa, chance = math.exp(theta[KAPPA]), math.exp(theta[RATE]) / 12.0
    value, _ = log_mean(kappa, math.exp(theta[VOLATILITY]), math.exp(-kappa / 12.0), chance, math.exp(2 * theta[SIZE]))
    return value


def _estimates(likelihood: Likelihood, theta: np.ndarray, best: float, full: np.ndarray) -> dict[str, Estimate]:
    """Values at `theta`, intervals from the profile of the whole model, whose maximum is `best` at `full`.

    Where jumps are not preferred the intervals still are those of the model with them, and reach to the values.
    """
    jumps = math.isfinite(theta[RATE])
    priced = theta.copy()
    priced[MEAN] += _above(theta)
    errors = _log_errors(likelihood, priced, jumps)
    estimates = {}
    for name, place in zip(NUMBERS, PLACES, strict=True):
        low, high = _profile_interval(likelihood, place, full, best)
        if place == KAPPA:
            value, low, high = (math.log(2.0) / one if one else None for one in (math.exp(theta[place]), high, low))
            assert value is not None
        else:
            value = math.exp(priced[place]) if jumps or place not in (RATE, SIZE) else 0.0
        if place in (RATE, SIZE):
            low = low or 0.0
        low, high = (None if low is None else min(low, value)), (None if high is None else max(high, value))
        estimates[name] = Estimate(value, _standard_error(value, low, high, errors[place]), low, high)
    return estimates


def _standard_error(value: float, low: float | None, high: float | None, of_log: float | None) -> float | None:
    """Such that 1.96 of it around the value hold the interval; where that has no end, at least what curvature gives.

    The usual one, from curvature alone, is too short where likelihoods are as skewed as here: value and 1.96 of it
    would hold a true half-life of 3 years in 30 years of months only three times in four.
    """
    distances = [abs(end - value) / 1.96 for end in (low or 0.0, high) if end is not None]
    if high is None and of_log is None:
        return None
    return max(distances) if high is not None else max(*distances, value * (of_log or 0.0))


def _log_errors(likelihood: Likelihood, theta: np.ndarray, jumps: bool) -> list[float | None]:
    """Standard errors of the logs of all parameters from the observed information; None where it gives none."""
    places = [MEAN, KAPPA, VOLATILITY, RATE, SIZE] if jumps else [MEAN, KAPPA, VOLATILITY]
    for chosen in (places, [place for place in places if place != KAPPA]):
        information = np.empty((len(chosen), len(chosen)))
        for row, place in enumerate(chosen):
            step = np.zeros(5)
            step[place] = 1e-4
            ends = [objective(theta + way * step, likelihood.logs, likelihood.gaps, True, True)[1] for way in (1, -1)]
            information[row] = (ends[0] - ends[1])[chosen] / 2e-4
        information = 0.5 * (information + information.T)
        if np.all(np.isfinite(information)) and np.linalg.eigvalsh(information)[0] > 0.0:
            variances = dict(zip(chosen, np.diag(np.linalg.inv(information)), strict=True))
            return [math.sqrt(variances[place]) if place in variances else None for place in range(5)]
    return [None] * 5


def _profile_interval(
    likelihood: Likelihood, place: int, full: np.ndarray, best: float
) -> tuple[float | None, float | None]:
    """Ends of the 95 % interval of one parameter, not logged; of MEAN: of the mean price. None: no end is found."""
    of_price, centre = place == MEAN, float(full[place])
    start = full.copy()
    lowest, highest = likelihood.bounds[place]
    if of_price:
        centre += _above(full)
        lowest, highest = lowest - 50.0, highest + 50.0
    elif place == KAPPA:
        lowest = math.log(NEVER)
    others = tuple(other for other in range(5) if other != place)

    def deviance(value: float) -> float:
        start[place] = value
        return 2.0 * (best - likelihood.maximum(start, others, of_price=of_price)[0]) - CHI_SQUARE

    ends = [_crossing(deviance, centre, limit) for limit in (lowest, highest)]
    return tuple(None if end is None else math.exp(end) for end in ends)  # type: ignore[return-value]


def _crossing(deviance: Callable[[float], float], centre: float, limit: float) -> float | None:
    """Where `deviance` rises above 0 between `centre` and `limit`, by ever longer steps; None if it does not."""
    before, step = centre, math.copysign(0.2, limit - centre)
    while before != limit:
        here = before + step
        if (here - limit) * step >= 0.0:
            here = limit
        if deviance(here) > 0.0:
            return float(brentq(deviance, before, here, xtol=1e-3))
        before, step = here, 1.6 * step
    return None


def _residuals(series: Series, theta: np.ndarray) -> tuple[np.ndarray, dict[int, float]]:
    """Normal scores of all transitions, and the diffusive shock of each month that probably had no jump."""
    kappa, p, v = math.exp(theta[KAPPA]), math.exp(theta[RATE]) / 12.0, math.exp(2.0 * theta[SIZE])
    a = math.exp(-kappa / 12.0)
    q = math.exp(2.0 * theta[VOLATILITY]) * -math.expm1(-kappa / 6.0) / (2.0 * kappa)
    gaps, x = series.gaps, series.logs - theta[MEAN]
    scores, shocks = np.full(x.size, np.nan), {}
    for n in range(1, LONGEST_GAP + 1):
        places = np.flatnonzero(gaps == n)
        if not places.size:
            continue
        parts = components(n, a, q, p, v)
        parts = parts[parts[:, 5] > 0.0]
        e = (x[places] - a**n * x[places - 1])[:, None]
        scores[places] = ndtri(np.clip(ndtr(e / np.sqrt(parts[:, 1])) @ parts[:, 5], 1e-12, 1.0 - 1e-12))
        if n == 1:
            logs = parts[:, 0] - 0.5 * e * e / parts[:, 1]
            calm = np.exp(logs[:, 0] - np.logaddexp.reduce(logs, axis=1)) > 0.5
            standard = e[:, 0] / math.sqrt(q)
            shocks = {int(series.months[t]): float(z) for t, z in zip(places[calm], standard[calm], strict=True)}
    return scores[np.isfinite(scores)], shocks


def _fit_flags(
    likelihood: Likelihood, theta: np.ndarray, jumps: bool, test: DickeyFuller | None, estimates: dict[str, Estimate]
) -> list[str]:
    """What is not well known."""
    at_bound = theta[KAPPA] <= likelihood.bounds[KAPPA, 0] + 1e-6
    open_end = estimates["half_life_years"].high is None
    seen = {
        "half_life_weakly_identified": open_end or test is None or test.p > SIGNIFICANT,
        "half_life_at_bound": at_bound,
        "jumps_not_preferred": not jumps,
        "jumps_frequent": jumps and math.exp(theta[RATE]) > FREQUENT,
        "jump_rate_at_bound": jumps and theta[RATE] >= likelihood.bounds[RATE, 1] - 1e-6,
    }
    return [flag for flag, there in seen.items() if there]
