"""Scenario discovery as a method: where is the outcome in its lowest quarter?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis import Analysis, check_inputs
from experiments.boxes import PERMUTATIONS, Judged, Space, judge
from experiments.questions import Question, names_of
from experiments.sampled import SAMPLED, Sample, sampled

QUARTER = 0.25  # of the rows: where the centre helps least


def prim(question: Question, runs: int) -> Analysis:
    """The box in which the outcome is in its lowest quarter (PRIM, Friedman & Fisher 1999; Bryant & Lempert 2010).

    An input counts as restricted if the box is more than chance and so is its own restriction (boxes.py).
    """
    check_inputs(question, "prim", choices=True)
    sample = sampled(question, runs, "prim")
    columns = question.columns(sample.u[:, :-1])
    values = [columns[name] for name in names_of(question.inputs)]
    interest, below = lowest(sample.y)
    found = judge(Space.of(values), interest, question.seed)
    rows = [_row(name, column, place, found) for place, (name, column) in enumerate(zip(columns, values, strict=True))]
    table = pd.DataFrame(rows).sort_values("kept", ignore_index=True, kind="stable")
    inside = found.box.inside
    facts = {
        "coverage": float(interest[inside].sum() / interest.sum()),
        "density": float(interest[inside].mean()),
        "mass": float(inside.mean()),
        "overall": float(interest.mean()),
        "p": found.p,
    }
    words = sample.words if sample.unchanged else (*_words(question, below, facts, found, sample), *sample.words)
    return Analysis("prim", question, table, "kept", sample.rows, SAMPLED, words, more=facts)


def lowest(y: np.ndarray) -> tuple[np.ndarray, str]:
    """The rows of the lowest quarter, shape (rows,), and up to where it goes, in words.

    Where rows tie at its end, all of them or none: whichever leaves a share nearer to a quarter, but not nothing.
    """
    limit = float(np.quantile(y, QUARTER))
    under, to = y < limit, y <= limit
    if under.any() and abs(under.mean() - QUARTER) < abs(to.mean() - QUARTER):
        return under, f"less than {limit:.3g}"
    return to, f"{limit:.3g} or less"


def _row(name: str, column: np.ndarray, place: int, found: Judged) -> dict[str, Any]:
    """Limits of one input: `low` and `high`, or of a choice the `values` that are kept."""
    there = column[found.box.inside] if found.survives and place in found.box.restricted else column
    row: dict[str, Any] = {"name": name, "low": np.nan, "high": np.nan, "values": ""}
    if column.dtype.kind in "iuf":
        least, most, low, high = (float(end) for end in (column.min(), column.max(), there.min(), there.max()))
        row |= {"low": low, "high": high}
        one = 1.0 if column.dtype.kind in "iu" else 0.0  # whole numbers are counted
        kept = (high - low + one) / (most - least + one) if most > least else 1.0
    else:
        values = [str(value) for value in np.unique(there)]
        row["values"] = ", ".join(values)
        kept = len(values) / len(np.unique(column))
    return row | {
        "restricted": place in found.holding,
        "p": found.restrictions.get(place, np.nan),
        "kept": kept,
    }


def _words(question: Question, below: str, facts: dict[str, float], found: Judged, sample: Sample) -> tuple[str, ...]:
    name = question.outcome.name
    overall = f"The lowest quarter of {name} is {below}: {100 * facts['overall']:.0f} % of the {sample.rows} rows."
    if not found.survives:
        chance = "" if found.p == 1.0 else f": {100 * found.p:.0f} % of permuted outcomes have one as good"
        return (overall, f"No box sets rows apart{chance}.")
    holding = found.holding
    names = [question.inputs[place].name for place in holding]
    loose = len(found.box.restricted) - len(holding)
    said = [
        overall,
        f"In the box {100 * facts['density']:.0f} % of the rows are of it; it holds {100 * facts['coverage']:.0f} % of "
        f"them in {100 * facts['mass']:.0f} % of the space (p {found.p:.3g}, {PERMUTATIONS} permutations).",
        f"Limits that are more than chance: {', '.join(names) or 'none of them alone'}.",
    ]
    return (*said, f"Not so {loose} other{'s' if loose > 1 else ''}.") if loose else tuple(said)
