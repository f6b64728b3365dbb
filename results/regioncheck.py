"""What a region holds, what is missing in it and what is odd, before anything runs: `kretslopp check`.

Counts are means over a few draws of the firms (seeds 1 to `DRAWS`); nothing is simulated.
Opportunities are those between parties that are there at the start, not at sites that firms may move into later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from abm.catalogue import Municipality, Plant, catalogue
from abm.firms import Firm, Places, km_to_seat
from abm.scenario import Scenario, load_scenario
from abm.simulate import build
from results.listings import as_text

DRAWS = 5
MODEL_REGION = "ostergotland"  # whose firms a head others are held against
FAR_SEAT, FAR_PLANT = 150.0, 60.0  # km to the nearest other seat; to the seat of its own municipality: judgement
MANY, FEW = 2.0, 0.5  # times the firms a head of `MODEL_REGION`: judgement
CROWDED, EMPTY = 10_000.0, 0.05  # inhabitants a km2 of a municipality: judgement
PLACEHOLDER = "made up"  # what the templates give as source


def region_check(scenario: Scenario) -> dict[str, Any]:
    """Counts, a row a municipality, a row a by-product, and lists of what is `missing` and `odd`."""
    towns, routes = _counts(scenario)
    firms = int(scenario.values["population.firms"])
    region = scenario.region
    return {
        "name": scenario.name,
        "title": region.title,
        "municipalities": len(region.municipality),
        "firms": firms,
        "named_plants": 0 if scenario.firms else len(region.anchor),
        "own_firms": len(scenario.firms),
        "utilities": len(region.utility),
        "facilitators": [row.name for row in scenario.facilitators],
        "opportunities": float(routes["opportunities"].sum()),
        "share_without_opportunity": float(towns["firms_without_opportunity"].sum() / max(towns["firms"].sum(), 1.0)),
        "draws": DRAWS,
        "by_municipality": towns.to_dict("records"),
        "by_byproduct": routes.to_dict("records"),
        "missing": list(_missing(scenario)),
        "odd": [*_odd_places(scenario), *_odd_counts(scenario, towns, routes)],
    }


def _counts(scenario: Scenario) -> tuple[pd.DataFrame, pd.DataFrame]:
    """By municipality and by by-product, means over the draws."""
    towns, ids = [row.name for row in scenario.region.municipality], [row.id for row in catalogue().byproduct_rows]
    by_town, by_route = np.zeros((3, len(towns))), np.zeros((3, len(ids)))
    for seed in range(1, DRAWS + 1):
        world, _ = build(scenario, seed)
        people, here = world.participants, ~world.participants["potential"]
        pairs = world.pairs[here[world.pairs["supplier"]] & here[world.pairs["receiver"]]]
        firms = people["firm"] & here
        taking_part = np.zeros(len(people), bool)
        taking_part[pairs["supplier"]] = taking_part[pairs["receiver"]] = True
        for row, chosen in enumerate((firms, firms & ~taking_part)):
            by_town[row] += np.bincount(people["municipality"][chosen], minlength=len(towns))
        by_town[2] += np.bincount(people["municipality"][pairs["supplier"]], minlength=len(towns))
        for row, streams in enumerate((world.supplies, world.demands)):
            of = streams["byproduct"][here[streams["owner"]]]
            by_route[row] += np.bincount(of, minlength=len(ids))
        by_route[2] += np.bincount(pairs["byproduct"], minlength=len(ids))
    residents = np.array([row.population for row in scenario.region.municipality])
    (firms_of, without, opportunities), (donors, receivers, found) = by_town / DRAWS, by_route / DRAWS
    return (
        pd.DataFrame(
            {
                "municipality": towns,
                "firms": firms_of,
                "firms_per_1000": 1000.0 * firms_of / residents,
                "firms_without_opportunity": without,
                "opportunities_as_donor": opportunities,
            }
        ),
        pd.DataFrame({"byproduct": ids, "donors": donors, "receivers": receivers, "opportunities": found}),
    )


def _plants(*groups: Iterable[Plant | Firm]) -> list[Plant | Firm]:
    return [plant for group in groups for plant in group]


def _missing(scenario: Scenario) -> Iterator[str]:
    region, sectors = scenario.region, {row.id: row for row in catalogue().sectors}
    sources = {row.name: row.source for row in region.municipality}
    sources |= {row.name: row.source for row in (*region.anchor, *region.utility)}
    made_up = [name for name, source in sources.items() if source == PLACEHOLDER]
    if made_up:
        yield f"{len(made_up)} rows still have the source {PLACEHOLDER!r}: {_some(made_up)}"
    plants = _plants(region.utility, scenario.firms)
    for sector in (row for row in sectors.values() if row.municipal):
        have = {plant.municipality for plant in plants if plant.sector == sector.id}
        lacking = [row.name for row in region.municipality if row.name not in have]
        if lacking:
            yield f"no {sector.name} ({sector.id}) in {_some(lacking)}"
    if all(row.maturity == 0 for row in region.municipality):
        yield "every municipality has maturity 0: is none of them working with industrial symbiosis?"
    if not scenario.firms and not region.anchor:
        yield "no plant is named: all firms are drawn from the mean of sectors"


def _odd_places(scenario: Scenario) -> Iterator[str]:
    towns = {row.name: row for row in scenario.region.municipality}
    places = Places(tuple(towns.values()))
    for row in towns.values():
        other, km = places.nearest(row.lat, row.lon, row)
        if FAR_SEAT < km < np.inf:
            yield f"{row.name}: its seat is {km:.0f} km from the nearest other one{_swapped(row, places)}"
        if km == 0.0:
            yield f"{row.name}: its seat is at the same place as that of {other.name}"
        if not EMPTY <= row.population / row.land <= CROWDED:
            yield f"{row.name}: {row.population / row.land:.3g} inhabitants a km2 of land"
    for plant in _plants(scenario.region.anchor, scenario.firms):
        if plant.lat is not None and plant.lon is not None:
            km = km_to_seat(plant.lat, plant.lon, towns[plant.municipality])
            if km > FAR_PLANT:
                yield f"{plant.name}: {km:.0f} km from the seat of {plant.municipality}, its municipality"


def _swapped(row: Municipality, places: Places) -> str:
    _, km = places.nearest(row.lon, row.lat, row)
    return "; are lat and lon swapped?" if km < FAR_SEAT else ""


def _odd_counts(scenario: Scenario, towns: pd.DataFrame, routes: pd.DataFrame) -> Iterator[str]:
    table = catalogue()
    exchanged = table.supply_intensity.sum(axis=0) + table.demand_intensity.sum(axis=0)
    for plant in _plants(scenario.region.anchor, scenario.region.utility, scenario.firms):
        if exchanged[table.sector_index(plant.sector)] == 0.0 and not getattr(plant, "flows", ()):
            yield f"{plant.name}: nothing is left over or needed in sector {plant.sector}"
    model = load_scenario(MODEL_REGION)
    usual = _a_head(model)
    if not FEW <= (ratio := _a_head(scenario) / usual) <= MANY:
        yield f"{1000 * _a_head(scenario):.2g} firms per 1,000 inhabitants, {ratio:.2g} times those of {MODEL_REGION}"
    empty = towns["municipality"][towns["firms"] == 0.0].tolist()
    if empty:
        yield f"no firm in {_some(empty)}"
    for what, chosen in (
        ("no donor", routes["donors"] == 0.0),
        ("no receiver", routes["receivers"] == 0.0),
        (
            "donors and receivers, but too far apart, too small or too cheap for any opportunity",
            (routes["donors"] > 0.0) & (routes["receivers"] > 0.0) & (routes["opportunities"] == 0.0),
        ),
    ):
        if names := routes["byproduct"][chosen].tolist():
            yield f"by-products with {what}: {_some(names)}"
    if routes["opportunities"].sum() == 0.0:
        yield "there is no opportunity at all: nothing can happen in this region"


def _a_head(scenario: Scenario) -> float:
    people = sum(row.population for row in scenario.region.municipality)
    return float(scenario.values["population.firms"]) / people


def _some(names: list[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def check_text(found: dict[str, Any]) -> str:
    """The check as people read it."""
    plants = f"{found['own_firms']} own firms" if found["own_firms"] else f"{found['named_plants']} named plants"
    lines = [
        f"{found['title']}: {found['municipalities']} municipalities, {found['firms']} firms, {plants}, "
        f"{found['utilities']} utilities, {len(found['facilitators'])} facilitators beside the resource centre.",
        f"{found['opportunities']:.0f} opportunities at the start; {found['share_without_opportunity']:.0%} of firms "
        f"have none (mean of {found['draws']} draws of the firms, seeds 1 to {found['draws']}).",
    ]
    for rows in ("by_municipality", "by_byproduct"):
        short = [
            {key: round(cell, 1) if isinstance(cell, float) else cell for key, cell in row.items()}
            for row in found[rows]
        ]
        lines += ["", as_text(short)]
    for title in ("missing", "odd"):
        lines += ["", f"{title.capitalize()}:" if found[title] else f"Nothing is {title}."]
        lines += [f"  - {text}" for text in found[title]]
    return "\n".join([*lines, "", "It can be run."])
