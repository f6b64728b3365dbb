"""What was found on a file of hypotheses: table, page and figure."""

from __future__ import annotations

import math
import textwrap
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.claims import REJECTED, SUPPORTED, UNDECIDED, Claim, Finding
from experiments.files import write_csv, write_text
from experiments.hypotheses import Result
from experiments.sequences import MOVED
from results.drawing import BLUE, FAINT, GREY, INK, ORANGE, new_figure, write_figure
from results.markdown import cell, head, row
from results.tables import number, years

COLOURS = {SUPPORTED: BLUE, REJECTED: ORANGE, UNDECIDED: GREY}
HEAD = ("hypothesis", "verdict", "claim", "expected", "found", "replicates", "claim is")
RATIOS = " Ratios are taken in each replicate; their mean is not the ratio of means."
WRAP = 62  # characters of a claim's text in a line of the figure


def in_unit(value: float, unit: str) -> str:
    """A contrast as printed: shares in percentage points."""
    return f"{100 * value:.2g} pp" if unit == "share" else number(value)


def expected(claim: Claim) -> str:
    """'above 1', 'below -2', 'within 1 pp of zero'."""
    if claim.direction == "within":
        return f"within {in_unit(claim.smallest, claim.unit)} of zero"
    sign = -1.0 if claim.direction == "below" else 1.0
    return f"{claim.direction} {in_unit(sign * claim.smallest, claim.unit)}"


def found(one: Finding) -> str:
    """Mean with its confidence sequence when it was decided, or at the end; why there is none where there is none."""
    look, unit = one.shown, one.claim.unit
    if math.isnan(look.mean):
        return "not defined in any replicate"
    mean = in_unit(look.mean, unit)
    if look.same:
        return f"{mean} in every replicate: nothing differs, so nothing can be told apart"
    if math.isinf(look.low):
        return f"{mean} (no bound: fewer than {MOVED} replicates differ from the others)"
    low, high = in_unit(look.low, unit), in_unit(look.high, unit)
    return f"{mean} ({low} to {high})".replace(" pp", "", 2)


def counted(one: Finding) -> str:
    """'50 replicates', '50 replicates, 3 left out as not defined'."""
    left = one.shown.left_out
    return f"{one.shown.pairs} replicates" + (f", {left} left out as not defined" if left else "")


def basis(result: Result) -> str:
    """What the intervals are and how the decisions were made."""
    asked = result.asked
    return (
        f"{asked.scenario.region.title}, {years(asked.scenario.months)}, replicates of seed {asked.seed}, looked "
        f"at from {asked.pairs.first} on after every {asked.pairs.step}, at most {asked.pairs.most}. Intervals are "
        f"confidence sequences, which hold at every look; each of the {len(asked.claims)} claims has an error of "
        f"{asked.error_each:.2g}, so that the chance of any wrong decision is {asked.error:g} at most, for contrasts "
        "that are near enough to normal." + (RATIOS if any(claim.relative for claim in asked.claims) else "")
    )


def verdicts_text(result: Result) -> str:
    """For the terminal: each hypothesis with its verdict, then its claims."""
    lines = []
    for hypothesis, findings in result.findings:
        lines.append(f"{result.verdict(findings).upper():<10} {hypothesis.statement}")
        for one in findings:
            lines += textwrap.wrap(
                f"{one.verdict}: {one.claim.text}. Expected {expected(one.claim)}, found {found(one)}, "
                f"{counted(one)}", 108, initial_indent=" " * 11, subsequent_indent=" " * 13,
            )  # fmt: skip
    return "\n".join([*lines, "", *textwrap.wrap(basis(result), 118)])


def verdicts_page(result: Result) -> str:
    """The same as a page of Markdown."""
    lines = [f"# Hypotheses: {result.asked.name}", "", basis(result), "", *head(HEAD)]
    for hypothesis, findings in result.findings:
        for place, one in enumerate(findings):
            first = ("", "") if place else (hypothesis.statement, f"**{result.verdict(findings)}**")
            lines.append(row((*first, one.claim.text, expected(one.claim), found(one), counted(one), one.verdict)))
    lines += ["", "Sources of the hypotheses:", ""]
    lines += [f"- {cell(f'{hypothesis.statement}: {hypothesis.source}')}" for hypothesis, _ in result.findings]
    return "\n".join([*lines, ""])


def verdicts_figure(result: Result) -> Figure:
    """Each claim with its interval against what was said of it, on a scale of its own."""
    rows = [(hypothesis, one) for hypothesis, findings in result.findings for one in findings]
    figure = new_figure(0.62 * len(rows) + 0.4)
    for axes, (hypothesis, one) in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        scale = 100.0 if one.claim.unit == "share" else 1.0
        mean, low, high = (scale * value for value in one.shown[1:4])
        smallest = scale * one.claim.smallest
        ends = [value for value in (mean, low, high, smallest, -smallest, 0.0) if math.isfinite(value)]
        room = 0.08 * (max(ends) - min(ends)) or 1.0
        left, right = min(ends) - room, max(ends) + room
        said = {"above": (smallest, right), "below": (left, -smallest), "within": (-smallest, smallest)}
        axes.axvspan(*said[one.claim.direction], color=FAINT, alpha=0.6, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        colour = COLOURS[one.verdict]
        axes.plot([max(low, left), min(high, right)], [0, 0], color=colour, linewidth=2.4, solid_capstyle="butt")
        axes.plot(mean, 0, "o", color=colour, markersize=5.5)
        axes.set_xlim(left, right)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False)
        axes.tick_params(labelsize=7)
        unit = "pp" if one.claim.unit == "share" else one.claim.indicator
        text = "\n".join(textwrap.wrap(f"{hypothesis.name}: {one.claim.text} ({unit})", WRAP))
        axes.text(-0.04, 0.5, text, transform=axes.transAxes, ha="right", va="center", fontsize=7)
        axes.text(1.03, 0.5, one.verdict, transform=axes.transAxes, color=colour, fontsize=8, va="center",
                  fontweight="bold")  # fmt: skip
    figure.supxlabel(
        f"Grey: as stated. Bars: confidence sequence at error {result.asked.error_each:.2g}. "
        f"{result.asked.scenario.region.title}, seed {result.asked.seed}.",
        x=0.995, ha="right", fontsize=7.5, color=GREY,
    )  # fmt: skip
    return figure


def looks_frame(result: Result) -> pd.DataFrame:
    """Every look at every claim: replicates, how many of them were left out, mean, interval."""
    rows = [
        {"hypothesis": hypothesis.name, "claim": one.claim.text, "replicates": look.pairs, "left_out": look.left_out,
         "mean": look.mean, "low": look.low, "high": look.high}
        for hypothesis, findings in result.findings
        for one in findings
        for look in one.looks
    ]  # fmt: skip
    return pd.DataFrame(rows)


def write_verdicts(result: Result, folder: Path) -> None:
    """Write `verdicts.csv`, `verdicts.md`, `looks.csv` and the figure into `folder`."""
    write_csv(folder / "verdicts.csv", pd.DataFrame(result.rows()))
    write_csv(folder / "looks.csv", looks_frame(result))
    write_figure(partial(verdicts_figure, result), folder / "verdicts", f"Hypotheses: {result.asked.name}")
    write_text(folder / "verdicts.md", verdicts_page(result))
