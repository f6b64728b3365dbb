"""Whether the model holds, as a table, a page and a figure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from calibration.targets import PROPERTY
from calibration.validation import FAILS, HOLDS, OPEN, VERDICTS, Finding, Validation
from results import markdown
from results.listings import as_text
from results.tables import number

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure


def _observed(one: Finding) -> str:
    return "above 0" if one.observed is None else f"{number(one.observed)} ± {number(one.tolerance)}"


def _span(one: Finding) -> str:
    if one.histories == 0:
        return "not defined"
    return f"{number(one.mean)} ({number(one.low)} to {number(one.high)})"


def validation_rows(validation: Validation) -> list[dict[str, Any]]:
    """One row a number."""
    return [
        {
            "target": one.name,
            "use": one.use,
            "unit": one.unit,
            "observed": _observed(one),
            "model": _span(one),
            "prior within": "" if one.prior is None else f"{100 * one.prior:.0f} %",
            "verdict": one.verdict,
        }
        for one in validation.findings
    ]


def basis(validation: Validation) -> str:
    """What the verdicts rest on."""
    counts = {verdict: sum(one.verdict == verdict for one in validation.findings) for verdict in VERDICTS}
    where = f"draws from {validation.posterior}" if validation.posterior else "histories at the scenario's own values"
    return (
        f"{counts[HOLDS]} hold, {counts[FAILS]} do not, {counts[OPEN]} cannot be judged. {validation.scenario}, rule "
        f"{validation.rule}: {validation.draws} {where}, seed {validation.seed}. Observed: with one standard deviation "
        "of observation and discrepancy (judgement). Model: mean and 95 % of single histories; of a property, of its "
        "mean. Prior within: share of draws from the declared ranges that come within two standard deviations; a "
        "target that nine of ten meet judges nothing. Hold-outs were never fitted."
    )


def validation_text(validation: Validation) -> str:
    """For the terminal."""
    return f"{as_text(validation_rows(validation))}\n\n{textwrap.fill(basis(validation), 118)}"


def validation_page(validation: Validation) -> str:
    """The same as a page of Markdown."""
    rows = validation_rows(validation)
    lines = ["# Does the model hold?", "", basis(validation), "", "![](validation.png)", ""]
    for verdict in VERDICTS:
        some = [(row, one) for row, one in zip(rows, validation.findings, strict=True) if one.verdict == verdict]
        if not some:
            continue
        lines += [
            f"## {verdict.capitalize()}",
            "",
            *markdown.head(("target", "use", "observed", "model", "prior within", "what it is", "source")),
        ]
        for row, one in some:
            cells = (one.name, one.use, f"{row['observed']} {one.unit}", row["model"], row["prior within"])
            lines.append(markdown.row((*cells, one.meaning, one.source)))
        lines.append("")
    return "\n".join(lines)


def validation_frame(validation: Validation) -> pd.DataFrame:
    """All findings, one a row."""
    import pandas as pd

    rows = validation.as_dict()["findings"]
    return pd.DataFrame(rows).assign(draws=validation.draws, seed=validation.seed)


COLOURS = {HOLDS: "#2f7d6b", FAILS: "#b4483b", OPEN: "#8a8f98"}


def validation_figure(validation: Validation) -> Figure:
    """Each number in units of its tolerance: the band is what is allowed, the bar 95 % of the model's histories."""
    from results.drawing import new_figure

    some = [one for one in validation.findings if one.use != PROPERTY and one.histories]
    figure = new_figure(1.2 + 0.3 * len(some))
    axes = figure.subplots()
    axes.axvspan(-2, 2, color="#eef1f4", lw=0)
    axes.axvline(0, color="#6b7078", lw=0.8)
    for place, one in enumerate(some):
        assert one.observed is not None
        low, mean, high = ((x - one.observed) / one.tolerance for x in (one.low, one.mean, one.high))
        axes.plot([low, high], [place, place], color=COLOURS[one.verdict], lw=2.4, solid_capstyle="round")
        axes.plot(mean, place, "o", color=COLOURS[one.verdict], ms=6)
    axes.set_yticks(range(len(some)), [f"{one.name}{'' if one.use == 'fit' else ' (hold-out)'}" for one in some])
    axes.set_xlabel("model less observed, in standard deviations of the tolerance", loc="right")
    axes.set_ylim(len(some) - 0.4, -1.4)
    for x, (verdict, colour) in zip((0.0, 0.2, 0.55), COLOURS.items(), strict=True):
        axes.text(x, 0.995, f"● {verdict}", color=colour, transform=axes.transAxes, va="top", fontsize=8.5)
    return figure


def write_validation(validation: Validation, folder: Path) -> None:
    """Write table, page and figure."""
    from experiments.files import write_csv, write_text
    from results.drawing import write_figure

    write_csv(folder / "validation.csv", validation_frame(validation))
    write_text(folder / "validation.md", validation_page(validation))
    write_figure(lambda: validation_figure(validation), folder / "validation", "Does the model hold?")
