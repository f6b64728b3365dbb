"""Nothing is made or lost: quantities, counts, money and hours, in generated scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm.catalogue import PAYERS, Facilitator
from abm.month import months
from abm.parameters import BY_NAME, FUNCTIONS, Value, record
from abm.plan import plan
from abm.rules import RULES
from abm.ruleset import slots
from abm.scenario import Scenario, load_scenario
from abm.simulate import Trajectory, build, initial_state, simulate
from abm.state import ACTIVE, LATENT, NEGOTIATING, RESTING, STAGES, State, World
from tests.engine import KNOWN, SHARES, of_pairs, undefined

FOCUS = [*FUNCTIONS, None]


@st.composite
def changes(draw: st.DrawFn) -> dict[str, float | int | str]:
    """A scenario far from the defaults, centre and prices included."""
    focus = draw(st.sampled_from(FOCUS))
    shares = {f"facilitator.shares.{name}": (0.2 if focus is None else float(name == focus)) for name in FUNCTIONS}
    return shares | {
        "facilitator.fte": draw(st.sampled_from([0.0, 0.5, 4.0, 40.0])),
        "facilitator.stop": draw(st.sampled_from([60, 9999])),
        "prices.volatility": draw(st.floats(0.0, 3.0)),
        "transaction.multiplier": draw(st.floats(0.0, 4.0)),
        "discovery.finds": draw(st.floats(0.0, 3.0)),
        "discovery.cool_down": draw(st.integers(1, 24)),
        "operation.end_rate": draw(st.floats(0.0, 1.0)),
        "operation.patience": draw(st.integers(1, 12)),
        "closing.attention": draw(st.integers(1, 5)),
        "opportunities.min_share": draw(st.floats(0.0, 0.5)),
        "appraisal.rule": draw(st.sampled_from(sorted(RULES))),
        "appraisal.mix": draw(st.sampled_from(["", "satisficing@0.5, planned_behaviour@C24"])),
        "run.spin_up": draw(st.integers(0, 3)),
        "turnover.exit": draw(st.sampled_from([0.0, 0.01, 0.3])),
        "turnover.entry": draw(st.sampled_from([0.0, 0.07, 1.0])),
        "population.sharing": draw(st.sampled_from([0.0, 0.8])),
        "interventions.landfill_tax.level": draw(st.sampled_from([0.0, 500.0])),
        "interventions.carbon_price.level": draw(st.sampled_from([0.0, 500.0])),
        "interventions.transaction_subsidy.level": draw(st.sampled_from([0.0, 0.5, 1.0])),
        "interventions.grant.level": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "interventions.grant.stop": draw(st.sampled_from([40, 9999])),
        "interventions.price_floor.level": draw(st.sampled_from([0.0, 0.9])),
        "interventions.marketplace.level": draw(st.sampled_from([0.0, 0.5])),
        "interventions.campaign.level": draw(st.sampled_from([0.0, 0.2])),
        "interventions.mandate.level": draw(st.sampled_from([0, 1, 2])),
        "interventions.procurement.level": draw(st.sampled_from([0.0, 0.3])),
    }


def _states(scenario: Scenario, seed: int) -> Iterator[tuple[World, State]]:
    """The state every half year."""
    world, _ = build(scenario, seed)
    p = record(dict(scenario.values))
    state = initial_state(p, world, plan(scenario).most_carried)
    rows = plan(scenario).rows(scenario.months)
    for first in range(0, len(world.levers), 6):
        last = min(first + 6, len(world.levers))
        months(first, last, p, world, state, slots(scenario.values), rows)
        yield world, state


def _bound(size: int, streams: np.ndarray, quantity: np.ndarray) -> np.ndarray:
    total = np.zeros(size)
    np.add.at(total, streams, quantity)
    return total


def _check_table(state: State) -> None:
    """Every record of the case table that was ever used is in the list of moving cases or free, never both."""
    tally, free = state.tally[0], []
    c = tally["free"]
    while c >= 0:
        free.append(int(c))
        c = state.cases["pair"][c]
    moving = state.moving[: tally["moving"]].tolist()
    assert sorted([*free, *moving]) == list(range(tally["cases"]))
    for f, centre in enumerate(state.centres):
        assert set(state.carried[f, : centre["carried"]].tolist()) <= set(moving)
        queued = state.queue["who"][f, : centre["waiting"]]
        assert np.array_equal(np.sort(queued), np.flatnonzero(state.persons["queued"] >> np.uint32(f) & 1))


def _check(world: World, state: State, scenario: Scenario) -> None:
    stage, quantity = state.pairs["stage"], of_pairs(state, "quantity")
    assert np.all(quantity[stage != ACTIVE] == 0.0)
    assert np.all(quantity[stage == ACTIVE] > 0.0)
    for free, offered, streams in (
        (state.supply_free, world.supplies["quantity"], world.pairs["supply"]),
        (state.demand_free, world.demands["quantity"], world.pairs["demand"]),
    ):
        assert np.allclose(free + _bound(free.size, streams, quantity), offered, rtol=1e-9, atol=1e-6)
        assert np.all(free > -1e-6)
    assert np.array_equal(state.stages, np.bincount(stage, minlength=len(STAGES)))
    ends = np.concatenate((world.pairs["supplier"], world.pairs["receiver"]))
    for field, counted in (("live", ACTIVE), ("talks", NEGOTIATING)):
        expected = np.bincount(ends, weights=np.tile(stage == counted, 2), minlength=len(state.persons))
        assert np.array_equal(state.persons[field], expected)
    assert state.persons["talks"].max() <= scenario.values["closing.attention"]  # type: ignore[operator]
    cases, known = state.moving_cases(), np.flatnonzero(np.isin(stage, KNOWN))
    assert np.all(np.diff(cases["pair"]) > 0)  # visiting order, nobody twice
    assert np.array_equal(cases["pair"][np.isin(cases["stage"], KNOWN)], known)
    assert np.array_equal(of_pairs(state, "stage")[known], stage[known])
    assert np.array_equal(state.cases["pair"][state.pairs["place"][known]], known)
    _check_table(state)
    assert np.array_equal(state.sites[: state.tally["sites"][0]], np.flatnonzero(~state.persons["present"]))
    for field in ("knowledge", "social"):
        assert np.all((state.persons[field] >= 0) & (state.persons[field] <= 1))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(changes=changes(), seed=st.integers(0, 2**32))
def test_quantities_and_counts(tiny: Scenario, changes: dict[str, float | int | str], seed: int) -> None:
    scenario = tiny.with_values(changes)
    for world, state in _states(scenario, seed):
        _check(world, state, scenario)
        candidates = (state.pairs["stage"] == LATENT) & np.isfinite(state.pairs["broker_target"])
        counted = np.zeros(state.coverage.shape, int)
        np.add.at(counted, (world.pairs["coverage"][candidates], world.pairs["shelf"][candidates]), 1)
        assert np.array_equal(state.coverage["candidates"], counted)
    assert np.count_nonzero(state.pairs["stage"] == RESTING) == state.stages[RESTING]


def _administration(scenario: Scenario) -> float:
    """Cost of running the interventions over the run, MSEK, by hand."""
    values, total = scenario.values, 0.0
    region = scenario.region
    participants = int(values["population.firms"]) + len(region.utility)
    for name, reached in (
        ("marketplace", participants),
        ("campaign", participants),
        ("mandate", len(region.municipality)),
    ):
        first = f"interventions.{name}"
        stop = min(int(values[f"{first}.stop"]), scenario.months)
        years = max(stop - int(values[f"{first}.start"]), 0) / 12
        total += float(values[f"{first}.level"]) * float(values[f"{first}.cost"]) * reached * years / 1e6
    return total


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(changes=changes(), seed=st.integers(0, 2**32))
def test_flows_and_money(tiny: Scenario, changes: dict[str, float | int | str], seed: int) -> None:
    """Stocks are sums of flows; costs are what was done times its price."""
    scenario = tiny.with_values(changes)
    run = simulate(scenario, seed)
    ended = run["ended_loss"] + run["ended_process"] + run["ended_exit"]
    flows = run["started"] - ended
    assert np.array_equal(np.diff(run["exchanges"]), np.diff(flows))
    talks = run["talks"] - run["started"] - run["failed"]
    assert np.array_equal(np.diff(run["negotiating"]), np.diff(talks))
    known = run["found_self"] + run["found_broker"] - run["forgotten"] - run["talks"]
    assert np.array_equal(np.diff(run["identified"]), np.diff(known))
    calm = np.diff(ended) == 0  # what ends in a month still paid in it
    assert np.allclose(np.diff(run["saving"])[calm], run["saving_rate"][1:][calm] / 12, atol=1e-9)
    assert np.allclose(np.diff(run["carbon"])[calm], run["carbon_rate"][1:][calm] / 12, atol=1e-6)
    assert np.allclose(
        run["transaction_cost"], run["transaction_firms"] + run["transaction_utilities"] + run["subsidy"]
    )
    assert np.array_equal(np.diff(run["firms"]), np.diff(run["firms_entered"] - run["firms_closed"]))
    transfers = ("cofinance", "grant", "subsidy", "price_floor", "procurement")
    assert np.allclose(run["transfers"], np.sum([run[name] for name in transfers], axis=0))
    assert np.allclose(run["public_outlay"], run["public_cost"] + run["transfers"])
    payers = ("paid_national", "paid_region", "paid_municipal")
    assert np.allclose(run["public_outlay"], np.sum([run[name] for name in payers], axis=0))
    stop = min(int(scenario.values["facilitator.stop"]), scenario.months)  # type: ignore[arg-type]
    open_months = max(stop - int(scenario.values["facilitator.start"]), 0)  # type: ignore[arg-type]
    staff = float(scenario.values["facilitator.fte"]) * float(scenario.values["facilitator.cost"])  # type: ignore[arg-type]
    administration = _administration(scenario)
    assert run["public_cost"][-1] == pytest.approx(staff * open_months / 12 / 1e6 + administration)
    assert undefined(run) <= SHARES


@st.composite
def payers(draw: st.DrawFn) -> tuple[dict[str, Value], str, tuple[str, ...]]:
    """Who pays for the resource centre; who for a node, and what this covers."""
    national, municipal = draw(st.sampled_from([(0.0, 0.0), (0.0, 0.4), (0.3, 0.6), (0.0, 1.0)]))
    funding: dict[str, Value] = {
        "facilitator.funding.national": national,
        "facilitator.funding.municipal": municipal,
        "municipalities.cofund_threshold": draw(st.sampled_from([0.0, 0.3])),
        "facilitator.coordination": 0.5,
    }
    covers = draw(st.sampled_from([(), ("Storstad",), ("Mellanby", "Lillbyn")]))
    return funding, draw(st.sampled_from(PAYERS)), covers


def _with_node(scenario: Scenario, payer: str, covers: tuple[str, ...]) -> Scenario:
    shares = dict.fromkeys(FUNCTIONS, 1.0 / len(FUNCTIONS))
    node = Facilitator(name="node", fte=1.5, shares=shares, payer=payer, covers=covers)
    return replace(scenario, facilitators=(node,))


def _assert_ledgers_close(run: Trajectory) -> None:
    """Over municipalities they sum to the region's accounts, up to rounding."""
    region = {
        "saving": run["saving"][-1] * 1e6,
        "carbon": run["carbon"][-1],
        "spent": (run["transaction_firms"] + run["transaction_utilities"] + run["investment"])[-1] * 1e6,
        "paid": run["paid_municipal"][-1] * 1e6,
    }
    assert run.ledger.dtype.names == tuple(region)
    for name, total in region.items():
        assert run.ledger[name].sum() == pytest.approx(total, rel=1e-9, abs=1e-6), name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(changes=changes(), payers=payers(), seed=st.integers(0, 2**32))
def test_ledgers_of_municipalities_close(
    tiny: Scenario,
    changes: dict[str, Value],
    payers: tuple[dict[str, Value], str, tuple[str, ...]],
    seed: int,
) -> None:
    funding, payer, covers = payers
    _assert_ledgers_close(simulate(_with_node(tiny, payer, covers).with_values(changes | funding), seed))


def test_ledgers_close_when_municipalities_pay_for_everything(region: Scenario) -> None:
    """Co-funding, a node of their own, a mandate and procurement at once, each of which costs something."""
    paid: dict[str, Value] = {
        "facilitator.funding.municipal": 0.5,
        "facilitator.coordination": 0.5,
        "interventions.mandate.level": 1,
        "interventions.procurement.level": 0.3,
    }
    whole = _with_node(region, "municipal", ("Norrköping", "Linköping", "Motala")).with_values(paid)
    run = simulate(whole, 3)
    _assert_ledgers_close(run)
    assert all(np.all(run.ledger[name] > 0) for name in ("spent", "paid"))
    for less in (
        whole.with_values({"facilitator.funding.municipal": 0.0}),
        replace(whole, facilitators=()),
        whole.with_values({"interventions.mandate.level": 0}),
        whole.with_values({"interventions.procurement.level": 0.0}),
    ):
        fewer = simulate(less, 3)
        _assert_ledgers_close(fewer)
        assert fewer.ledger["paid"].sum() < run.ledger["paid"].sum()


def test_what_municipalities_pay_by_hand() -> None:
    """In a year: co-funding and a node by residents of who pays and what is covered, a mandate equally."""
    year = load_scenario("tiny", {"facilitator.fte": 0.0}, months=12)
    residents = np.array([town.population for town in year.region.municipality])
    person, node = float(year.values["facilitator.cost"]), _with_node(year, "municipal", ("Storstad", "Lillbyn"))
    first: dict[str, Value] = {"facilitator.fte": 4.0, "facilitator.start": 0, "facilitator.funding.municipal": 0.5}
    mandate: dict[str, Value] = {"interventions.mandate.level": 2, "interventions.mandate.start": 0}
    active, covered = np.array([1, 0, 0]), residents * np.array([1, 0, 1])  # asked at the opening: Storstad is active
    for scenario, paid in (
        (year, np.zeros(3)),
        (year.with_values(first), 2.0 * person * residents / residents.sum() * active),
        (node, 1.5 * person * covered / covered.sum()),
        (year.with_values(mandate), np.full(3, 2.0 * float(year.values["interventions.mandate.cost"]))),
    ):
        assert simulate(scenario, 1).ledger["paid"] == pytest.approx(paid)


PLAIN: dict[str, Value] = {  # strangers without trust, permit, surcharge or learning
    "transaction.trust_cut": 0.0,
    "transaction.cross_surcharge": 0.0,
    "transaction.learning": 0.0,
    "transaction.permit_hours": 0.0,
    "run.spin_up": 0,
}
SEARCH, BARGAIN = (
    float(BY_NAME["transaction.wage"].default) * float(BY_NAME[f"transaction.{name}_hours"].default) / 1e6
    for name in ("search", "bargain")
)


def _talked(run: Trajectory) -> np.ndarray:
    """MSEK that both parties' bargaining cost: half when talks start, half when an exchange does."""
    return 2.0 * BARGAIN / 2.0 * (run["talks"] + run["started"])


def test_search_is_paid_at_every_find_by_both_where_both_search(tiny: Scenario) -> None:
    """Whatever comes of the find: most never get to talks."""
    run = simulate(tiny.with_values(PLAIN | {"learning.aware_start": 1.0, "facilitator.fte": 0.0}), 4)
    assert run["found_self"][-1] > run["talks"][-1] > run["started"][-1] > 0
    assert run["transaction_cost"] == pytest.approx(2.0 * SEARCH * run["found_self"] + _talked(run))


def test_who_was_not_searching_does_not_pay_for_a_find(tiny: Scenario) -> None:
    run = simulate(tiny.with_values(PLAIN | {"learning.aware_start": 0.1, "facilitator.fte": 0.0}), 4)
    payers = (run["transaction_cost"] - _talked(run))[-1] / SEARCH
    assert payers == pytest.approx(round(payers))
    assert run["found_self"][-1] <= payers < 2.0 * run["found_self"][-1]


@pytest.mark.parametrize("cut", [0.0, 0.8, 1.0])
def test_a_broker_saves_both_parties_most_of_the_search(tiny: Scenario, cut: float) -> None:
    shares: dict[str, Value] = {f"facilitator.shares.{name}": float(name == "brokerage") for name in FUNCTIONS}
    found = {"discovery.finds": 0.0, "transaction.broker_cut": cut, "learning.aware_start": 1.0}
    run = simulate(tiny.with_values(PLAIN | shares | found | {"facilitator.fte": 8.0}), 4)
    assert run["found_broker"][-1] > 0
    assert run["transaction_cost"] == pytest.approx(2.0 * SEARCH * (1.0 - cut) * run["found_broker"] + _talked(run))


def test_what_was_spent_on_a_find_deters_nobody(tiny: Scenario) -> None:
    """It is sunk: dearer search changes what is paid, and no decision."""
    cheap, dear = (simulate(tiny.with_values({"transaction.search_hours": hours}), 4) for hours in (0.0, 1000.0))
    money = [cheap.names.index(name) for name in cheap.names if name.startswith("transaction")]
    same = np.delete(np.arange(len(cheap.names)), money)
    assert np.array_equal(cheap.values[:, same], dear.values[:, same], equal_nan=True)
    assert dear["transaction_cost"][-1] > cheap["transaction_cost"][-1]
