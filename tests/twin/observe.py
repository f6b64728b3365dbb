"""What is observed at the end of each month, as reporters of Mesa's data collector."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from tests.twin.agents import ACTIVE, Firm, Group, Participant
from tests.twin.opportunity import Opportunity, Stage

if TYPE_CHECKING:
    from tests.twin.model import RegionModel

MILLION = 1e6
KINDS = ("material", "energy", "water", "sharing")
COUNTS = (
    "found_self",
    "found_broker",
    "forgotten",
    "talks",
    "failed",
    "started",
    "ended_loss",
    "ended_process",
    "ended_exit",
)
MONEY = (
    "saving",
    "transaction_firms",
    "transaction_utilities",
    "enforcement",
    "investment",
    "cofinance",
    "grant",
    "subsidy",
    "price_floor",
    "procurement",
    "tax_revenue",
)
Row = dict[str, float]


def share(part: float, whole: float) -> float:
    """part/whole; not a number where there is nothing."""
    return part / whole if whole > 0 else math.nan


def observe_people(model: RegionModel) -> Row:
    """Adoption, awareness, knowledge and social capital of those present."""
    people = [one for one in model.participants if one.present]
    firms = [one for one in people if isinstance(one, Firm)]
    heads = len(people)
    return {
        "adoption": share(sum(one.living > 0 for one in people), heads),
        "adoption_firms": share(sum(one.living > 0 for one in firms), len(firms)),
        "firms": len(firms),
        "registered": sum(one.is_registered for one in people),
        "aware": share(sum(one.aware for one in people), heads),
        "knowledge": share(sum(one.knowledge for one in people), heads),
        "social_capital": share(sum(one.social for one in people), heads),
    }


def observe_stages(model: RegionModel) -> Row:
    """Opportunities in each stage."""
    stages = [one.stage for one in model.opportunities]
    return {
        "exchanges": stages.count(Stage.ACTIVE),
        "identified": stages.count(Stage.IDENTIFIED),
        "negotiating": stages.count(Stage.NEGOTIATING),
        "latent": stages.count(Stage.LATENT) + stages.count(Stage.RESTING),
    }


def observe_flows(live: list[Opportunity]) -> Row:
    """Quantities, raw material, carbon and money of living exchanges."""
    by_kind = {kind: [one for one in live if one.route.row.kind == kind] for kind in KINDS}
    material = by_kind["material"]
    replaced = {one: one.replaced * one.quantity for one in live}
    imports = (one.route.row.imported * replaced[one] * one.route.commodity.price for one in live)
    return {
        "tonnes": sum(one.quantity for one in material),
        "virgin_avoided": sum(replaced[one] for one in material),
        "moved_up": sum(one.route.row.disposed * one.quantity for one in material),
        "heat": sum(one.quantity for one in by_kind["energy"]),
        "water": sum(one.quantity for one in by_kind["water"]),
        "shared": len(by_kind["sharing"]),
        "imports_avoided": sum(imports) / MILLION,
        "carbon_rate": sum(one.net_saving * one.quantity for one in live),
        "saving_rate": sum(one.margin() * one.quantity - 2.0 * one.enforcement() for one in live) / MILLION,
        "cross_sector": share(sum(one.cross for one in live), len(live)),
    }


def observe_network(live: list[Opportunity]) -> Row:
    """Distance, connected groups and degree."""
    partners: dict[Participant, list[Participant]] = {}
    for one in live:
        partners.setdefault(one.donor, []).append(one.user)
        partners.setdefault(one.user, []).append(one.donor)
    components, seen = 0, set()
    for first in partners:
        if first in seen:
            continue
        components += 1
        seen.add(first)
        stack = [first]
        while stack:
            new = [one for one in partners[stack.pop()] if one not in seen]
            seen.update(new)
            stack.extend(new)
    return {
        "distance": median(one.distance for one in live) if live else math.nan,
        "components": components,
        "degree": share(2.0 * len(live), len(partners)),
    }


def observe_account(model: RegionModel) -> Row:
    """Sums since month 0."""
    account = model.account
    row: Row = {name: getattr(account, name) for name in COUNTS} | {"carbon": account.carbon}
    row |= {name: getattr(account, name) / MILLION for name in MONEY}
    return row | {
        "firms_closed": account.closed,
        "firms_entered": account.entered,
        "transaction_cost": row["transaction_firms"] + row["transaction_utilities"] + row["subsidy"],
    }


def observe_public(model: RegionModel) -> Row:
    """What the public paid, for what, and who of it."""
    account = model.account
    cost = account.staff + account.administration
    by_state = account.cofinance + account.grant + account.subsidy + account.price_floor
    transfers = by_state + account.procurement
    return {
        "public_cost": cost / MILLION,
        "transfers": transfers / MILLION,
        "public_outlay": (cost + transfers) / MILLION,
        "paid_national": (account.national + by_state) / MILLION,
        "paid_region": account.region / MILLION,
        "paid_municipal": (account.municipal + account.procurement) / MILLION,
        "cost_per_tonne": share(cost + transfers, account.carbon),
    }


def observe_region(model: RegionModel) -> Row:
    """Staff and cases of facilitators, municipal maturity, prices."""
    towns = model.municipalities
    maturity = [town.maturity for town in towns]
    ratios = [commodity.price / commodity.long_run for commodity in model.commodities]
    return {
        "staff": sum(one.staff.paid for one in model.facilitators),
        "caseload": sum(one.support for one in model.known),
        "relief": sum(town.relief for town in towns) / len(towns),
        "maturity": sum(maturity) / len(towns),
        "active_municipalities": maturity.count(ACTIVE) / len(towns),
        "price_index": sum(ratios) / len(ratios),
    }


def observe_groups(model: RegionModel) -> Row:
    """Adoption by size class, municipal maturity at month 0, municipality and sector."""
    stages = [Group(f"maturity.{name}") for name in ("passive", "exploring", "active")]
    for town in model.municipalities:
        stages[town.first_maturity].members += town.group.members
        stages[town.first_maturity].adopters += town.group.adopters
    towns = [town.group for town in model.municipalities]
    groups = (*model.sizes, *stages, *towns, *model.sectors)
    return {f"adoption.{group.name}": share(group.adopters, group.members) for group in groups}


def observe(model: RegionModel) -> Row:
    """One row of the table."""
    live = model.active()
    row = observe_people(model) | observe_stages(model) | observe_flows(live) | observe_network(live)
    return row | observe_account(model) | observe_public(model) | observe_region(model) | observe_groups(model)


class Observer:
    """The row of the current month, made once for all reporters."""

    def __init__(self) -> None:
        self.month: int | None = None
        self.row: Row = {}

    def value(self, name: str, model: RegionModel) -> float:
        """One indicator of the current month."""
        if self.month != model.t:
            self.month, self.row = model.t, observe(model)
        return self.row[name]


def reporters(model: RegionModel) -> dict[str, Callable[[RegionModel], float]]:
    """One reporter an indicator."""
    observer = Observer()
    return {name: partial(observer.value, name) for name in observe(model)}
