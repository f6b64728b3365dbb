"""scenario, seed -> trajectory: the model as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abm import chance
from abm.catalogue import catalogue
from abm.chance import exponential, name_key, uniform
from abm.compiled import kernel
from abm.discovery import become_latent, search_weights
from abm.interventions import lever_paths
from abm.learning import start_level
from abm.month import months
from abm.observe import INDICATORS, Rows, empty_rows, group_names
from abm.opportunities import enumerate_opportunities
from abm.parameters import record
from abm.population import SIZE_LIMITS, draw_population
from abm.prices import annuity, deviations, discount_rates, levels, processes, unit_values
from abm.rules import PROSPECT
from abm.ruleset import slots
from abm.scenario import Scenario
from abm.state import (
    ACCOUNT,
    ACTIVE,
    BROKER,
    CENTRE,
    DEAL,
    NEVER_DUE,
    PAIR,
    PERSON,
    RESTING,
    STAGES,
    TOWN,
    State,
    World,
)

if TYPE_CHECKING:
    import pandas as pd

CENTRE_PREFIX = "facilitator."  # parameters that act from month 0 on only: arms may differ in these


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
    """One run: `values` of shape (months, indicators and groups), named by `names`; the network at the end."""

    scenario: str
    seed: int
    names: tuple[str, ...]
    values: np.ndarray
    network: Network

    def __getitem__(self, indicator: str) -> np.ndarray:
        """The monthly series of one indicator; KeyError if there is none of that name."""
        if indicator not in self.names:
            raise KeyError(indicator)
        return self.values[:, self.names.index(indicator)]

    def to_frame(self) -> pd.DataFrame:
        """One row a month (`month` 1 is the first after the spin-up), one column an indicator."""
        import pandas as pd

        frame = pd.DataFrame(self.values, columns=list(self.names))
        frame.insert(0, "month", np.arange(1, len(frame) + 1))
        return frame


def column_names(scenario: Scenario) -> tuple[str, ...]:
    """Indicators, then adoption by group."""
    return (*(indicator.name for indicator in INDICATORS), *group_names(scenario.region, catalogue()))


def build(scenario: Scenario, seed: int) -> tuple[World, dict[int, str]]:
    """All that a replicate's months cannot change, and the names of its named plants."""
    p, key, table = record(dict(scenario.values)), np.uint64(seed), catalogue()
    population = draw_population(scenario, seed, p)
    opportunities = enumerate_opportunities(population, seed, p)
    horizon, rates = float(p["worth"]["horizon"]), discount_rates(p)
    total = scenario.spin_up_months + scenario.months
    process = processes(table.commodities, p["prices"], horizon)
    x = deviations(key, process, total)
    reverting = scenario.values["prices.expectations"] == "reverting"
    people, towns = population.participants, scenario.region.municipality
    discovery = p["discovery"]
    world = World(
        seed=key,
        spin_up=scenario.spin_up_months,
        fastest_search=float(discovery["finds"] * (1.0 + discovery["social_gain"]) / 12.0),
        participants=people,
        supplies=population.supplies,
        demands=population.demands,
        pairs=opportunities.pairs,
        search=search_weights(opportunities.pairs, opportunities.first, opportunities.own, discovery),
        first=opportunities.first,
        own=opportunities.own,
        routes=table.byproducts,
        price_process=process,
        price=levels(x, process),
        unit_value=unit_values(x, process, rates, horizon, reverting),
        rates=rates,
        annuities=np.array([annuity(rate, horizon) for rate in rates]),
        levers=lever_paths(scenario),
        town_keys=np.array([name_key(town.name) for town in towns]),
        residents=np.array([town.population for town in towns]),
        maturity=np.array([town.maturity for town in towns], np.int32),
        members=np.bincount(people["municipality"], minlength=len(towns)).clip(1),
        sector_members=np.bincount(people["sector"], minlength=len(table.sectors)).clip(1),
        size_members=np.bincount(people["size"], minlength=len(SIZE_LIMITS) + 1).clip(1),
    )
    return world, population.names


@kernel
def start(p, world, state):
    """Fill in the state before the first month: thresholds, traits at their start, every pair latent."""
    for m in range(state.towns.size):
        state.towns[m].maturity = world.maturity[m]
        state.towns[m].threshold = exponential(world.seed, chance.MATURITY, world.town_keys[m], 0)
    rates, spread = p.learning, p.population.trait_spread
    for i in range(state.persons.size):
        person, fixed = state.persons[i], world.participants[i]
        person.knowledge = start_level(rates.knowledge_start, spread, fixed.trait_knowledge)
        person.social = start_level(rates.social_start, spread, fixed.trait_social)
        person.aware = uniform(world.seed, chance.AWARE_AT_START, fixed.key, 0) < rates.aware_start
        person.aware_threshold = exponential(world.seed, chance.AWARENESS, fixed.key, 0)
        person.next_training = exponential(world.seed, chance.TRAINING, fixed.key, 0)
        person.next_event = exponential(world.seed, chance.EVENT, fixed.key, 0)
    for e in range(state.pairs.size):
        become_latent(e, -1, world, state)


def initial_state(p: np.void, world: World) -> State:
    """The state before the first month of the spin-up."""
    people, pairs, towns = len(world.participants), len(world.pairs), len(world.residents)
    state = State(
        persons=np.zeros(people, PERSON),
        pairs=np.zeros(pairs, PAIR),
        towns=np.zeros(towns, TOWN),
        centre=np.zeros(1, CENTRE),
        account=np.zeros(1, ACCOUNT),
        lever=np.zeros(1, world.levers.dtype),
        supply_free=world.supplies["quantity"].copy(),
        demand_free=world.demands["quantity"].copy(),
        calendar=np.full(len(world.levers), -1, np.int32),
        moving=np.zeros(pairs, np.int32),
        found=np.zeros(pairs, np.int32),
        cases=np.zeros(pairs, np.int32),
        stages=np.zeros(len(STAGES), np.int64),
        live_of_route=np.zeros(len(world.routes), np.int64),
        adopters_of_sector=np.zeros(len(world.sector_members), np.int64),
        adopters_of_size=np.zeros(len(world.size_members), np.int64),
        price=np.zeros(world.price.shape[1]),
        unit_value=np.zeros(world.unit_value.shape[1:]),
        deal=np.zeros(2, DEAL),
        prospect=np.zeros(2, PROSPECT),
    )
    state.pairs["due"] = NEVER_DUE
    state.pairs["stage"] = RESTING
    state.stages[RESTING] = pairs
    start(p, world, state)
    return state


def _network(world: World, state: State, names: dict[int, str]) -> Network:
    people, live = world.participants, np.flatnonzero(state.pairs["stage"] == ACTIVE)
    pairs = world.pairs[live]
    return Network(
        lat=people["lat"],
        lon=people["lon"],
        sector=people["sector"],
        municipality=people["municipality"],
        names=names,
        supplier=pairs["supplier"],
        receiver=pairs["receiver"],
        byproduct=pairs["byproduct"],
        quantity=state.pairs["quantity"][live],
        brokered=state.pairs["found"][live] == BROKER,
    )


def simulate_arms(arms: Sequence[Scenario], seed: int) -> list[Trajectory]:
    """One trajectory an arm, all branching from one spin-up of one population.

    The arms may differ in the parameters of the centre only (`facilitator.*`), which act from month 0 on; raises
    ValueError otherwise. An arm's trajectory does not depend on which other arms are asked for.
    """
    first = arms[0]
    for arm in arms[1:]:
        differing = [name for name, value in arm.values.items() if value != first.values[name]]
        same = arm.months == first.months and arm.region == first.region
        if not same or any(not name.startswith(CENTRE_PREFIX) for name in differing):
            raise ValueError(
                f"arms share a spin-up only in one region and length, differing in {CENTRE_PREFIX}* alone: {differing}"
            )
    world, names = build(first, seed)
    rules = slots(first.values, first.rule_files)
    columns = column_names(first)
    p = record(dict(first.values))
    branch = initial_state(p, world)
    spin_up, total = world.spin_up, len(world.levers)
    months(0, spin_up, p, world, branch, rules, empty_rows(0, len(columns) - len(INDICATORS)))
    branch.account[:] = np.zeros(1, ACCOUNT)
    trajectories = []
    for arm in arms:
        state, rows = branch.copy(), empty_rows(arm.months, len(columns) - len(INDICATORS))
        own = world._replace(levers=lever_paths(arm))
        months(spin_up, total, record(dict(arm.values)), own, state, rules, rows)
        trajectories.append(Trajectory(arm.name, seed, columns, _table(rows), _network(world, state, names)))
    return trajectories


def _table(rows: Rows) -> np.ndarray:
    indicators = rows.indicators.view("f8").reshape(len(rows.indicators), len(INDICATORS))
    return np.concatenate((indicators, rows.groups), axis=1)


def simulate(scenario: Scenario, seed: int) -> Trajectory:
    """One run: spin-up without the centre, then `scenario.months` months. Pure: same arguments, same bits."""
    return simulate_arms([scenario], seed)[0]
