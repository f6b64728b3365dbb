"""The effect over a posterior as a table and in words."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from calibration.posterior import PosteriorEffect, Uncertain
from results.listings import as_text
from results.tables import HEADLINES, percent_or_number, unit_of, years

if TYPE_CHECKING:
    import pandas as pd


def _span(ends: tuple[float, float], unit: str) -> str:
    low, high = (percent_or_number(one, unit).replace(" %", "") for one in ends)
    return f"{low} to {high}"


def _share(one: Uncertain) -> str:
    if one.share is None or one.share_ci is None:
        return "nothing varies"
    return f"{100 * one.share:.0f} % ({100 * one.share_ci[0]:.0f} to {100 * one.share_ci[1]:.0f})"


def posterior_rows(effect: PosteriorEffect) -> list[dict[str, Any]]:
    """One row a headline: means of both arms, the effect, its interval over the parameters, and what makes it vary."""
    rows = []
    for name, label in HEADLINES:
        one = effect[name]
        sign = "+" if one.mean > 0 else ""
        rows.append(
            {
                "": label,
                "unit": unit_of(one.unit),
                "without": percent_or_number(one.without, one.unit),
                "with centre": percent_or_number(one.with_, one.unit),
                "effect": f"{sign}{percent_or_number(one.mean, one.unit)}".replace(" %", " pp"),
                "95 % over parameters": _span(one.ci, one.unit),
                "95 % of histories": _span(one.predictive, one.unit),
                "from parameters": _share(one),
            }
        )
    return rows


def posterior_basis(effect: PosteriorEffect) -> str:
    """What the table rests on."""
    one = effect["adoption"]
    error = percent_or_number(one.standard_error, one.unit).replace(" %", " pp")
    return (
        f"{effect.scenario}: after {years(effect.months)}, {effect.draws} draws from the posterior of "
        f"{len(effect.names)} parameters, {effect.pairs} pairs in all, seed {effect.seed}. The mean effect on adoption "
        f"has a standard error of {error}. Over parameters: the mean effect at parameters drawn from the posterior; of "
        "histories: one region's own effect, chance included; from parameters: their share of the variance of one "
        "history's effect, the rest is chance (firms, prices, luck)."
    )


def posterior_text(effect: PosteriorEffect) -> str:
    """For the terminal."""
    return f"{as_text(posterior_rows(effect))}\n\n{textwrap.fill(posterior_basis(effect), 118)}"


def posterior_frame(effect: PosteriorEffect) -> pd.DataFrame:
    """All indicators, one a row."""
    import pandas as pd

    rows = []
    for name, entry in effect.as_dict()["indicators"].items():
        (below, above), share = entry.pop("predictive"), entry.pop("parameter_share_ci") or (None, None)
        variance = entry.pop("variance")
        del entry["pairing_gain"], entry["pairing_gain_ci"]
        rows.append(
            {"indicator": name, **entry, "predictive_low": below, "predictive_high": above}
            | {f"variance_{part}": value for part, value in variance.items()}
            | {"parameter_share_low": share[0], "parameter_share_high": share[1], "draws": effect.draws}
            | {"seed": effect.seed}
        )
    return pd.DataFrame(rows)
