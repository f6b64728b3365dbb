"""Month's step 12: what the public paid this month, who of the public paid it, and the ledgers of municipalities.

Cost is what is used up: staff and administration. What is paid to the parties (grants, subsidies, guaranteed prices,
premiums) and what added taxes bring in are transfers and stand apart. Tax revenue counts what still pays the added tax:
streams not exchanged, and raw material not replaced.
"""

from __future__ import annotations

from abm.catalogue import PAYERS
from abm.compiled import mechanism
from abm.staffing import covered_residents, paying_residents

NATIONAL, REGION, MUNICIPAL = range(len(PAYERS))


@mechanism
def bill_towns(f, cofunding, rest, world, state):
    """Municipalities pay for facilitator `f`, SEK, by residents: co-funding who agreed to it, the rest all covered."""
    paying, covered = paying_residents(f, world, state), covered_residents(f, world)
    for m in range(state.ledger.size):
        residents, ledger = world.residents[m], state.ledger[m]
        if state.seats[f, m].pays:
            ledger.paid += cofunding * residents / paying
        if world.covers[f, m]:
            ledger.paid += rest * residents / covered


@mechanism
def pay_staff(p, world, state):
    """Staff of all facilitators, by payer; what projects and municipalities do not pay falls to the usual one."""
    account, month = state.account[0], p.facilitator.cost / 12.0
    for f in range(state.centres.size):
        centre = state.centres[f]
        account.staff += month * centre.staff
        account.national += month * centre.national
        cofunding = month * centre.municipal
        account.municipal += cofunding
        rest = month * (centre.staff - centre.national - centre.municipal)
        payer = world.centres[f].payer
        account.national += rest * (payer == NATIONAL)
        account.region += rest * (payer == REGION)
        municipal = rest * (payer == MUNICIPAL)
        account.municipal += municipal
        bill_towns(f, cofunding, municipal, world, state)


@mechanism
def run_interventions(state):
    """Administration of the interventions in force, by payer."""
    account, lever = state.account[0], state.lever[0]
    account.administration += (lever.national + lever.region + lever.municipal) / 12.0
    account.national += lever.national / 12.0
    account.region += lever.region / 12.0
    account.municipal += lever.municipal / 12.0


@mechanism
def keep_ledgers(state):
    """A month of each municipality: what its participants gained, and its part of interventions that all pay for."""
    each = state.lever[0].municipal / 12.0 / state.ledger.size
    for m in range(state.ledger.size):
        town, ledger = state.towns[m], state.ledger[m]
        ledger.saving += town.saving / 12.0
        ledger.carbon += town.carbon / 12.0
        ledger.paid += each


@mechanism
def collect_taxes(world, state):
    """Revenue of the added landfill tax and carbon price; of today's taxes nothing is booked."""
    account, lever = state.account[0], state.lever[0]
    landfilled, emitted = 0.0, state.tally[0].freight
    for n in range(state.supply_free.size):
        stream = world.supplies[n]
        if state.persons[stream.owner].present:
            landfilled += world.routes[stream.byproduct].landfill_share * state.supply_free[n]
    for n in range(state.demand_free.size):
        stream = world.demands[n]
        if state.persons[stream.owner].present:
            emitted += world.routes[stream.byproduct].emission_saving / 1000.0 * state.demand_free[n]
    account.tax_revenue += (lever.added_tax * landfilled + lever.added_price * emitted) / 12.0


@mechanism
def step(p, world, state):
    """Book the month."""
    pay_staff(p, world, state)
    run_interventions(state)
    keep_ledgers(state)
    if state.lever[0].added_tax > 0.0 or state.lever[0].added_price > 0.0:
        collect_taxes(world, state)
