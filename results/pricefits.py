"""Fitted prices as people and programs read them: the printed table, fits.csv, prices.toml and JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calibration.correlations import Correlation
from calibration.prices import NUMBERS, Estimate, Fit
from experiments.files import write_csv, write_text

HEADINGS = {
    "long_run_mean": "long-run mean",
    "volatility": "volatility",
    "half_life_years": "half-life yr",
    "jump_rate": "jumps /yr",
    "jump_sd": "jump sd",
}


def significant(value: float | None) -> str:
    """Three significant digits without exponents; 'none' for an end that is not there."""
    if value is None:
        return "none"
    if value == 0.0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def interval_text(one: Estimate) -> str:
    """'0.25 (0.21-0.3)'."""
    return f"{significant(one.value)} ({significant(one.low)}-{significant(one.high)})"


def fits_text(fits: Sequence[Fit], links: Correlation, left_out: dict[str, str], basis: str) -> str:
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
    return "\n".join([*lines, "", basis, _correlation_text(links), *NOTES])


NOTES = (
    "In brackets: 95 % intervals of the profile likelihood (no bootstrap, no seed); none: no end. Half-lives are those of the",
    "restricted likelihood, which takes off the bias. volatility: without jumps; total: with them, 1/sqrt(yr), of returns of",
    "monthly averages, not adjusted: a spot price moves about 1.2 times as much (docs/prices.md).",
)


def _correlation_text(links: Correlation) -> str:
    if len(links.names) < 2:
        return "One series: no correlation."
    below = links.matrix[np.tril_indices(len(links.names), -1)]
    moved = f"moved by at most {links.moved:.2g} to be positive definite" if links.moved else "positive definite as it is"
    unknown = f"; {links.unknown} pairs share too few months (0 put)" if links.unknown else ""
    return f"Correlation of diffusive shocks: mean {below.mean():.2f}, {moved}{unknown}; loading: one common factor."


def fits_dict(fits: Sequence[Fit], links: Correlation, left_out: dict[str, str], facts: dict[str, Any]) -> dict[str, Any]:
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
    blocks = [
        "# Fitted by: kretslopp prices fit (docs/prices.md).",
        f"# {basis}",
        "# price: long-run mean in the unit of the file, to be converted to SEK per unit of the model; volatility: diffusive,",
        "# 1/sqrt(yr); half_life: years; jump_rate: 1/yr; jump_sd: log; loading: on one common factor of these series.",
    ]
    keys = {"long_run_mean": "price", "half_life_years": "half_life"}
    for one, loading in zip(fits, links.loadings, strict=True):
        lines = ["[[commodity]]", f'id = "{identifier(one.series.name)}"', f'name = "{_quoted(one.series.name)}"']
        for name in NUMBERS:
            found = one[name]
            comment = f"se {significant(found.se)}, 95 % {significant(found.low)} to {significant(found.high)}"
            comment += f", unit {one.series.unit}" if name == "long_run_mean" else ""
            lines.append(f"{keys.get(name, name)} = {_number(found.value)}  # {comment}")
        facts = one.as_dict()
        lines.append(f"loading = {loading:.2f}")
        said = f"{one.series.name}, {source}, {facts['start']} to {facts['end']}"
        lines += [f'source = "{_quoted(said)}"', *(f"# {flag}" for flag in one.flags)]
        blocks.append("\n".join(lines))
    return "\n".join(blocks[:4]) + "\n\n" + "\n\n".join(blocks[4:]) + "\n"


def _number(value: float) -> str:
    """Four significant digits, as TOML floats are written."""
    return repr(float(f"{value:.4g}"))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def fits_frame(fits: Sequence[Fit], links: Correlation) -> pd.DataFrame:
    """One row a series."""
    rows = []
    for one, loading in zip(fits, links.loadings, strict=True):
        row = {"series": one.series.name, **one.as_dict(), "loading": loading}
        rows.append(row | {"flags": "; ".join(one.flags)})
    return pd.DataFrame(rows)


def write_fits(fits: Sequence[Fit], links: Correlation, folder: Path, basis: str, source: str) -> None:
    """Write fits.csv, correlation.csv and prices.toml into `folder`."""
    write_csv(folder / "fits.csv", fits_frame(fits, links))
    matrix = pd.DataFrame(links.matrix.round(6), index=list(links.names), columns=list(links.names))
    write_csv(folder / "correlation.csv", matrix.rename_axis("series").reset_index())
    write_text(folder / "prices.toml", prices_toml(fits, links, basis, source))
