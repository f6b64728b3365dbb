"""Month's step 8: parties look at what they know of; both must want it before talks start.

**A firm's decision** is `agree`: each party's certainty equivalent and irreversible cost (`weigh`) go to its own
decision rule (rules.py), the one of the month's rules that its number names (ruleset.py).
"""

from __future__ import annotations

import math
from typing import Any

from abm import chance
from abm.chance import exponential
from abm.compiled import mechanism
from abm.discovery import rest
from abm.learning import start_level
from abm.state import IDENTIFIED, NEGOTIATING, PASSIVE, adopters_around, move
from abm.worth import (
    enforcement,
    friction,
    pay,
    premium,
    transaction_cost,
    unpaid_carbon,
    unpriced_margin,
    value_share,
)


@mechanism
def uncertainty(donor, user, examples, rates):
    """u: appraisal uncertainty, lower with the parties' knowledge and with examples of the by-product's use."""
    known = 0.5 * (donor.knowledge + user.knowledge)
    demonstrated = examples / (examples + rates.half_examples)
    return rates.uncertainty * (1.0 - known) * (1.0 - demonstrated)


@mechanism
def certainty(value, doubt, fixed, p):
    """Certainty equivalent over `value`: what a party of its risk aversion leaves of a gain, or makes of a loss."""
    aversion = p.appraisal.risk_aversion * (1.0 + p.population.trait_spread * fixed.trait_risk)
    return 1.0 - aversion * doubt if value > 0.0 else 1.0 + aversion * doubt


@mechanism
def stand(i, prospect, p, world, state):
    """Fill in the prospect with how party `i` stands: what it wants, sees around it, is able to, and settles for."""
    person, fixed, rates = state.persons[i], world.participants[i], p.appraisal
    near, like = adopters_around(i, world, state)
    weights = rates.weight_attitude + rates.weight_norm + rates.weight_control
    prospect.attitude = start_level(rates.attitude, p.population.trait_spread, fixed.trait_attitude)
    prospect.peers = 0.5 * (near + like)
    prospect.control = 0.5 * (person.knowledge + 1.0 - person.talks / p.closing.attention)
    prospect.weight_attitude = rates.weight_attitude / weights
    prospect.weight_norm = rates.weight_norm / weights
    prospect.weight_control = rates.weight_control / weights
    prospect.threshold = rates.threshold + rates.threshold_spread * fixed.trait_threshold
    prospect.aspiration = 1.0 + (rates.aspiration - 1.0) * (1.0 - rates.aspiration_decay) ** person.refusals


@mechanism
def weigh(c, side, quantity, talking, p, world, state):
    """Fill in the prospect and the deal of one party (side 0 supplier, 1 receiver) for `quantity` units a year.

    Once `talking`, what was spent to start is sunk, and the choice cannot be put off: talks that fail are over.
    """
    case, prospect, deal = state.cases[c], state.prospect[side], state.deal[side]
    donor, user, route = state.persons[case.supplier], state.persons[case.receiver], world.routes[case.byproduct]
    i = case.supplier if side == 0 else case.receiver
    fixed, lever = world.participants[i], state.lever[0]
    annuity, rub = world.annuities[fixed.discount_class], friction(case, donor, user, p.transaction)
    flow = quantity * value_share(case, side, p.worth.split_spread)

    worth = premium(case, lever) * state.unit_value[route.commodity, fixed.discount_class]
    priced = flow * route.substitution * case.fit * worth
    certain = annuity * (flow * unpriced_margin(case, route, lever) - enforcement(rub, p.transaction))
    examples = state.live_of_route[case.byproduct] + route.examples
    doubt = uncertainty(donor, user, examples, p.appraisal)
    if side == 1 and state.suppliers[case.demand] > 0:  # the receiver has another supplier to fall back on
        doubt *= 1.0 - p.appraisal.redundancy
    sure = certainty(priced + certain, doubt, fixed, p)
    value = sure * (priced + certain)
    if not fixed.firm:  # a municipality counts the public value of carbon
        value += annuity * flow * unpaid_carbon(p.worth, lever) * case.saved

    helped = 1.0 - p.closing.municipal_cut * state.towns[fixed.municipality].maturity
    permit = route.permit * (1.0 - state.towns[fixed.municipality].relief) * helped
    deal.first_cost, deal.last_cost = transaction_cost(case, state.persons[i], rub, permit, p.transaction)
    whole = flow * route.capex
    deal.cofinance = p.facilitator.cofinance * case.support * whole
    deal.grant = min(lever.grant * whole, whole - deal.cofinance)
    deal.investment = whole - deal.cofinance - deal.grant

    prospect.value = value
    unspent = deal.last_cost + (0.0 if talking else deal.first_cost)
    prospect.cost = deal.investment + (1.0 - lever.subsidy) * unspent
    prospect.priced = sure * priced / value if value > 0.0 else 0.0
    prospect.waiting = 0.0 if talking else state.waiting[route.commodity, fixed.discount_class]
    market = state.market[route.commodity]
    prospect.volatility = market.exposure * world.price_process[route.commodity].effective
    prospect.rate, prospect.annuity = world.rates[fixed.discount_class], annuity
    prospect.payback = p.appraisal.payback_median * math.exp(p.appraisal.payback_spread * fixed.trait_payback)
    stand(i, prospect, p, world, state)


@mechanism
def may_act(i, world, state):
    """Firms always; a municipal utility only where its municipality is at least exploring."""
    fixed = world.participants[i]
    return fixed.firm or state.towns[fixed.municipality].maturity > PASSIVE


@mechanism
def free_quantity(case, p, world, state):
    """Units a year that both sides have free; 0 if too small a share of the donor's stream."""
    quantity = min(state.supply_free[case.supply], state.demand_free[case.demand])
    least = p.opportunities.min_share * world.supplies[case.supply].quantity
    return quantity if quantity >= least else 0.0


@mechanism
def agree(c, quantity, talking, p, world, state, rules):
    """Do both parties want exchange `c` at today's prices? Leaves their prospects and deals in the state.

    The supplier is asked first, the receiver if the supplier wants; who says no remembers it.
    """
    case = state.cases[c]
    if quantity <= 0.0 or not may_act(case.supplier, world, state) or not may_act(case.receiver, world, state):
        return False
    for side in range(2):
        weigh(c, side, quantity, talking, p, world, state)
        prospect = state.prospect[side]
        i = case.supplier if side == 0 else case.receiver
        if prospect.value <= 0.0 or not rules[world.participants[i].rule](prospect):
            state.persons[i].refusals += 1
            return False
    return True


@mechanism
def start_talks(case, world, state):
    """Both parties sink half of their bargaining cost, and bargain."""
    move(case.pair, NEGOTIATING, state)
    case.clock = 0.0
    case.threshold = exponential(world.seed, chance.TALKS_END, case.key, case.attempt)
    pay(case.supplier, state.deal[0].first_cost, world, state)
    pay(case.receiver, state.deal[1].first_cost, world, state)
    state.persons[case.supplier].talks += 1
    state.persons[case.receiver].talks += 1
    state.account[0].talks += 1


@mechanism
def look(c, t, p, world, state, rules):
    """Appraise identified case `c`, which is due, if both parties have a place at the table."""
    case, most = state.cases[c], p.closing.attention
    if state.persons[case.supplier].talks >= most or state.persons[case.receiver].talks >= most:
        return
    if agree(c, free_quantity(case, p, world, state), False, p, world, state, rules):
        start_talks(case, world, state)
    elif case.support > 0.0:
        case.refused += 1
    interval, carried = p.appraisal.interval, p.appraisal.case_interval
    case.look = t + round(interval - case.support * max(interval - carried, 0))


@mechanism
def consider(c, t, p, world, state, rules):
    """A month of identified case `c`: forgotten unless carried, or looked at when due."""
    case = state.cases[c]
    case.clock += p.discovery.forgetting * (1.0 - case.support) / 12.0
    if case.clock >= case.threshold:
        state.account[0].forgotten += 1
        rest(c, t, p, state)
    elif t >= case.look:
        look(c, t, p, world, state, rules)


@mechanism
def step(t, p, world, state, rules: Any):
    """Identified cases in visiting order."""
    for c in state.moving[: state.tally[0].moving]:
        if state.cases[c].stage == IDENTIFIED:
            consider(c, t, p, world, state, rules)
