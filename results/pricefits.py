"""Fitted prices as people and programs read them: the printed table, fits.csv, prices.toml and JSON."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calibration.commodities import row_text, significant, span
from calibration.correlations import Correlation
from calibration.pricecheck import PATHS, Check, shares
from calibration.prices import NUMBERS, Estimate, Fit
from experiments.files import write_csv, write_text

HEADINGS = {
    "long_run_mean": "long-run mean",
    "volatility": "volatility",
    "half_life_years": "half-life yr",
    "jump_rate": "jumps /yr",
    "jump_sd": "jump sd",
}


def interval_text(one: Estimate) -> str:
    """'0.25 (0.21-0.3)'."""
    return f"{significant(one.value)} ({significant(one.low)}-{significant(one.high)})"


def fits_text(
    fits: Sequence[Fit], links: Correlation, checks: Sequence[Check], left_out: dict[str, str], basis: str
) -> str:
    """The table as text: estimates with 95 % intervals, then flags by series, then what it all rests on."""
    header = ("series", "unit", "window", "months", *HEADINGS.values(), "total", "unit root p", "loading")
    rows = [header]
    for one, loading in zip(fits, links.loadings, strict=True):
        facts = one.as_dict()
        rows.append(
            (
                one.series.name,
                one.series.unit,
                f"{facts['start']}..{facts['end']}",
                str(facts["months"]),
                *(interval_text(one[name]) for name in NUMBERS),
                f"{one.total_volatility:.3f}",
                "-" if one.unit_root is None else f"{one.unit_root.p:.3f}",
                f"{loading:.2f}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    lines += ["", "Flags", *(f"  {one.series.name}: {'; '.join(one.flags) or 'none'}" for one in fits)]
    lines += [f"  {name}: left out, {reason}" for name, reason in left_out.items()]
    return "\n".join([*lines, "", basis, _correlation_text(links), *_checks_text(checks), *NOTES])


def _checks_text(checks: Sequence[Check]) -> list[str]:
    """Of how many series the history is one that the fitted process would make."""
    found = shares(checks)
    held = ", ".join(f"{name.replace('_', ' ')} {some} of {all_}" for name, (some, all_) in found.items() if all_)
    return textwrap.wrap(f"History within 95 % of {PATHS} paths of its fit (checks.csv): {held}.", 118)


NOTES = (
    "In brackets: 95 % intervals of the profile likelihood (no bootstrap, no seed); none: no end. Half-lives are",
    "those of the restricted likelihood, which takes off half the bias. volatility: without jumps; total: with them,",
    "1/sqrt(yr), of returns of monthly averages, not adjusted: a spot price moves about 1.2 times as much",
    "(docs/prices.md).",
)


def _correlation_text(links: Correlation) -> str:
    if len(links.names) < 2:
        return "One series: no correlation."
    below = links.matrix[np.tril_indices(len(links.names), -1)]
    moved = (
        f"moved by at most {links.moved:.2g} to be positive definite" if links.moved else "positive definite as it is"
    )
    unknown = f"; {links.unknown} pairs share too few months (0 put)" if links.unknown else ""
    return f"Correlation of diffusive shocks: mean {below.mean():.2f}, {moved}{unknown}; loading: one common factor."


def fits_dict(
    fits: Sequence[Fit], links: Correlation, left_out: dict[str, str], facts: dict[str, Any]
) -> dict[str, Any]:
    """As `prices fit --json` prints it (architecture: `series` by name)."""
    loadings = dict(zip(links.names, links.loadings.tolist(), strict=True))
    series = {one.series.name: one.as_dict() | {"loading": loadings[one.series.name]} for one in fits}
    matrix = {"names": list(links.names), "matrix": links.matrix.round(6).tolist()}
    changed = {"largest_change": links.moved, "pairs_without_overlap": links.unknown}
    return {"series": series, "left_out": left_out, "correlation": matrix | changed, **facts}


def identifier(name: str) -> str:
    """'Iron ore, cfr spot' -> 'iron_ore_cfr_spot'."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def prices_toml(fits: Sequence[Fit], links: Correlation, basis: str, source: str) -> str:
    """Rows in the form of abm/data/commodities.toml, standard errors and intervals in comments."""
    head = [
        "# Fitted by: kretslopp prices fit (docs/prices.md).",
        f"# {basis}",
        "# price: long-run mean in the unit of the file, to be converted to SEK per unit of the model; volatility:",
        "# diffusive, 1/sqrt(yr); half_life: years; jump_rate: 1/yr; jump_sd: log; loading: on one common factor.",
    ]
    rows = []
    for one, loading in zip(fits, links.loadings, strict=True):
        name = one.series.name
        rows.append(row_text(identifier(name), name, one, float(loading), f"{name}, {source}, {span(one)}", {}))
    return "\n".join(head) + "\n\n" + "\n\n".join(rows) + "\n"


def fits_frame(fits: Sequence[Fit], links: Correlation) -> pd.DataFrame:
    """One row a series."""
    rows = []
    for one, loading in zip(fits, links.loadings, strict=True):
        row = {"series": one.series.name, **one.as_dict(), "loading": loading}
        rows.append(row | {"flags": "; ".join(one.flags)})
    return pd.DataFrame(rows)


def write_fits(
    fits: Sequence[Fit], links: Correlation, checks: Sequence[Check], folder: Path, basis: str, source: str
) -> None:
    """Write fits.csv, correlation.csv, prices.toml, and checks of history against the process, into `folder`."""
    write_csv(folder / "fits.csv", fits_frame(fits, links))
    matrix = pd.DataFrame(links.matrix.round(6), index=list(links.names), columns=list(links.names))
    write_csv(folder / "correlation.csv", matrix.rename_axis("series").reset_index())
    write_text(folder / "prices.toml", prices_toml(fits, links, basis, source))
    rows = [{**vars(one), "holds": one.holds} for one in checks]
    write_csv(folder / "checks.csv", pd.DataFrame(rows).rename(columns={"name": "property"}))
