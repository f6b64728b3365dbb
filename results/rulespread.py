"""How far decision rules differ once each is calibrated on its own: the table of results/published/calibration.

    python -m results.rulespread FOLDER

where FOLDER/RULE/posterior.csv is what `kretslopp calibrate kalundborg --set appraisal.rule=RULE` found.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from abm.rules import RULES
from abm.scenario import load_scenario
from calibration.posterior import posterior_effect, read_posterior
from experiments.effect import paired_effect
from experiments.files import write_csv, write_text
from results import markdown
from results.tables import percent_or_number

REGION, DRAWS, SEED = "ostergotland", 60, 1
HEAD = (
    *("rule", "without, defaults", "effect, defaults (95 % of the mean)", "without, calibrated"),
    *("effect, calibrated (95 % over parameters)", "from parameters", "effective particles"),
)
SHOWN = ("exchanges", "adoption")
ALSO = {
    "recovery": ("Whether known parameters would be found again", "calibration"),
    "validation": ("How the model holds with the default rule's draws", "validation"),
    "defaults": ("How it holds with the defaults", "validation"),
}


def spread(folder: Path) -> pd.DataFrame:
    """One row a rule and indicator: the effect at the defaults and over the rule's posterior, as many runs each."""
    rows: list[dict[str, Any]] = []
    for rule in RULES:
        file = folder / rule / "posterior.csv"
        if not file.is_file():
            continue
        scenario = load_scenario(REGION, {"appraisal.rule": rule})
        plain = paired_effect(scenario, replicates=4 * DRAWS, seed=SEED)
        posterior = read_posterior(file)
        over = posterior_effect(scenario, posterior, draws=DRAWS, seed=SEED)
        for name in SHOWN:
            before, after = plain[name], over[name]
            rows.append(
                {"rule": rule, "indicator": name, "unit": before.unit, "default_without": before.without}
                | {"default": before.mean, "default_low": before.ci_low, "default_high": before.ci_high}
                | {"posterior_without": after.without, "posterior": after.mean, "posterior_low": after.ci[0]}
                | {"posterior_high": after.ci[1], "parameter_share": after.share, "pairs": over.pairs}
                | {"particles": len(posterior.weights), "effective": posterior.effective, "draws": DRAWS, "seed": SEED}
            )
    return pd.DataFrame(rows)


def _text(table: pd.DataFrame, folder: Path) -> str:
    lines = []
    for name in SHOWN:
        some = table[table["indicator"] == name]
        lines += [f"## Effect of the centre on {name}", ""]
        lines += markdown.head(HEAD)
        for row in some.to_dict("records"):
            values = {key: percent_or_number(row[key], row["unit"]) for key in row if isinstance(row[key], float)}
            cells = [str(row["rule"])]
            for kind in ("default", "posterior"):
                span = f"({values[f'{kind}_low']} to {values[f'{kind}_high']})"
                cells += [values[f"{kind}_without"], f"{values[kind]} {span}"]
            shares = (f"{100 * row['parameter_share']:.0f} %", f"{row['effective']:.0f} of {row['particles']}")
            lines.append(markdown.row((*cells, *shares)))
        ends = [(some[column].min(), some[column].max()) for column in ("default", "posterior")]
        unit = some["unit"].iloc[0]
        spans = [f"{percent_or_number(low, unit)} to {percent_or_number(high, unit)}" for low, high in ends]
        words = f"Over the rules the mean effect spans {spans[0]} at the defaults, {spans[1]} calibrated."
        lines += ["", words, ""] if len(some) > 1 else [""]
    pages = ", ".join(f"[{rule}]({rule}/calibration.md)" for rule in dict.fromkeys(table["rule"]))
    there = {name: also for name, also in ALSO.items() if (folder / name).is_dir()}
    also = "".join(f" {text}: [{name}]({name}/{page}.md)." for name, (text, page) in there.items())
    return (
        "# Calibrated parameters\n\nMade by `make published`. Decision rules calibrated on their own to the cluster of "
        f"Kalundborg: {pages}.{also} What is compared below: Östergötland, 15 years, {DRAWS} draws from each posterior "
        f"with four pairs each, and as many pairs at the defaults, seed {SEED}. Of what is calibrated the defaults "
        "have `discovery.finds` alone (MODEL.md, section 8). Where few particles are effective, the interval over "
        "parameters is rough and mostly too short.\n\n" + "\n".join(lines)
    )


def main(folder: Path) -> None:
    """Write rules.csv and README.md."""
    table = spread(folder)
    write_csv(folder / "rules.csv", table)
    write_text(folder / "README.md", _text(table, folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
