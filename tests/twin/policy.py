"""Dated interventions: what is in force in a month, and what running it costs."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace


@dataclass
class Levers:
    """What policy sets this month."""

    landfill_tax: float
    carbon_price: float
    added_tax: float  # part of the two that an intervention added
    added_price: float
    subsidy: float
    grant: float
    price_floor: float
    marketplace: float
    campaign: float
    mandate: float
    procurement: float
    regional_cost: float  # of running the interventions, SEK a year
    municipal_cost: float


def levers_in(p: SimpleNamespace, month: int, *, participants: int, municipalities: int) -> Levers:
    """Policy in a month counted from month 0, in a region of so many firms and utilities."""

    def level(name: str) -> float:
        plan = getattr(p.interventions, name)
        return plan.level if plan.start <= month < plan.stop else 0.0

    tax, price = level("landfill_tax"), level("carbon_price")
    marketplace, campaign, mandate = level("marketplace"), level("campaign"), level("mandate")
    reached = marketplace * p.interventions.marketplace.cost + campaign * p.interventions.campaign.cost
    return Levers(
        landfill_tax=p.worth.landfill_tax + tax,
        carbon_price=p.worth.carbon_price + price,
        added_tax=tax,
        added_price=price,
        subsidy=level("transaction_subsidy"),
        grant=level("grant"),
        price_floor=level("price_floor"),
        marketplace=marketplace,
        campaign=campaign,
        mandate=mandate,
        procurement=level("procurement"),
        regional_cost=reached * participants,
        municipal_cost=mandate * p.interventions.mandate.cost * municipalities,
    )
