"""What moves living exchanges in Östergötland, and by how much: the page results/published/properties.

python -m results.properties FOLDER
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np

from abm.interventions import INTERVENTIONS
from abm.parameters import FUNCTIONS, Value
from abm.plan import plan
from abm.scenario import load_scenario
from abm.simulate import simulate
from experiments.effect import unit
from experiments.files import write_text
from experiments.pairs import Difference, paired_differences
from experiments.runner import replicate_seeds, run_all
from results import markdown
from results.tables import effect_cells, number

REGION, PAIRS, SEED = "ostergotland", 60, 7
Changes = dict[str, Value]
APART = (
    "At the high end of their sweeps, from month 12, without a centre; not at equal cost "
    "([comparison](../comparison/comparison.md) is). Sums over the 15 years."
)
ALONE: Changes = {"facilitator.fte": 0.0}
RULES = ("npv", "payback", "real_option", "planned_behaviour", "satisficing")
CLOSING = 96  # month in which the centre of one row closes
MONEY = ("public_outlay", "tax_revenue")
BASIS = (
    f"Made by `make published` (`python -m results.properties`): Östergötland at the defaults, 15 years, {PAIRS} "
    f"replicates on common seeds, seed {SEED}: mean at the end, and the mean difference with its 95 % interval. Signs "
    "are tested (tests/test_directions.py, test_interventions.py, test_facilitators.py); sizes are the model's, not "
    "forecasts."
)


def _changes() -> dict[str, tuple[Changes, Changes]]:
    """Label to what is set before and after."""
    rows: dict[str, tuple[Changes, Changes]] = {}
    for rule in RULES:
        calm, wild = (ALONE | {"appraisal.rule": rule, "prices.volatility": value} for value in (0.0, 2.0))
        rows[f"volatility 0 to 2, `{rule}`"] = calm, wild
    for factor in (0.25, 4.0):
        rows[f"all transaction hours x {factor:g}"] = ALONE, ALONE | {"transaction.multiplier": factor}
    for staff in (1.0, 2.0, 4.0, 8.0, 16.0):
        rows[f"a centre of {staff:g} FTE"] = ALONE, {"facilitator.fte": staff}
    rows[f"4 FTE, closed in month {CLOSING}"] = ALONE, {"facilitator.fte": 4.0, "facilitator.stop": CLOSING}
    for function in FUNCTIONS:
        only: Changes = {f"facilitator.shares.{name}": float(name == function) for name in FUNCTIONS}
        for staff in (0.8, 4.0):
            rows[f"only {function}, {staff:g} FTE"] = ALONE, only | {"facilitator.fte": staff}
    return rows


class Ends:
    """Indicators over time of scenarios on common seeds, each scenario run once."""

    def __init__(self) -> None:
        self._runs: dict[tuple[tuple[str, Value], ...], np.ndarray] = {}
        self.columns = plan(load_scenario(REGION)).columns

    def runs(self, changes: Changes) -> np.ndarray:
        """Shape (replicates, months, indicators)."""
        key = tuple(sorted(changes.items()))
        if key not in self._runs:
            found = run_all(partial(simulate, load_scenario(REGION, changes)), replicate_seeds(SEED, PAIRS))
            self._runs[key] = np.array([run.values for run in found])
        return self._runs[key]

    def difference(self, name: str, before: Changes, after: Changes, month: int = -1) -> Difference:
        """The second against the first at the end, or in a month."""
        column = self.columns.index(name)
        without, with_ = (self.runs(changes)[:, month, column][:, None] for changes in (before, after))
        return paired_differences(without, with_, [unit(name)], SEED)[0]


def _growth(ends: Ends) -> str:
    """How fast a region without a centre grows in its first and last five years."""
    levels = ends.runs(ALONE)[:, :, ends.columns.index("exchanges")].mean(axis=0)
    return (
        f"Without a centre {(levels[59] - levels[0]) / 5:.1f} further living exchanges a year in the first five years, "
        f"{(levels[-1] - levels[-61]) / 5:.1f} in the last five."
    )


def _withdrawal(ends: Ends) -> str:
    """What is left of the difference after the closing."""
    closed: Changes = {"facilitator.fte": 4.0, "facilitator.stop": CLOSING}
    parts = []
    for text, month in (("at the closing", CLOSING - 1), ("a year later", CLOSING + 11), ("at the end", -1)):
        parts.append(f"{effect_cells(ends.difference('exchanges', ALONE, closed, month))[2]} {text}")
    stays = effect_cells(ends.difference("exchanges", ALONE, {"facilitator.fte": 4.0}))[2]
    return f"Withdrawal (closed in month {CLOSING}), against no centre: {', '.join(parts)}; {stays} if it stays."


def _interventions(ends: Ends) -> list[str]:
    """Interventions alone at the high end of their sweeps, and the centre beside them."""
    lines = markdown.head(("intervention", "level", "exchanges", "outlay, MSEK", "tax revenue, MSEK", "carbon, t CO2e"))
    arms: dict[str, tuple[str, Changes]] = {}
    for name, one in INTERVENTIONS.items():
        high = one.level.high
        assert high is not None
        level = type(one.level.default)(high)
        arms[name] = f"{number(float(high))} {one.level.unit}", ALONE | {one.level.name: level}
    arms["(a centre of 4 FTE)"] = "", {"facilitator.fte": 4.0}
    for name, (level_text, after) in arms.items():
        cells = [effect_cells(ends.difference(kind, ALONE, after))[2] for kind in ("exchanges", *MONEY, "carbon")]
        lines.append(markdown.row((name, level_text, *cells)))
    return lines


def main(folder: Path) -> None:
    """Write README.md."""
    ends = Ends()
    lines = ["# What moves the number of exchanges, and by how much", "", BASIS, ""]
    lines += markdown.head(("change", "from", "to", "difference in living exchanges"))
    for label, (before, after) in _changes().items():
        lines.append(markdown.row((label, *effect_cells(ends.difference("exchanges", before, after)))))
    lines += ["", _growth(ends), _withdrawal(ends), ""]
    lines += ["## Interventions alone", "", APART, ""]
    lines += [*_interventions(ends), ""]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "README.md", "\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
