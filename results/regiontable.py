"""The effect of a centre in every region: the table of results/published/regions.

python -m results.regiontable FOLDER
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np

from abm.plan import plan
from abm.scenario import Scenario, load_scenario
from abm.simulate import simulate
from experiments.effect import OUTLAY, paired_effect, unit
from experiments.files import write_csv, write_text
from experiments.pairs import paired_differences
from experiments.runner import replicate_seeds, run_all
from results import markdown
from results.tables import effect_cells, effects_frame, number, ratio_text

REGIONS = ("ostergotland", "vastra_gotaland", "bergslagen", "karleby", "metals", "national")
PAIRS, SEED = 50, 1
EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
BASIS = (
    "Made by `make published` (`python -m results.regiontable`): a resource centre of 4 FTE over the whole region, "
    f"beside the facilitators that the region has, after 15 years; {PAIRS} pairs, seed {SEED}, 95 % intervals. Firms, "
    "anchors and utilities are the region's own ([docs/regions.md](../../../docs/regions.md)); parameters, prices and "
    "taxes are the same."
)
HEAD = (
    *("region", "firms", "participants in an exchange", "further living exchanges", "per 100 firms"),
    "average public cost, SEK/t CO2e",
)


def main(folder: Path) -> None:
    """Write effects.csv and README.md."""
    effects = {name: paired_effect(load_scenario(name), replicates=PAIRS, seed=SEED) for name in REGIONS}
    write_csv(folder / "effects.csv", effects_frame(effects).rename(columns={"arm": "region"}))
    lines = ["# The same centre in every region", "", BASIS, "", *markdown.head(HEAD)]
    for name, effect in effects.items():
        scenario = load_scenario(name)
        firms = int(scenario.values["population.firms"])
        _, _, adoption = effect_cells(effect["adoption"])
        _, _, exchanges = effect_cells(effect["exchanges"])
        each = number(100 * effect["exchanges"].mean / firms)
        cost = ratio_text(effect.average_cost).replace(" SEK/t CO2e", "")
        lines.append(markdown.row((scenario.region.title, str(firms), adoption, exchanges, each, cost)))
    gains = [effect["exchanges"].mean for effect in effects.values()]
    costs = {load_scenario(name).region.title: one.average_cost.value for name, one in effects.items()}
    known = {title: value for title, value in costs.items() if value is not None}
    cheapest, dearest = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    words = (
        f"The centre adds {min(gains):.0f} to {max(gains):.0f} living exchanges wherever it works: what one person "
        "does in a year is the same, so the gain hangs more on staff than on how many firms there are. A tonne is "
        f"cheapest in {cheapest}, dearest in {dearest}. Where facilitators are at work already some firms are served "
        "twice (`facilitator.coordination`)."
    )
    pairs = "Which sectors exchange with which, against observed cases: [sectors.md](sectors.md)."
    write_text(folder / "README.md", "\n".join([*lines, "", words, "", pairs, "", *_places(), "", *_projects(), ""]))


def _places() -> list[str]:
    """A national centre with nodes against the same staff in one place, on the same firms and luck."""
    nodes, place = (load_scenario(EXAMPLES / f"{name}.toml") for name in ("national-nodes", "one-place"))
    lines = ["## One national centre with three nodes, or the same staff in one place", ""]
    lines += [
        "12 FTE in both ([national-nodes.toml](../../../docs/examples/national-nodes.toml), "
        "[one-place.toml](../../../docs/examples/one-place.toml)), in the three regions together, after 15 years; "
        f"{PAIRS} replicates on common seeds, seed {SEED}.",
        "",
        *markdown.head(("", "one place", "centre and nodes", "difference")),
    ]
    return lines + _differences(place, nodes)


def _projects() -> list[str]:
    """Two lead projects of two years in Karleby, and a standing centre, each against neither."""
    neither, centre = load_scenario("karleby", {"facilitator.fte": 0}), load_scenario("karleby")
    projects = load_scenario(EXAMPLES / "karleby-projects.toml")
    lines = ["## Karleby: two lead projects of two years, or a standing centre", ""]
    lines += [
        "Two projects of 3 FTE and two years ([their file](../../../docs/examples/karleby-projects.toml)) and "
        "a centre of 4 FTE that stays, each against neither, after 15 years; "
        f"{PAIRS} replicates on common seeds, seed {SEED}. The projects end after four and a half years.",
    ]
    for name, one in (("projects", projects), ("centre", centre)):
        lines += ["", *markdown.head(("", "neither", name, "difference")), *_differences(neither, one)]
    return lines


def _differences(first: Scenario, second: Scenario) -> list[str]:
    """Rows of a table: the second scenario against the first at the horizon, on common seeds."""
    seeds = replicate_seeds(SEED, PAIRS)
    ends = [np.array([run.values[-1] for run in run_all(partial(simulate, one), seeds)]) for one in (first, second)]
    columns = plan(first).columns
    kept = [columns.index(name) for name in ("exchanges", "adoption", "carbon", OUTLAY)]
    names = ("living exchanges", "participants in an exchange", "emissions avoided, t CO2e", "public cost, MSEK")
    units = [unit(columns[column]) for column in kept]
    found = paired_differences(ends[0][:, kept], ends[1][:, kept], units, SEED)
    return [markdown.row((name, *effect_cells(one))) for name, one in zip(names, found, strict=True)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
