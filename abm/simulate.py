"""scenario, seed -> trajectory: the model as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abm import chance
from abm.building import market, surroundings
from abm.catalogue import catalogue
from abm.chance import checked_seed, exponential
from abm.compiled import kernel
from abm.discovery import become_latent
from abm.month import months
from abm.observe import INDICATORS, Rows
from abm.opportunities import SHELVES
from abm.parameters import OF_THE_CENTRE, Value
from abm.plan import plan
from abm.population import SIZE_LIMITS
from abm.prices import MARKET
from abm.rulefiles import refuse_failed
from abm.rules import PROSPECT
from abm.scenario import Scenario
from abm.staffing import potentials
from abm.state import (
    ACCOUNT,
    ACTIVE,
    BROKER,
    CASE,
    CENTRE,
    COVERAGE,
    DEAL,
    DORMANT,
    ENTRY,
    LEARNER,
    LEDGER,
    NEVER_DUE,
    NONE,
    PAIR,
    PERSON,
    SEAT,
    STAGES,
    STAY,
    TALLY,
    TOWN,
    State,
    World,
    count_member,
)
from abm.texts import position
from abm.turnover import settle, stay_free, stay_until

if TYPE_CHECKING:
    import pandas as pd

FROM_MONTH_0 = ("facilitator.", "interventions.")  # what acts from month 0 on only: arms may differ in these
COVERED = "facilitator.covers"
SHARED = ("months", "region", "facilitators", "firms", "rule_files")
RATES = "facilitator."  # what one person does a year, except for what describes the resource centre alone


@dataclass(frozen=True)
class Network:
    """Participants' places and the live exchanges at the horizon (arrays of equal length per kind)."""

    lat: np.ndarray
    lon: np.ndarray
    sector: np.ndarray
    municipality: np.ndarray
    names: dict[int, str]
    supplier: np.ndarray
    receiver: np.ndarray
    byproduct: np.ndarray
    quantity: np.ndarray
    brokered: np.ndarray


@dataclass(frozen=True)
class Trajectory:
    """One run: `values` of shape (months, indicators and groups), named by `names`; the network at the end.

    `ledger` (state.LEDGER) has one record a municipality, in the region's order: sums from month 0 to the end of
    `saving` (SEK) and `carbon` (t CO2e) of its participants, what they `spent` themselves on agreements and investment
    (SEK), and what it `paid` as a public body (SEK).
    """

    scenario: str
    seed: int
    names: tuple[str, ...]
    values: np.ndarray
    network: Network
    ledger: np.ndarray

    def __getitem__(self, indicator: str) -> np.ndarray:
        """The monthly series of one indicator; KeyError with the nearest name if there is none of that name."""
        return self.values[:, position(indicator, self.names)]

    def to_frame(self) -> pd.DataFrame:
        """One row a month (`month` 1 is the first after the spin-up), one column an indicator."""
        import pandas as pd

        frame = pd.DataFrame(self.values, columns=list(self.names))
        frame.insert(0, "month", np.arange(1, len(frame) + 1))
        return frame


def build(scenario: Scenario, seed: int) -> tuple[World, dict[int, str]]:
    """All that a replicate's months cannot change, and the names of its named plants.

    Its arrays are shared with other replicates of the seed: not to be written into.
    """
    fixed, key, table = plan(scenario), np.uint64(seed), catalogue()
    there, prices, who = surroundings(scenario, key), market(scenario, key), fixed.who
    people = there.population
    world = World(
        seed=key,
        spin_up=scenario.spin_up_months,
        fastest_search=fixed.fastest_search,
        participants=people.participants,
        supplies=people.supplies,
        demands=people.demands,
        pairs=there.pairs,
        outlook=there.outlook,
        first=there.first,
        own=there.own,
        routes=table.byproducts,
        public=np.array([sector.public for sector in table.sectors]),
        price_process=fixed.process,
        market=prices.market,
        unit_value=prices.unit_value,
        waiting=prices.waiting,
        rates=fixed.rates,
        annuities=fixed.annuities,
        levers=fixed.levers,
        centres=who.centres,
        staff=who.staff,
        covers=who.covers,
        serves=there.serves,
        supports=who.supports,
        potential=potentials(who, there.outlook, people.participants),
        town_keys=fixed.town_keys,
        residents=fixed.residents,
        maturity=fixed.maturity,
    )
    return world, dict(people.names)


def under(world: World, arm: Scenario) -> World:
    """The same firms and luck under the facilitators and interventions of another scenario of the same region."""
    fixed = plan(arm)
    if fixed.levers["price_floor"].any() or world.levers["price_floor"].any():
        world = world._replace(**market(arm, world.seed)._asdict())
    return world._replace(
        levers=fixed.levers,
        centres=fixed.who.centres,
        staff=fixed.who.staff,
        supports=fixed.who.supports,
        potential=potentials(fixed.who, world.outlook, world.participants),
    )


@kernel
def start(p, world, state):
    """Fill in the state before the first month: thresholds, traits at their start, every possible pair latent."""
    for m in range(state.towns.size):
        state.towns[m].maturity, state.towns[m].changes = world.maturity[m], 1
        state.towns[m].threshold = exponential(world.seed, chance.MATURITY, world.town_keys[m], 0)
    for i in range(state.persons.size):
        settle(i, -1, p, world, state)
        state.persons[i].attention = world.outlook[i].attention
        state.stays[i].municipality = world.participants[i].municipality
        if world.participants[i].potential:
            state.persons[i].aware = False
            stay_free(i, world, state)
            state.sites[state.tally[0].sites] = i
            state.tally[0].sites += 1
        else:
            count_member(i, 1, world, state)
            if world.participants[i].firm:
                stay_until(i, -1, p.turnover, world, state)
    for e in range(state.pairs.size):
        if state.persons[world.pairs[e].supplier].present and state.persons[world.pairs[e].receiver].present:
            become_latent(e, -1, p, world, state)


def initial_state(p: np.void, world: World, room: int) -> State:
    """The state before the first month of the spin-up, with room for so many cases of each facilitator."""
    people, pairs, towns, centres = len(world.participants), len(world.pairs), len(world.residents), len(world.centres)
    sectors, routes = len(catalogue().sectors), len(world.routes)
    state = State(
        persons=np.zeros(people, PERSON),
        learners=np.zeros(people, LEARNER),
        stays=np.zeros(people, STAY),
        pairs=np.zeros(pairs, PAIR),
        towns=np.zeros(towns, TOWN),
        centres=np.zeros(centres, CENTRE),
        seats=np.zeros((centres, towns), SEAT),
        coverage=np.zeros((world.serves.shape[1], SHELVES), COVERAGE),
        screenings=np.zeros((centres, SHELVES)),
        tally=np.zeros(1, TALLY),
        account=np.zeros(1, ACCOUNT),
        ledger=np.zeros(towns, LEDGER),
        lever=np.zeros(1, world.levers.dtype),
        supply_free=world.supplies["quantity"].copy(),
        demand_free=world.demands["quantity"].copy(),
        suppliers=np.zeros(len(world.demands), np.int64),
        calendar=np.full(len(world.levers), NONE, np.int32),
        closings=np.full(len(world.levers), NONE, np.int32),
        sites=np.zeros(people, np.uint32),
        vacated=np.zeros(people, np.uint32),
        cases=np.zeros(pairs, CASE),
        moving=np.zeros(pairs, np.uint32),
        found=np.zeros(pairs, np.uint32),
        carried=np.zeros((centres, min(room, pairs + 1)), np.uint32),
        queue=np.zeros((centres, people), ENTRY),
        ranking=np.zeros(max(pairs, people), ENTRY),
        parent=np.zeros(people, np.uint32),
        stages=np.zeros(len(STAGES), np.int64),
        live_of_route=np.zeros(routes, np.int64),
        live_here=np.zeros((towns, routes), np.int64),
        members_of_sector=np.zeros(sectors, np.int64),
        members_of_size=np.zeros(len(SIZE_LIMITS) + 1, np.int64),
        adopters_of_sector=np.zeros(sectors, np.int64),
        adopting=np.zeros(sectors),
        adopters_of_size=np.zeros(len(SIZE_LIMITS) + 1, np.int64),
        market=np.zeros(world.market.shape[1], MARKET),
        unit_value=np.zeros(world.unit_value.shape[1:]),
        waiting=np.zeros(world.waiting.shape[1:]),
        deal=np.zeros(2, DEAL),
        prospect=np.zeros(2, PROSPECT),
    )
    state.centres["opened"] = NEVER_DUE
    state.tally["free"] = NONE
    state.pairs["place"] = NEVER_DUE
    state.pairs["stage"] = DORMANT
    state.stages[DORMANT] = pairs
    start(p, world, state)
    return state


def _network(world: World, state: State, names: dict[int, str]) -> Network:
    people, moving = world.participants, state.moving_cases()
    live = moving[moving["stage"] == ACTIVE]
    return Network(
        lat=people["lat"].copy(),
        lon=people["lon"].copy(),
        sector=people["sector"].copy(),
        municipality=people["municipality"].copy(),
        names=names,
        supplier=live["supplier"],
        receiver=live["receiver"],
        byproduct=live["byproduct"],
        quantity=live["quantity"],
        brokered=live["found"] == BROKER,
    )


@dataclass
class Run:
    """One replicate under way: what is fixed, what changes, and the rows observed so far."""

    scenario: Scenario
    seed: int
    names: dict[int, str]
    world: World
    state: State
    rows: Rows
    month: int  # months done since month 0; below 0 during the spin-up

    def advance(self, count: int) -> None:
        """Do `count` more months; raises ValueError if the scenario has not as many left."""
        if self.month + count > self.scenario.months:
            raise ValueError(
                f"{self.scenario.name}: {self.month} of {self.scenario.months} months are done, no {count} more"
            )
        first = self.world.spin_up + self.month
        fixed = plan(self.scenario)
        months(first, first + count, fixed.p, self.world, self.state, fixed.rules, self.rows)
        if self.scenario.rule_files:
            refuse_failed(path for path, _ in self.scenario.rule_files)
        self.month += count

    def branch(self, arm: Scenario) -> Run:
        """A run of `arm` from this state on, with parameters, facilitators, levers and rows of its own."""
        fixed = plan(arm)
        room = min(fixed.most_carried, len(self.state.pairs) + 1)
        if room > self.state.carried.shape[1] or fixed.fastest_search > self.world.fastest_search:
            raise ValueError("an arm with more staff or search than the spin-up was told of: give it to spun_up")
        return Run(
            arm, self.seed, self.names, under(self.world, arm), self.state.copy(), fixed.rows(arm.months), self.month
        )

    def trajectory(self) -> Trajectory:
        """What was observed so far, and the network and ledger of now."""
        values = _table(self.rows)[: max(self.month, 0)]
        network = _network(self.world, self.state, self.names)
        columns, ledger = plan(self.scenario).columns, self.state.ledger.copy()
        return Trajectory(self.scenario.name, self.seed, columns, values, network, ledger)


def spun_up(scenario: Scenario, seed: int, arms: Sequence[Scenario] = ()) -> Run:
    """A run at month 0, the spin-up done and its accounts closed, that can branch into `arms`.

    Raises ScenarioError unless `seed` is a whole number from 0 to 2**63 - 1.
    """
    seed = checked_seed(seed)
    world, names = build(scenario, seed)
    plans = [plan(arm) for arm in (scenario, *arms)]
    world = world._replace(fastest_search=max(one.fastest_search for one in plans))
    state = initial_state(plans[0].p, world, max(one.most_carried for one in plans))
    run = Run(scenario, seed, names, world, state, plans[0].rows(scenario.months), -world.spin_up)
    run.advance(world.spin_up)
    state.open_accounts()
    return run


def _table(rows: Rows) -> np.ndarray:
    indicators = rows.indicators.view("f8").reshape(len(rows.indicators), len(INDICATORS))
    return np.concatenate((indicators, rows.groups), axis=1)


def _shapes_past(name: str) -> bool:
    """Does the spin-up depend on this parameter, so that arms of one past must agree in it?"""
    return not name.startswith(FROM_MONTH_0) or name == COVERED


def past_key(scenario: Scenario) -> tuple[Value, ...]:
    """Equal for variants of one scenario (`with_values`) that can be arms of one spin-up."""
    return tuple(value for name, value in scenario.values.items() if _shapes_past(name))


def check_arms(arms: Sequence[Scenario]) -> None:
    """Refuse arms that cannot share a spin-up: raises ValueError."""
    first = arms[0]
    for arm in arms[1:]:
        differing = [name for name, value in arm.values.items() if value != first.values[name]]
        same = all(getattr(arm, name) == getattr(first, name) for name in SHARED)
        if not same or any(map(_shapes_past, differing)):
            raise ValueError(
                f"arms share a spin-up only in one region and length, differing in {' and '.join(FROM_MONTH_0)} "
                f"(but not in {COVERED}) alone: {differing}"
            )


def _past(arm: Scenario) -> tuple[object, ...]:
    """What the spin-up of an arm depends on besides what all share: what one person does, where some work in it."""
    if all(row.start >= 0 for row in arm.facilitators):
        return ()
    return tuple(value for name, value in arm.values.items() if name.startswith(RATES) and name not in OF_THE_CENTRE)


def simulate_arms(arms: Sequence[Scenario], seed: int) -> list[Trajectory]:
    """One trajectory an arm, all branching from one spin-up of one population.

    The arms may differ in what acts from month 0 on only: the centre (`facilitator.*`, except whom it covers) and
    `interventions.*`; raises ValueError otherwise. An arm's trajectory does not depend on which others are asked for.
    """
    check_arms(arms)
    pasts: dict[tuple[object, ...], Run] = {}
    trajectories = []
    for arm in arms:
        past = _past(arm)
        if past not in pasts:
            pasts[past] = spun_up(arm, seed, arms)
        run = pasts[past].branch(arm)
        run.advance(arm.months)
        trajectories.append(run.trajectory())
    return trajectories


def simulate(scenario: Scenario, seed: int) -> Trajectory:
    """One run: spin-up without the centre, then `scenario.months` months. Pure: same arguments, same bits.

    Raises ScenarioError unless `seed` is a whole number from 0 to 2**63 - 1.
    """
    return simulate_arms([scenario], seed)[0]
