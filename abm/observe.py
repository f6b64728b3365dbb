"""Month's step 13: the indicators, once a month. Observing changes nothing.

An indicator is a row of `INDICATORS` and a line in a kernel below; the names meet in the record `ROW`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from abm.bundles import Array, bundle
from abm.catalogue import ENERGY, SHARING, WATER, Catalogue, Region
from abm.compiled import kernel, mechanism
from abm.population import SIZE_LIMITS
from abm.state import ACTIVE, ACTIVE_MUNICIPALITY, IDENTIFIED, LATENT, NEGOTIATING, RESTING
from abm.worth import enforcement, friction, margin

MILLION = 1e6


@dataclass(frozen=True)
class Indicator:
    """What is observed at the end of each month."""

    name: str
    unit: str
    meaning: str


INDICATORS: tuple[Indicator, ...] = (
    Indicator("adoption", "share", "participants with at least one live exchange"),
    Indicator("adoption_firms", "share", "firms with at least one live exchange"),
    Indicator("exchanges", "count", "live exchanges"),
    Indicator("latent", "count", "opportunities not known to their parties (resting ones included)"),
    Indicator("identified", "count", "opportunities known to both parties, no talks yet"),
    Indicator("negotiating", "count", "opportunities under negotiation"),
    Indicator("found_self", "count", "opportunities found by own search since month 0"),
    Indicator("found_broker", "count", "opportunities found by a broker since month 0"),
    Indicator("forgotten", "count", "identified opportunities forgotten since month 0"),
    Indicator("talks", "count", "negotiations started since month 0"),
    Indicator("failed", "count", "negotiations failed since month 0"),
    Indicator("started", "count", "exchanges started since month 0"),
    Indicator("ended_loss", "count", "exchanges ended by a party's loss since month 0"),
    Indicator("ended_process", "count", "exchanges ended by process change since month 0"),
    Indicator("ended_exit", "count", "exchanges ended by the closing of a party since month 0"),
    Indicator("firms", "count", "firms that are there"),
    Indicator("firms_closed", "count", "firms that closed since month 0"),
    Indicator("firms_entered", "count", "firms that entered since month 0"),
    Indicator("shared", "count", "live exchanges that share something (transport, space, staff)"),
    Indicator("tonnes", "t/yr", "by-products exchanged, without heat, steam and water"),
    Indicator("heat", "MWh/yr", "excess heat and steam exchanged"),
    Indicator("water", "m3/yr", "process water exchanged"),
    Indicator("virgin_avoided", "t/yr", "virgin raw material replaced, without heat, steam and water"),
    Indicator("moved_up", "t/yr", "by-products moved up the waste hierarchy from landfill or incineration"),
    Indicator("imports_avoided", "MSEK/yr", "imported raw material replaced, at today's prices"),
    Indicator("carbon_rate", "t CO2e/yr", "emissions avoided by live exchanges, transport taken off"),
    Indicator("carbon", "t CO2e", "emissions avoided since month 0, transport taken off"),
    Indicator("saving_rate", "MSEK/yr", "private saving of live exchanges at today's prices, enforcement taken off"),
    Indicator(
        "saving",
        "MSEK",
        "private saving since month 0, guarantees, premiums and taxes avoided included, enforcement taken off",
    ),
    Indicator("transaction_cost", "MSEK", "transaction cost since month 0, whoever paid it, enforcement not included"),
    Indicator("transaction_firms", "MSEK", "part of it paid by firms"),
    Indicator("transaction_utilities", "MSEK", "part of it paid by municipal utilities"),
    Indicator("enforcement", "MSEK", "enforcement cost paid since month 0"),
    Indicator("investment", "MSEK", "investment paid by the parties since month 0"),
    Indicator("cofinance", "MSEK", "investment paid by public funds that the centre found since month 0"),
    Indicator("grant", "MSEK", "investment paid by grants since month 0"),
    Indicator("subsidy", "MSEK", "transaction cost paid by subsidy since month 0"),
    Indicator("price_floor", "MSEK", "paid under guaranteed prices since month 0"),
    Indicator("procurement", "MSEK", "premiums paid by public buyers since month 0"),
    Indicator("public_cost", "MSEK", "staff of facilitators and administration of interventions since month 0"),
    Indicator("transfers", "MSEK", "paid by the public to the parties since month 0 (co-finance to premiums, above)"),
    Indicator("public_outlay", "MSEK", "public cost and transfers since month 0; tax revenue is not taken off"),
    Indicator("paid_national", "MSEK", "part of it paid nationally"),
    Indicator("paid_region", "MSEK", "part of it paid by the region"),
    Indicator("paid_municipal", "MSEK", "part of it paid by municipalities"),
    Indicator("tax_revenue", "MSEK", "revenue of the added landfill tax and carbon price since month 0, a transfer"),
    Indicator(
        "cost_per_tonne", "SEK/t CO2e", "public outlay over emissions avoided since month 0, all exchanges (gross)"
    ),
    Indicator("staff", "FTE", "staff of all facilitators"),
    Indicator("aware", "share", "participants aware of by-product exchange"),
    Indicator("knowledge", "0..1", "mean knowledge of participants"),
    Indicator("social_capital", "0..1", "mean social capital of participants"),
    Indicator("registered", "count", "participants in a register"),
    Indicator("caseload", "count", "cases carried by facilitators (fractions counted)"),
    Indicator("relief", "share", "regulatory relief won for permits, mean of municipalities"),
    Indicator("maturity", "0..2", "mean maturity of municipalities"),
    Indicator("active_municipalities", "share", "municipalities in the active group"),
    Indicator("price_index", "ratio", "mean over raw materials of price over long-run price"),
    Indicator("cross_sector", "share", "live exchanges across two-digit sectors"),
    Indicator("distance", "km", "median road distance of live exchanges (heat included)"),
    Indicator("components", "count", "connected groups in the network of live exchanges"),
    Indicator("degree", "count", "mean live exchanges per participant that has any"),
)

ROW = np.dtype([(indicator.name, "f8") for indicator in INDICATORS], align=True)


@bundle
class Rows(NamedTuple):
    """Observations of M months: indicators (ROW) and adoption by group, shape (M, groups)."""

    indicators: Annotated[Array, "observe.ROW"]
    groups: Annotated[Array, "f8", 2]


def group_names(region: Region, table: Catalogue) -> list[str]:
    """Columns of `Rows.groups`: adoption by size class, municipal maturity at month 0, municipality and sector."""
    low, high = (f"{limit:g}" for limit in SIZE_LIMITS)
    names = [f"size.below_{low}", f"size.{low}_{high}", f"size.above_{high}"]
    names += [f"maturity.{group}" for group in ("passive", "exploring", "active")]
    names += [f"municipality.{row.name}" for row in region.municipality]
    names += [f"sector.{row.id}" for row in table.sectors]
    return [f"adoption.{name}" for name in names]


def empty_rows(months: int, groups: int) -> Rows:
    """Rows to be filled; what no kernel writes stays NaN."""
    indicators = np.full((months, len(INDICATORS)), np.nan).view(ROW)[:, 0]
    return Rows(indicators, np.full((months, groups), np.nan))


@mechanism
def share(part, whole):
    """part/whole; not defined, NaN, where there is nothing to share."""
    return part / whole if whole > 0 else math.nan


@mechanism
def observe_people(state, row):
    """Adoption, awareness, knowledge and social capital of those that are there; returns how many adopt."""
    people, adopters, aware, registered, knowledge, social = 0, 0, 0, 0, 0.0, 0.0
    for s in range(state.members_of_size.size):
        people += state.members_of_size[s]
        adopters += state.adopters_of_size[s]
    for i in range(state.persons.size):
        person = state.persons[i]
        if person.present:
            aware += person.aware
            registered += person.registered
            knowledge += person.knowledge
            social += person.social
    tally = state.tally[0]
    row.adoption, row.adoption_firms = share(adopters, people), share(tally.adopting_firms, tally.firms)
    row.aware, row.knowledge, row.social_capital = (
        share(aware, people),
        share(knowledge, people),
        share(social, people),
    )
    row.firms, row.registered = tally.firms, registered
    return adopters


@mechanism
def observe_exchanges(p, world, state, row):
    """Flows of live exchanges: quantities by kind, raw material, carbon, money."""
    tonnes = heat = water = shared = virgin = moved = imported = carbon = saving = cross = caseload = 0.0
    for c in state.moving[: state.tally[0].moving]:
        case = state.cases[c]
        caseload += case.support
        if case.stage != ACTIVE:
            continue
        route, quantity = world.routes[case.byproduct], case.quantity
        market = state.market[route.commodity]
        if route.kind == ENERGY:
            heat += quantity
        elif route.kind == WATER:
            water += quantity
        elif route.kind == SHARING:
            shared += 1.0
        else:
            tonnes += quantity
            virgin += route.substitution * case.fit * quantity
            moved += route.disposed * quantity
        imported += route.imported * route.substitution * case.fit * quantity * market.price / MILLION
        carbon += case.saved * quantity
        donor, user = state.persons[case.supplier], state.persons[case.receiver]
        watching = 2.0 * enforcement(friction(case, donor, user, p.transaction), p.transaction)
        gain = margin(case, route, market.price + market.top_up, state.lever[0])
        saving += (gain * quantity - watching) / MILLION
        cross += case.cross
    row.tonnes, row.heat, row.water, row.shared = tonnes, heat, water, shared
    row.virgin_avoided, row.moved_up, row.imports_avoided = virgin, moved, imported
    row.carbon_rate, row.saving_rate, row.caseload = carbon, saving, caseload
    row.cross_sector = share(cross, state.stages[ACTIVE])


@mechanism
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def observe_network(moving, cases, parent, adopters, row):
    """Median distance, connected groups and mean degree of live exchanges; `parent` is room to work in."""
    distance, live, joined = np.empty(moving.size), 0, 0
    for c in moving:
        case = cases[c]
        if case.stage == ACTIVE:
            distance[live] = case.distance
            live += 1
            parent[case.supplier], parent[case.receiver] = case.supplier, case.receiver
    for c in moving:
        case = cases[c]
        if case.stage == ACTIVE:
            donor, user = _root(parent, case.supplier), _root(parent, case.receiver)
            if donor != user:
                parent[donor] = user
                joined += 1
    row.distance = np.median(distance[:live]) if live > 0 else math.nan
    row.components, row.degree = adopters - joined, share(2.0 * live, adopters)


@mechanism
def observe_account(state, row):
    """Sums since month 0, and the pairs in each stage."""
    account, stages = state.account[0], state.stages
    row.exchanges, row.identified, row.negotiating = stages[ACTIVE], stages[IDENTIFIED], stages[NEGOTIATING]
    row.latent = stages[LATENT] + stages[RESTING]
    row.found_self, row.found_broker, row.forgotten = account.found_self, account.found_broker, account.forgotten
    row.talks, row.failed, row.started = account.talks, account.failed, account.started
    row.ended_loss, row.ended_process = account.ended_loss, account.ended_process
    row.carbon, row.saving = account.carbon, account.saving / MILLION
    row.transaction_firms = account.transaction_firms / MILLION
    row.transaction_utilities = account.transaction_utilities / MILLION
    row.transaction_cost = row.transaction_firms + row.transaction_utilities + account.subsidy / MILLION
    row.ended_exit, row.firms_closed, row.firms_entered = account.ended_exit, account.closed, account.entered
    row.enforcement, row.investment = account.enforcement / MILLION, account.investment / MILLION


@mechanism
def observe_public(state, row):
    """What the public paid, for what, and who of it."""
    account = state.account[0]
    row.cofinance, row.grant = account.cofinance / MILLION, account.grant / MILLION
    row.subsidy, row.price_floor = account.subsidy / MILLION, account.price_floor / MILLION
    row.procurement, row.tax_revenue = account.procurement / MILLION, account.tax_revenue / MILLION
    national = account.cofinance + account.grant + account.subsidy + account.price_floor
    cost, transfers = account.staff + account.administration, national + account.procurement
    row.public_cost, row.transfers = cost / MILLION, transfers / MILLION
    row.public_outlay = (cost + transfers) / MILLION
    row.paid_national = (account.national + national) / MILLION
    row.paid_region = account.region / MILLION
    row.paid_municipal = (account.municipal + account.procurement) / MILLION
    row.cost_per_tonne = share(cost + transfers, account.carbon)
    row.staff = 0.0
    for f in range(state.centres.size):
        row.staff += state.centres[f].staff


@mechanism
def observe_region(world, state, row):
    """Municipal maturity and relief, prices."""
    maturity, active, relief, index = 0.0, 0.0, 0.0, 0.0
    for m in range(state.towns.size):
        maturity += state.towns[m].maturity
        active += state.towns[m].maturity == ACTIVE_MUNICIPALITY
        relief += state.towns[m].relief
    for k in range(state.market.size):
        index += state.market[k].price / world.price_process[k].price
    row.maturity, row.active_municipalities = maturity / state.towns.size, active / state.towns.size
    row.relief, row.price_index = relief / state.towns.size, index / state.market.size


@mechanism
def observe_groups(world, state, groups):
    """Adoption by size class, municipal maturity, municipality and sector, in the order of `group_names`.

    Maturity is that of month 0, which no centre has changed: groups of today would compare other municipalities.
    """
    sizes, towns = state.adopters_of_size.size, state.towns.size
    for s in range(sizes):
        groups[s] = share(state.adopters_of_size[s], state.members_of_size[s])
    for maturity in range(ACTIVE_MUNICIPALITY + 1):
        adopters, members = 0, 0
        for m in range(towns):
            if world.maturity[m] == maturity:
                adopters += state.towns[m].adopters
                members += state.towns[m].members
        groups[sizes + maturity] = share(adopters, members)
    for m in range(towns):
        groups[sizes + 3 + m] = share(state.towns[m].adopters, state.towns[m].members)
    for s in range(state.adopters_of_sector.size):
        groups[sizes + 3 + towns + s] = share(state.adopters_of_sector[s], state.members_of_sector[s])


@mechanism
def step(t, p, world, state, rows):
    """Write the row of month `t`; nothing is observed during the spin-up."""
    month = t - world.spin_up
    if month < 0:
        return
    row = rows.indicators[month]
    adopters = observe_people(state, row)
    observe_exchanges(p, world, state, row)
    observe_network(state.moving[: state.tally[0].moving], state.cases, state.parent, adopters, row)
    observe_account(state, row)
    observe_public(state, row)
    observe_region(world, state, row)
    observe_groups(world, state, rows.groups[month])
