"""The regions of the prestudies: what is known of each is in it, and each of them runs."""

import numpy as np
import pytest

from abm.catalogue import catalogue
from abm.regions import load_region, region_names
from abm.scenario import load_scenario
from abm.simulate import build, simulate, simulate_arms
from experiments.effect import without_centre
from results.sectorpairs import MAESTRI, MAESTRI_TOTAL, divisions, pair_counts, pairs_frame, possible

FACTS = {  # municipalities, by maturity 0, 1, 2; some anchors and facilitators
    "ostergotland": (13, None, (), ()),
    "kalundborg": (1, (1, 0, 0), ("Asnæs power station", "Refinery", "Plasterboard works (Gyproc)"), ()),
    "vastra_gotaland": (
        49,
        (33, 12, 4),
        ("Orkla Foods Kungshamn", "Rena Hav", "Borealis Stenungsund"),
        ("Sotenäs symbiosis centre", "Regional platform"),
    ),
    "bergslagen": (
        44,
        (33, 9, 2),
        (
            "SSAB Borlänge",
            "Ovako Hofors",
            "Outokumpu Avesta",
            "Hitachi Energy Ludvika",
            "Wa3rm greenhouse Frövi",
            "Zinkgruvan",
        ),
        ("Business Region Örebro", "Dalarna Science Park", "Hofors municipal company"),
    ),
    "metals": (
        20,
        (12, 8, 0),
        ("LKAB Kiruna", "Boliden Rönnskär", "SSAB Luleå", "Metal recycler Halmstad", "Battery cells Skellefteå"),
        ("National metals centre", "Metals node north", "Metals node middle", "Metals node south"),
    ),
    "national": (106, None, ("SSAB Borlänge", "Borealis Stenungsund"), ()),
    "karleby": (10, (6, 3, 1), ("Boliden Kokkola", "Umicore Kokkola"), ()),
}


@pytest.mark.parametrize("name", FACTS)
def test_known_facts_are_in_the_region(name):
    count, groups, anchors, facilitators = FACTS[name]
    region = load_region(name)
    assert len(region.municipality) == count
    if groups:
        assert tuple(np.bincount([town.maturity for town in region.municipality], minlength=3)) == groups
    assert set(anchors) <= {plant.name for plant in region.anchor}
    assert set(facilitators) <= {row.name for row in region.facilitator}
    assert all(len(row.source) > 8 for row in (*region.municipality, *region.anchor, *region.utility))


def test_business_region_has_three_staff_paid_for_twelve_municipalities():
    (row,) = (one for one in load_region("bergslagen").facilitator if one.name == "Business Region Örebro")
    assert row.fte == 3
    assert len(row.covers) == 12


def test_sotenas_is_active_and_has_had_its_centre_for_ten_years():
    region = load_region("vastra_gotaland")
    (town,) = (one for one in region.municipality if one.name == "Sotenäs")
    (centre,) = (one for one in region.facilitator if one.name == "Sotenäs symbiosis centre")
    assert town.maturity == 2
    assert (centre.start, centre.covers, centre.payer) == (-120, ("Sotenäs",), "municipal")


@pytest.mark.parametrize("name", [name for name in region_names() if name != "sweden"])
def test_every_named_plant_has_something_to_exchange(name):
    table = catalogue()
    offered = table.supply_intensity.sum(axis=0) + table.demand_intensity.sum(axis=0)
    region = load_region(name)
    assert all(offered[table.sector_index(plant.sector)] > 0 for plant in (*region.anchor, *region.utility))


@pytest.mark.parametrize("name", ["vastra_gotaland", "bergslagen", "karleby", "metals", "national"])
def test_region_runs_and_its_centre_adds_exchanges(name):
    """Mean of six pairs of six years, a centre of 8 FTE: above zero by more than three standard errors."""
    scenario = load_scenario(name, {"facilitator.fte": 8}, months=72)
    pairs = [simulate_arms([without_centre(scenario), scenario], seed) for seed in range(6)]
    gains = np.array([with_["exchanges"][-1] - without["exchanges"][-1] for without, with_ in pairs])
    assert gains.mean() > 3 * gains.std(ddof=1) / len(gains) ** 0.5
    assert all(without["exchanges"][-1] > 0 for without, _ in pairs)


def test_anchors_of_kokkola_find_takers_of_their_streams():
    """In some of ten draws of stream sizes: a taker must be able to use a fifth of the stream."""
    ids, scenario, offers = [row.id for row in catalogue().byproduct_rows], load_scenario("karleby"), set()
    for seed in range(10):
        world, names = build(scenario, seed)
        boliden = next(index for index, name in names.items() if name == "Boliden Kokkola")
        offers |= {ids[one] for one in world.pairs["byproduct"][world.pairs["supplier"] == boliden]}
    assert {"excess_heat", "process_steam", "sulphuric_acid"} <= offers


def test_national_nodes_and_one_place_cost_the_same_and_serve_other_people():
    nodes, place = (load_scenario(f"docs/examples/{name}.toml", months=72) for name in ("national-nodes", "one-place"))
    assert sum(row.fte for row in nodes.facilitators) == sum(row.fte for row in place.facilitators) == 12
    assert {row.start for row in (*nodes.facilitators, *place.facilitators)} == {12}
    three = {town for name in ("ostergotland", "vastra_gotaland", "bergslagen") for town in towns(name)}
    assert {town for row in nodes.facilitators for town in row.covers} == three == towns("national")
    assert set(place.facilitators[0].covers) == towns("ostergotland")
    ends = [simulate_arms([one], 1)[0]["public_cost"][-1] for one in (nodes, place)]
    assert ends[0] == pytest.approx(ends[1])


def test_lead_projects_in_karleby_leave_exchanges_behind():
    """Eight pairs of eight years: above none by three standard errors, three and a half years after the last."""
    projects = load_scenario("docs/examples/karleby-projects.toml", months=96)
    none = load_scenario("karleby", {"facilitator.fte": 0}, months=96)
    assert [row.stop - row.start for row in projects.facilitators] == [24, 24]
    gains = np.array(
        [simulate(projects, seed)["exchanges"][-1] - simulate(none, seed)["exchanges"][-1] for seed in range(8)]
    )
    assert gains.mean() > 3 * gains.std(ddof=1) / len(gains) ** 0.5


def towns(region):
    return {town.name for town in load_region(region).municipality}


def test_sector_pairs_are_those_of_the_exchanges():
    """Counts of a run sum to its living exchanges, lie on pairs with a by-product; the diagonal is within sectors."""
    scenario = load_scenario("ostergotland", months=72)
    counts, run = pair_counts(scenario, 1), simulate(scenario, 1)
    assert counts.sum() == run["exchanges"][-1] > 20
    assert np.trace(counts) / counts.sum() == pytest.approx(1.0 - run["cross_sector"][-1])
    names, can = divisions(), possible()
    assert {(names[a], names[b]) for a, b in np.argwhere(counts)} <= can
    assert ("24", "23") in can
    frame = pairs_frame(np.array([counts] * 3))
    assert frame["share"].sum() == pytest.approx(1.0)
    assert set(MAESTRI) <= set(zip(frame["donor"], frame["receiver"], strict=True))
    assert sum(MAESTRI.values()) < MAESTRI_TOTAL
