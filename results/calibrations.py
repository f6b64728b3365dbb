"""A calibration as text, as a page, and in figures."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.calibrate import Calibration
from calibration.recovery import DRAWS, Recovery
from results import markdown
from results.listings import as_text
from results.tables import number

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure


def wave_rows(found: Calibration) -> list[dict[str, Any]]:
    """What each wave left."""
    return [
        {
            "wave": str(row["wave"]),
            "points": str(row["points"]),
            "left of the space": f"{100 * row['volume']:.2g} % ({100 * row['volume_low']:.2g} to "
            f"{100 * row['volume_high']:.2g})",
            "without emulator": row["without_emulator"] or "-",
            "ruled out by": row["ruled_out_by"] or "-",
        }
        for row in found.matching.rows()
    ]


def informed_rows(found: Calibration) -> list[dict[str, Any]]:
    """What the targets say of each parameter."""
    if found.informed is None:
        return []
    return [
        {
            "parameter": row["name"],
            "unit": row["unit"],
            "default": number(row["default"]),
            "range": f"{number(row['range_low'])} to {number(row['range_high'])}",
            "posterior median (90 %)": f"{number(row['median'])} ({number(row['from'])} to {number(row['to'])})",
            "narrower by": f"{100 * row['contraction']:.0f} %",
            "by chance": f"up to {100 * row['chance']:.0f} %",
            "informed": "yes" if row["informed"] else "no",
        }
        for row in found.informed.to_dict("records")
    ]


def fit_rows(found: Calibration) -> list[dict[str, Any]]:
    """Each target's number: observed, and 95 % of the posterior's histories."""
    sample = found.sample
    if sample is None:
        return []
    problem, rows = sample.problem, []
    drawn = np.random.default_rng(found.plan.seed).choice(len(sample.weights), 4000, p=sample.weights)
    for place, name in enumerate(problem.targets):
        low, middle, high = np.quantile(sample.answers[drawn, place], (0.025, 0.5, 0.975))
        rows.append(
            {
                "target": name,
                "observed": f"{number(problem.observed[place])} ± {number(problem.tolerance[place])}",
                "accepted histories (95 %)": f"{number(middle)} ({number(low)} to {number(high)})",
            }
        )
    return rows


def basis(found: Calibration) -> str:
    """What it rests on."""
    plan, sample = found.plan, found.sample
    text = (
        f"{found.scenario.name}, rule {found.scenario.values['appraisal.rule']}: {len(found.matching.problem.inputs)} "
        f"parameters of {len(found.screening)} screened, {len(found.matching.problem.targets)} numbers to meet, "
        f"{found.matching.runs} evaluations in waves of {plan.replicates} replicates, seed {plan.seed}. "
    )
    if sample is None:
        return text + "No parameter values reproduce these targets at these discrepancies."
    return text + (
        f"Posterior: {plan.particles} particles ({sample.effective:.0f} effective), {sample.simulations} simulations. "
        "Narrower by: 90 % of the posterior against 90 % of the declared range; by chance: what as many draws from the "
        "range itself would seem to be; beyond that a parameter is informed. Discrepancies, and with them the width of "
        "the posterior, are judgement. Parameters that were screened out stay at their values."
    )


def sections(found: Calibration) -> list[tuple[str, list[dict[str, Any]]]]:
    """Titles and tables."""
    tables = [
        ("What each wave left", wave_rows(found)),
        ("What the targets say of the parameters", informed_rows(found)),
        ("Targets that were fitted", fit_rows(found)),
    ]
    if found.recovery:
        tables.append(("Recovery of known parameters", recovery_rows(found.recovery)))
    return [(title, rows) for title, rows in tables if rows]


def recovery_rows(recovery: Recovery) -> list[dict[str, Any]]:
    """Coverage of the posterior's intervals."""
    return [
        {
            "interval": f"{100 * row['level']:g} %",
            "holds the truth": f"{100 * row['coverage']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f})",
            "an exact posterior of so few particles": f"{100 * row['exact']:.0f} %",
            "truths x parameters": str(row["n"]),
        }
        for row in recovery.coverage().to_dict("records")
    ]


def recovery_words(recovery: Recovery) -> str:
    """What the recovery rests on and says."""
    counts, expected, p = recovery.ranks()
    return (
        f"{recovery.truths} truths drawn from the prior, {recovery.ruled_out} of them ruled out entirely; "
        f"{recovery.particles} particles, {recovery.generations} generations, first wave shared, seed {recovery.seed}. "
        f"Ranks of the truth in fifths of the posterior: {', '.join(map(str, counts))}; of so few particles "
        f"of an exact posterior {', '.join(f'{one:.0f}' for one in expected)} (p {p:.2f}); parameters of one truth are "
        f"taken as independent, which they are not quite. Truths lie at {recovery.table['value'].mean():.2f} of their "
        "ranges on average: where targets say little, ranks follow that luck."
    )


def calibration_text(found: Calibration) -> str:
    """For the terminal."""
    parts = [f"{title}\n\n{as_text(rows)}" for title, rows in sections(found)]
    parts.append(textwrap.fill(basis(found), 118))
    if found.recovery:
        parts.append(textwrap.fill(recovery_words(found.recovery), 118))
    return "\n\n".join(parts)


def calibration_page(found: Calibration) -> str:
    """The same as a page of Markdown."""
    lines = [f"# Calibration of {found.scenario.region.title}", "", basis(found), ""]
    if found.sample is not None:
        lines += ["![](posterior.png)", ""]
    if found.recovery:
        lines += [recovery_words(found.recovery), "", "![](recovery.png)", ""]
    for title, rows in sections(found):
        head = list(rows[0])
        lines += [f"## {title}", "", *markdown.head(head)]
        lines += [markdown.row(row[name] for name in head) for row in rows]
        lines.append("")
    return "\n".join(lines)


def posterior_figure(found: Calibration) -> Figure:
    """Each parameter's posterior within its declared range: median, 50 and 90 %, and the default."""
    from results.drawing import BLUE, FAINT, GREY, INK, new_figure

    assert found.sample is not None
    assert found.informed is not None
    problem = found.sample.problem
    many = found.sample.draws(4000, found.plan.seed)
    order = [problem.inputs.index(name) for name in found.informed["name"]]
    figure = new_figure(1.0 + 0.32 * len(order))
    axes = figure.subplots()
    ranges = {one.name: one for one in found.ranges}
    for place, column in enumerate(order):
        low, quarter, middle, three, high = np.quantile(many[:, column], (0.05, 0.25, 0.5, 0.75, 0.95))
        axes.plot([0, 1], [place, place], color=FAINT, lw=1)
        axes.plot([low, high], [place, place], color=BLUE, lw=2)
        axes.plot([quarter, three], [place, place], color=BLUE, lw=6, solid_capstyle="butt")
        axes.plot(middle, place, "o", color="white", mec=BLUE, ms=5)
        one = ranges[problem.inputs[column]]
        default = (float(one.parameter.default) - one.low) / (one.high - one.low)
        axes.plot(default, place, "|", color=INK, ms=12, mew=1.6)
    axes.set_yticks(range(len(order)), [problem.inputs[column] for column in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 1], ["low end of the range", "high end"])
    axes.grid(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    foot = "Bars: 50 and 90 % of the posterior; circle: median; stroke: default."
    figure.supxlabel(foot, x=0.995, ha="right", fontsize=7.5, color=GREY)
    return figure


def recovery_figure(recovery: Recovery) -> Figure:
    """Rank histogram, and where each truth lies against the posterior's median."""
    from results.drawing import BLUE, FAINT, GREY, new_figure

    counts, expected, _ = recovery.ranks()
    figure = new_figure(3.0)
    left, right = figure.subplots(1, 2)
    edges = np.linspace(0, DRAWS + 1, len(counts) + 1)
    sd = np.sqrt(expected * (1 - expected / counts.sum()))
    for first, last, middle, one in zip(edges[:-1], edges[1:], expected, sd, strict=True):
        left.fill_between([first, last], middle - 1.96 * one, middle + 1.96 * one, color=FAINT, lw=0)
    left.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE, ec="white")
    left.set_xlabel("rank of the truth in the posterior")
    left.set_ylabel("truths x parameters")
    right.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    right.plot(recovery.table["value"], recovery.table["median"], ".", color=BLUE, alpha=0.5, ms=5)
    right.set_xlabel("truth, within the range")
    right.set_ylabel("posterior median")
    foot = f"{recovery.truths} truths. Band: 95 % of counts if the posterior were exact."
    figure.supxlabel(foot, x=0.995, ha="right", fontsize=7.5, color=GREY)
    return figure


def write_calibration(found: Calibration, folder: Path) -> None:
    """Write page and figures; the tables are there already."""
    from experiments.files import write_text
    from results.drawing import write_figure

    if found.sample is not None:
        write_figure(lambda: posterior_figure(found), folder / "posterior", "Posterior")
    if (recovery := found.recovery) is not None:
        write_figure(lambda: recovery_figure(recovery), folder / "recovery", "Recovery")
    write_text(folder / "calibration.md", calibration_page(found))
