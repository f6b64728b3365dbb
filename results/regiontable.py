"""The effect of a centre in every region: the table of results/published/regions.

python -m results.regiontable FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from abm.scenario import load_scenario
from experiments.effect import paired_effect
from experiments.files import write_csv, write_text
from results.tables import effect_cells, effects_frame, number, ratio_text

REGIONS = ("ostergotland", "vastra_gotaland", "bergslagen", "karleby", "metals", "national")
PAIRS, SEED = 50, 1
BASIS = (
    "Made by `make published` (`python -m results.regiontable`): a resource centre of 4 FTE over the whole region, "
    f"beside the facilitators that the region has, after 15 years; {PAIRS} pairs, seed {SEED}, 95 % intervals. Firms, "
    "anchors and utilities are the region's own ([docs/regions.md](../../../docs/regions.md)); parameters, prices and "
    "taxes are the same."
)
HEAD = (
    "| region | firms | participants in an exchange | further living exchanges | per 100 firms | "
    "marginal public cost, SEK/t CO2e |"
)


def main(folder: Path) -> None:
    """Write effects.csv and README.md."""
    effects = {name: paired_effect(load_scenario(name), replicates=PAIRS, seed=SEED) for name in REGIONS}
    write_csv(folder / "effects.csv", effects_frame(effects).rename(columns={"arm": "region"}))
    lines = ["# The same centre in every region", "", BASIS, "", HEAD, "|" + "---|" * HEAD.count(" |")]
    for name, effect in effects.items():
        scenario = load_scenario(name)
        firms = int(scenario.values["population.firms"])
        _, _, adoption = effect_cells(effect["adoption"])
        _, _, exchanges = effect_cells(effect["exchanges"])
        each = number(100 * effect["exchanges"].mean / firms)
        cost = ratio_text(effect.marginal_cost).replace(" SEK/t CO2e", "")
        lines.append(f"| {scenario.region.title} | {firms} | {adoption} | {exchanges} | {each} | {cost} |")
    write_text(folder / "README.md", "\n".join([*lines, ""]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
