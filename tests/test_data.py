"""The tables that come with the model: whole, consistent, with sources."""

from __future__ import annotations

import numpy as np
import pytest

from abm.catalogue import DATA, Byproduct, DataError, _rows, catalogue, read_toml
from abm.opportunities import draw_fit, pair_key
from abm.parameters import record
from abm.population import draw_population, truncated_pareto
from abm.regions import load_region, region_names
from abm.scenario import Scenario
from abm.simulate import build

TABLE = catalogue()


def test_sector_shares_sum_to_one() -> None:
    assert sum(sector.share for sector in TABLE.sectors) == pytest.approx(1.0)
    assert all(sector.share == 0 for sector in TABLE.sectors if sector.municipal)


def test_at_least_sixteen_byproducts_each_with_donor_receiver_and_source() -> None:
    assert len(TABLE.byproduct_rows) >= 16
    assert len({row.id for row in TABLE.byproduct_rows}) == len(TABLE.byproduct_rows)
    assert np.all(TABLE.supply_intensity.sum(axis=1) > 0)
    assert np.all(TABLE.demand_intensity.sum(axis=1) > 0)
    for row in TABLE.byproduct_rows:
        assert "judgement" in row.source or "all:" in row.source


def test_every_commodity_is_used() -> None:
    assert {row.commodity for row in TABLE.byproduct_rows} == {row.id for row in TABLE.commodity_rows}


@pytest.mark.parametrize("name", region_names())
def test_region_is_whole(name: str) -> None:
    region = load_region(name)
    raw = read_toml(DATA / "regions" / f"{name}.toml")
    assert len(raw["municipality"]) == len(region.municipality)
    names = [plant.name for plant in (*region.anchor, *region.utility)]
    assert len(set(names)) == len(names)


def test_ostergotland_has_its_thirteen_municipalities_and_handelo() -> None:
    region = load_region("ostergotland")
    assert len(region.municipality) == 13
    assert {row.maturity for row in region.municipality} == {0, 1, 2}
    norrkoping = [plant.name for plant in (*region.anchor, *region.utility) if plant.municipality == "Norrköping"]
    assert any("Agroetanol" in name for name in norrkoping)
    assert any("Händelöverket" in name for name in norrkoping)


def test_sweden_has_all_its_municipalities_and_inhabitants() -> None:
    """290 municipalities inside Sweden; persons and land are the nation's (SCB: end of 2016, start of 2015)."""
    region, ostergotland = load_region("sweden"), load_region("ostergotland")
    assert len({row.name for row in region.municipality}) == 290
    assert sum(row.population for row in region.municipality) == 9_995_153
    assert sum(row.land for row in region.municipality) == pytest.approx(407_310.56)
    assert all(55.3 < row.lat < 69.1 and 10.9 < row.lon < 24.2 for row in region.municipality)
    assert region.parameters["population.firms"] == 60_000
    places = {row.name: (row.lat, row.lon, row.population, row.land, row.maturity) for row in region.municipality}
    for row in ostergotland.municipality:
        assert places[row.name] == (row.lat, row.lon, row.population, row.land, row.maturity)


def test_firm_sizes_follow_the_declared_law(region: Scenario) -> None:
    """Drawn firms with the smallest size of 10: share above 50 and 250 employees as the truncated Pareto law says."""
    p = record(dict(region.values))
    sizes = []
    for seed in range(40):
        people = draw_population(region, seed, p).participants
        smallest = np.array([sector.smallest for sector in TABLE.sectors])[people["sector"]]
        drawn = np.arange(len(people)) >= len(region.region.anchor)
        sizes.append(people["employees"][drawn & people["firm"] & (smallest == 10)])
    employees = np.concatenate(sizes)
    u = np.linspace(0, 1, 200_001)[:-1]
    law = np.array([truncated_pareto(x, 10.0, 2000.0, 1.0) for x in u[::100]])
    for limit in (50, 250):
        expected = np.mean(law > limit)
        assert np.mean(employees > limit) == pytest.approx(expected, abs=4 * np.sqrt(expected / employees.size) + 1e-3)


def test_a_firm_keeps_its_draws_when_others_come(region: Scenario) -> None:
    """Keyed by identity: the first 300 firms of 600 are the 300 of 300."""
    few = region.with_values({"population.firms": 300})
    draws = [draw_population(scenario, 1, record(dict(scenario.values))).participants for scenario in (few, region)]
    for field in ("key", "employees", "lat", "lon", "sector", "trait_risk"):
        assert np.array_equal(draws[0][field][:300], draws[1][field][:300])


def test_opportunities_equal_a_search_of_all_pairs(region: Scenario) -> None:
    """The grid against firm times firm, for a few donors of every by-product."""
    p = record(dict(region.values))
    population = draw_population(region, 2, p)
    world, _ = build(region, 2)
    found = {(int(e["supply"]), int(e["demand"])): e for e in world.pairs}
    people, rates = population.participants, p["discovery"]
    checked = 0
    for s in range(0, len(population.supplies), 7):
        supply = population.supplies[s]
        row = TABLE.byproduct_rows[supply["byproduct"]]
        donor = people[supply["owner"]]
        near = []
        for d, demand in enumerate(population.demands):
            if demand["byproduct"] == supply["byproduct"] and demand["owner"] != supply["owner"]:
                user = people[demand["owner"]]
                a, b = np.radians([donor["lat"], donor["lon"]]), np.radians([user["lat"], user["lon"]])
                h = np.sin((b[0] - a[0]) / 2) ** 2 + np.cos(a[0]) * np.cos(b[0]) * np.sin((b[1] - a[1]) / 2) ** 2
                near.append((1.3 * 2 * 6371.0 * np.arcsin(np.sqrt(h)), d))
        for distance, d in sorted(near)[: int(p["opportunities"]["max_partners"])]:
            quantity = min(supply["quantity"], population.demands[d]["quantity"])
            if distance > row.reach or quantity < 0.2 * supply["quantity"]:
                assert (s, d) not in found
            elif (s, d) in found:
                e = found[s, d]
                user = people[population.demands["owner"][d]]
                route = TABLE.byproducts[supply["byproduct"]]
                key = np.uint64(pair_key(donor, user, route))  # a kernel hands back a plain int
                fit = draw_fit(np.uint64(2), key, p["opportunities"]["fit_spread"])
                disposal = row.gate_fee + row.landfill_share * 744.0
                price = TABLE.commodities["price"][route["commodity"]]
                value = quantity * (row.substitution * fit * price + disposal)
                assert value >= 100_000
                own = 1.0 if donor["nace2"] == user["nace2"] else 1.0 - rates["cross_cut"]
                weight = own * np.exp(-distance / rates["distance"])
                weight *= (min(value, rates["value_cap"]) / 1e6) ** rates["value_exponent"]
                assert e["weight"] == pytest.approx(weight, rel=1e-4)
                assert e["distance"] == pytest.approx(distance, rel=1e-6, abs=1e-4)
                checked += 1
    assert checked > 100


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"gate_fee": float("nan")}, "slag2: gate_fee"),
        ({"donors": {}}, "slag2: donors"),
        ({"donors": {"C10": -10.0}}, "slag2: donors.C10"),
        ({"id": "slag"}, "slag: given twice"),
        ({"reach": float("inf")}, "slag2: reach"),
    ],
)
def test_a_wrong_row_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], expected: str
) -> None:
    content = read_toml(DATA / "byproducts.toml")
    slag = next(row for row in content["byproduct"] if row["id"] == "slag")
    content["byproduct"].append(slag | {"id": "slag2"} | change)
    monkeypatch.setattr("abm.catalogue.read_toml", lambda file: content)
    with pytest.raises(DataError, match=expected):
        _rows("byproducts.toml", "byproduct", Byproduct)
