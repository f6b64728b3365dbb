"""Month's step 12: what the public paid this month, and who of the public paid it.

Cost is what is used up: staff and administration. What is paid to the parties (grants, subsidies, guaranteed prices,
premiums) and what added taxes bring in are transfers and stand apart. Tax revenue counts what still pays the added tax:
streams not exchanged, and raw material not replaced.
"""

from __future__ import annotations

from abm.catalogue import PAYERS
from abm.compiled import mechanism

NATIONAL, REGION, MUNICIPAL = range(len(PAYERS))


@mechanism
def pay_staff(p, world, state):
    """Staff of all facilitators, by payer; what projects and municipalities do not pay falls to the usual one."""
    account, month = state.account[0], p.facilitator.cost / 12.0
    for f in range(state.centres.size):
        centre = state.centres[f]
        account.staff += month * centre.staff
        account.national += month * centre.national
        account.municipal += month * centre.municipal
        rest = month * (centre.staff - centre.national - centre.municipal)
        payer = world.centres[f].payer
        account.national += rest * (payer == NATIONAL)
        account.region += rest * (payer == REGION)
        account.municipal += rest * (payer == MUNICIPAL)


@mechanism
def run_interventions(state):
    """Administration of the interventions in force, by payer."""
    account, lever = state.account[0], state.lever[0]
    account.administration += (lever.national + lever.region + lever.municipal) / 12.0
    account.national += lever.national / 12.0
    account.region += lever.region / 12.0
    account.municipal += lever.municipal / 12.0


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
    if state.lever[0].added_tax > 0.0 or state.lever[0].added_price > 0.0:
        collect_taxes(world, state)
