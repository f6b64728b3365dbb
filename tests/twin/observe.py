"""What is observed at the end of each month, as reporters of Mesa's data collector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from tests.twin.agents import ACTIVE, Firm, Group, Participant
from tests.twin.opportunity import Opportunity, Stage

if TYPE_CHECKING:
    from tests.twin.model import RegionModel

MILLION = 1e6
Row = dict[str, float]


def share(part: float, whole: float) -> float:
    """part/whole, 0 where there is nothing."""
    return part / whole if whole > 0 else 0.0


def observe_people(model: RegionModel) -> Row:
    """Adoption, awareness, knowledge and social capital."""
    people = model.participants
    firms = [one for one in people if isinstance(one, Firm)]
    return {
        "adoption": sum(one.living > 0 for one in people) / len(people),
        "adoption_firms": share(sum(one.living > 0 for one in firms), len(firms)),
        "aware": sum(one.aware for one in people) / len(people),
        "knowledge": sum(one.knowledge for one in people) / len(people),
        "social_capital": sum(one.social for one in people) / len(people),
    }


def observe_stages(model: RegionModel) -> Row:
    """Opportunities in each stage."""
    stages = [one.stage for one in model.known]
    counts = {stage: stages.count(stage) for stage in (Stage.IDENTIFIED, Stage.NEGOTIATING, Stage.ACTIVE)}
    return {
        "exchanges": counts[Stage.ACTIVE],
        "identified": counts[Stage.IDENTIFIED],
        "negotiating": counts[Stage.NEGOTIATING],
        "latent": len(model.opportunities) - sum(counts.values()),
    }


def observe_flows(live: list[Opportunity]) -> Row:
    """Quantities, raw material, carbon and money of living exchanges."""
    names = [
        "tonnes",
        "heat",
        "virgin_avoided",
        "moved_up",
        "imports_avoided",
        "carbon_rate",
        "saving_rate",
        "cross_sector",
    ]
    row = dict.fromkeys(names, 0.0)
    for one in live:
        route, quantity = one.route.row, one.quantity
        replaced = route.substitution * quantity
        if one.route.is_heat:
            row["heat"] += quantity
        else:
            row["tonnes"] += quantity
            row["virgin_avoided"] += replaced
            row["moved_up"] += route.disposed * quantity
        row["imports_avoided"] += route.imported * replaced * one.route.commodity.price / MILLION
        row["carbon_rate"] += one.net_saving * quantity
        row["saving_rate"] += (one.margin() * quantity - 2.0 * one.enforcement()) / MILLION
        row["cross_sector"] += one.cross
    row["cross_sector"] = share(row["cross_sector"], len(live))
    return row


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
        "distance": median(one.distance for one in live) if live else 0.0,
        "components": components,
        "degree": share(2.0 * len(live), len(partners)),
    }


def observe_account(model: RegionModel) -> Row:
    """Sums since month 0."""
    account = model.account
    counts = ("found_self", "found_broker", "forgotten", "talks", "failed", "started", "ended_loss", "ended_process")
    public = account.centre_cost + account.cofinance
    money = ("saving", "transaction_firms", "transaction_utilities", "enforcement", "investment", "cofinance")
    row: Row = {name: getattr(account, name) for name in (*counts, "carbon")}
    row |= {name: getattr(account, name) / MILLION for name in money}
    return row | {
        "transaction_cost": row["transaction_firms"] + row["transaction_utilities"],
        "public_cost": public / MILLION,
        "cost_per_tonne": share(public, account.carbon),
    }


def observe_centre(model: RegionModel) -> Row:
    """The centre's work, municipal maturity, prices."""
    maturity = [town.maturity for town in model.municipalities]
    ratios = [commodity.price / commodity.long_run for commodity in model.commodities]
    return {
        "registered": model.centre.registered,
        "relief": model.centre.relief,
        "caseload": sum(one.support for one in model.centre.cases),
        "maturity": sum(maturity) / len(maturity),
        "active_municipalities": maturity.count(ACTIVE) / len(maturity),
        "price_index": sum(ratios) / len(ratios),
    }


def observe_groups(model: RegionModel) -> Row:
    """Adoption by size class, municipal maturity, municipality and sector."""
    stages = [Group(f"maturity.{name}") for name in ("passive", "exploring", "active")]
    for town in model.municipalities:
        stages[town.maturity].members += town.group.members
        stages[town.maturity].adopters += town.group.adopters
    towns = [town.group for town in model.municipalities]
    return {f"adoption.{group.name}": group.share for group in (*model.sizes, *stages, *towns, *model.sectors)}


def observe(model: RegionModel) -> Row:
    """One row of the table."""
    live = [one for one in model.known if one.stage is Stage.ACTIVE]
    row = observe_people(model) | observe_stages(model) | observe_flows(live) | observe_network(live)
    return row | observe_account(model) | observe_centre(model) | observe_groups(model)


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
