"""Month's step 4: municipalities mature by example, saving, peers and policy work, and may fall back at elections.

Groups after the Västra Götaland prestudy: 0 passive, 1 exploring, 2 active. During the spin-up they stay as today.
"""

from __future__ import annotations

from abm import chance
from abm.chance import exponential, uniform
from abm.compiled import mechanism
from abm.state import ACTIVE_MUNICIPALITY, PASSIVE

# Swedish elections: second Sunday of September every fourth year; months count from
# 0, January 2026
TERM = 48
FIRST_ELECTION = 8


@mechanism
def up_hazard(m, active, p, world, state):
    """Hazard of one step up of municipality `m`, 1/yr; `active` is the share of active ones."""
    rates, town = p.municipalities, state.towns[m]
    examples = town.exchanges / (town.exchanges + rates.half_examples)
    per_head = max(town.saving, 0.0) / world.residents[m]
    saving = per_head / (per_head + rates.half_saving)
    own = rates.spontaneous + rates.examples * examples + rates.saving * saving
    return own + rates.peers * active + town.policy


@mechanism
def _election(m, occasion, p, world, state):
    """One step down, unless local exchanges speak for going on."""
    town = state.towns[m]
    protection = town.exchanges / (town.exchanges + p.municipalities.half_examples)
    lost = p.municipalities.election_loss * (1.0 - protection)
    least = max(state.lever[0].mandate, PASSIVE)
    if town.maturity > least and uniform(world.seed, chance.ELECTION, world.town_keys[m], occasion) < lost:
        town.maturity -= 1
        _next_step(m, world, state)


@mechanism
def _next_step(m, world, state):
    town = state.towns[m]
    town.steps += 1
    town.clock = 0.0
    town.threshold = exponential(world.seed, chance.MATURITY, world.town_keys[m], town.steps)


@mechanism
def persuade(p, world, state):
    """Policy work of each facilitator, spread over the municipalities that it covers and that are not yet active."""
    for m in range(state.towns.size):
        state.towns[m].policy = 0.0
    for f in range(state.centres.size):
        followers = 0
        for m in range(state.towns.size):
            followers += world.covers[f, m] and state.towns[m].maturity < ACTIVE_MUNICIPALITY
        steps = p.facilitator.steps * world.centres[f].policy * state.centres[f].work
        for m in range(state.towns.size):
            if followers > 0 and world.covers[f, m]:
                state.towns[m].policy += steps / followers


@mechanism
def step(t, p, world, state):
    """Maturity of all municipalities, on last month's exchanges and savings."""
    month = t - world.spin_up
    if month < 0:
        return
    active = 0
    for m in range(state.towns.size):
        active += state.towns[m].maturity == ACTIVE_MUNICIPALITY
    persuade(p, world, state)
    share = active / state.towns.size
    for m in range(state.towns.size):
        town = state.towns[m]
        while town.maturity < state.lever[0].mandate:
            town.maturity += 1
            _next_step(m, world, state)
        if town.maturity < ACTIVE_MUNICIPALITY:
            town.clock += up_hazard(m, share, p, world, state) / 12.0
            if town.clock >= town.threshold:
                town.maturity += 1
                _next_step(m, world, state)
        since = month - FIRST_ELECTION
        if since >= 0 and since % TERM == 0:
            _election(m, since // TERM, p, world, state)
