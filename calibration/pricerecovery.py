"""Are known parameters found again? Series simulated by abm/prices.py, fitted as any other.

    python -m calibration.pricerecovery FOLDER

writes how often the 95 % intervals hold the truth, which is kept in results/published/prices.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from abm.catalogue import COMMODITY
from abm.chance import name_key
from abm.parameters import record
from abm.prices import deviations, levels, processes
from abm.scenario import load_scenario
from calibration.prices import NUMBERS, Fit, fit
from calibration.priceseries import Series
from experiments.files import write_csv, write_text
from experiments.runner import replicate_seeds

MONTHS = 365  # 1996-01 to 2026-05
REPETITIONS = 500
SEED = 7


@dataclass(frozen=True)
class Truth:
    """A commodity's row, as in abm/data/commodities.toml."""

    name: str
    price: float
    volatility: float
    half_life: float
    jump_rate: float
    jump_sd: float

    @property
    def values(self) -> tuple[float, ...]:
        """In the order of NUMBERS."""
        return self.price, self.volatility, self.half_life, self.jump_rate, self.jump_sd


TRUTHS = (
    Truth("few large jumps", 100.0, 0.25, 3.0, 0.23, 0.32),
    Truth("few jumps, calm between", 100.0, 0.14, 3.5, 0.33, 0.2),
    Truth("quick return, frequent jumps", 100.0, 0.2, 1.5, 1.0, 0.2),
    Truth("slow return", 100.0, 0.2, 8.0, 0.5, 0.25),
    Truth("natural gas, as shipped", 100.0, 0.0988, 3.5, 5.094, 0.1626),
)


def simulated(truth: Truth, seed: int, months: int = MONTHS) -> Series:
    """A price series of the model itself, in months 1996-01 and on."""
    rows = np.zeros(1, COMMODITY)
    for name in ("price", "volatility", "half_life", "jump_rate", "jump_sd"):
        rows[name] = getattr(truth, name)
    rows["key"] = name_key("recovery")
    process = processes(rows, record(dict(load_scenario("tiny").values))["prices"], 10.0)
    prices = levels(deviations(np.uint64(seed), process, months), process)[:, 0]
    return Series(truth.name, "unit", 12 * 1996 + np.arange(months), np.log(prices), ())


def covered(found: Fit, truth: Truth) -> list[tuple[bool, bool]]:
    """For each of NUMBERS: does the interval hold the truth, and do 1.96 standard errors around the value?"""
    result = []
    for name, value in zip(NUMBERS, truth.values, strict=True):
        one = found[name]
        inside = (one.low or 0.0) <= value <= (np.inf if one.high is None else one.high)
        result.append((inside, one.se is not None and abs(one.value - value) <= 1.96 * one.se))
    return result


def recovery(truth: Truth, repetitions: int, seed: int = SEED, months: int = MONTHS) -> pd.DataFrame:
    """One row a parameter: truth, quantiles of the estimates, and the shares that hold the truth."""
    fits = [fit(simulated(truth, one, months)) for one in replicate_seeds(seed, repetitions)]
    held = np.array([covered(one, truth) for one in fits])
    rows = []
    for place, (name, value) in enumerate(zip(NUMBERS, truth.values, strict=True)):
        low, middle, high = np.quantile([one[name].value for one in fits], (0.05, 0.5, 0.95))
        row = {"case": truth.name, "parameter": name, "truth": value, "median": middle, "q05": low, "q95": high}
        shares = {"coverage": held[:, place, 0].mean(), "coverage_of_1.96_se": held[:, place, 1].mean()}
        found = np.mean(["jumps_not_preferred" not in one.flags for one in fits])
        raw = np.median([one.half_life_uncorrected for one in fits]) if name == "half_life_years" else np.nan
        rows.append(row | shares | {"uncorrected_median": raw, "jumps_found": found, "repetitions": repetitions})
    return pd.DataFrame(rows)


def _text(table: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    for row in table.itertuples(index=False):
        cells = ["" if value != value else f"{value:.3g}" if isinstance(value, float) else str(value) for value in row]
        lines.append("| " + " | ".join(cells) + " |")
    shares = table["coverage"]
    return (
        "# Known price processes, found again\n\n"
        "Made by `make published` (`python -m calibration.pricerecovery`). Series of the model's own price process "
        f"(abm/prices.py), {MONTHS} months each, fitted as `kretslopp prices fit` does. 95 % intervals hold the truth "
        f"in {100 * shares.min():.1f} to {100 * shares.max():.1f} % of {REPETITIONS} repetitions (seed {SEED}), "
        f"{100 * shares.mean():.1f} % on average.\n\n" + "\n".join(lines) + "\n\n"
        "`coverage`: of the stated interval, whether or not jumps were found; `coverage_of_1.96_se`: of the value and "
        "1.96 stated standard errors around it; `uncorrected_median`: of the half-life by plain maximum likelihood; "
        "`jumps_found`: share of repetitions in which jumps were preferred.\n"
    )


def main(folder: Path) -> None:
    """Write recovery.csv and README.md."""
    table = pd.concat([recovery(truth, REPETITIONS) for truth in TRUTHS])
    write_csv(folder / "recovery.csv", table)
    write_text(folder / "README.md", _text(table))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
