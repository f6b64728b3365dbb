"""The region as a Mesa model: one step is a month."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace

import mesa

from abm import chance
from abm.catalogue import catalogue
from abm.scenario import Scenario
from tests.twin.agents import ACTIVE, Firm, Group, Municipality, Participant, Utility
from tests.twin.facilitator import Facilitator
from tests.twin.luck import Luck
from tests.twin.observe import reporters
from tests.twin.opportunity import Opportunity, Route, Stage, opportunities
from tests.twin.population import plants
from tests.twin.prices import NO_KEY, Commodity, annuity, discount_rates


@dataclass
class Account:
    """Sums since month 0: counts, SEK, t CO2e."""

    found_self: int = 0
    found_broker: int = 0
    forgotten: int = 0
    talks: int = 0
    failed: int = 0
    started: int = 0
    ended_loss: int = 0
    ended_process: int = 0
    transaction_firms: float = 0.0
    transaction_utilities: float = 0.0
    enforcement: float = 0.0
    investment: float = 0.0
    cofinance: float = 0.0
    centre_cost: float = 0.0
    saving: float = 0.0
    carbon: float = 0.0


@dataclass
class Levers:
    """What policy sets this month."""

    fte: float
    landfill_tax: float
    carbon_price: float


def settings(scenario: Scenario) -> SimpleNamespace:
    """Parameters by their dotted names: `p.facilitator.shares.policy`."""
    root = SimpleNamespace()
    for name, value in scenario.values.items():
        *groups, leaf = name.split(".")
        node = root
        for group in groups:
            if not hasattr(node, group):
                setattr(node, group, SimpleNamespace())
            node = getattr(node, group)
        setattr(node, leaf, value)
    return root


class RegionModel(mesa.Model):
    """One replicate of a scenario."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        super().__init__()
        self.p, self.luck = settings(scenario), Luck(seed)
        self.spin_up, self.last = scenario.spin_up_months, scenario.spin_up_months + scenario.months
        self.t = -1  # month from the start of the spin-up
        self.rule_name = str(scenario.values["appraisal.rule"])
        self.rates = discount_rates(self.p.worth)
        self.annuities = tuple(annuity(rate, self.p.worth.horizon) for rate in self.rates)
        self.account = Account()
        self._build_tables(scenario)
        self.centre = Facilitator(self)
        self.participants: list[Participant] = [
            Firm(self, plant) if plant.is_firm else Utility(self, plant)
            for plant in plants(scenario.region, self.p.population, self.luck)
        ]
        self._find_opportunities()
        self.levers = self.levers_of(0)
        self.datacollector = mesa.DataCollector(model_reporters=reporters(self))

    def _build_tables(self, scenario: Scenario) -> None:
        """Commodities, by-products, municipalities, and the groups that adoption is counted in."""
        table = catalogue()
        commodities = {row.id: Commodity(row, self.p, self.rates, self.luck) for row in table.commodity_rows}
        self.commodities = list(commodities.values())
        self.routes = [Route(row, commodities[row.commodity]) for row in table.byproduct_rows]
        self.municipalities = [Municipality(self, row) for row in scenario.region.municipality]
        self.sectors = [Group(f"sector.{row.id}") for row in table.sectors]
        self.sizes = [Group(f"size.{name}") for name in ("below_50", "50_250", "above_250")]

    def _find_opportunities(self) -> None:
        """All opportunities, latent, with the parties' search divided over them."""
        supplies = [one for who in self.participants for one in who.draw_streams(self.routes, supplying=True)]
        demands = [one for who in self.participants for one in who.draw_streams(self.routes, supplying=False)]
        self.opportunities = opportunities(self, supplies, demands)
        self.latent = list(self.opportunities)
        self.resting: list[Opportunity] = []
        self.known: list[Opportunity] = []  # identified, negotiating or active, in visiting order
        for one in self.opportunities:
            one.donor.opportunities.append(one)
            one.user.opportunities.append(one)
            one.become_latent()
        for who in self.participants:
            who.survey()

    @property
    def month(self) -> int:
        """Months since month 0, negative during the spin-up."""
        return self.t - self.spin_up

    def levers_of(self, month: int) -> Levers:
        """Policy in a month counted from month 0."""
        is_open = self.p.facilitator.start <= month < self.p.facilitator.stop
        fte = self.p.facilitator.fte if is_open else 0.0
        return Levers(fte, self.p.worth.landfill_tax, self.p.worth.carbon_price)

    def step(self) -> None:
        """One month."""
        self.t += 1
        if self.month == 0:
            self.account = Account()
        self.set_prices()
        self.levers = self.levers_of(self.month)
        self.mature()
        self.centre.work()
        self.agents_by_type[Firm].do("learn")
        if Utility in self.agents_by_type:
            self.agents_by_type[Utility].do("learn")
        self.discover()
        self.visit()
        if self.month >= 0:
            self.datacollector.collect(self)

    def run_model(self) -> None:
        """All months, spin-up included."""
        while self.t + 1 < self.last:
            self.step()

    def set_prices(self) -> None:
        """Prices of the month."""
        common = self.luck.normal(chance.COMMON_SHOCK, NO_KEY, self.t)
        for commodity in self.commodities:
            commodity.advance(self.t, common)

    def mature(self) -> None:
        """Municipalities, held at today's groups during the spin-up."""
        if self.month < 0:
            return
        active = sum(town.maturity == ACTIVE for town in self.municipalities)
        followers = len(self.municipalities) - active
        policy = self.centre.policy_steps() / followers if followers else 0.0
        share = active / len(self.municipalities)
        self.agents_by_type[Municipality].do("mature", share, policy)

    def discover(self) -> None:
        """Latent opportunities are found, resting ones become latent again."""
        found, latent = [], []
        for one in self.latent:
            if finder := one.found_by():
                one.identify(finder)
                found.append(one)
            else:
                latent.append(one)
        waking = [one for one in self.resting if one.wakes <= self.t]
        for one in waking:
            one.become_latent()
        for one in found:
            one.donor.aware = one.user.aware = True
        self.latent = latent + waking
        self.resting = [one for one in self.resting if one.wakes > self.t]
        known = [one for one in self.known if one.stage not in (Stage.RESTING, Stage.LATENT)]
        self.known = sorted(known + found, key=attrgetter("rank")) if found else known

    def visit(self) -> None:
        """Appraisal, closing and operation, each in visiting order."""
        for one in self.known:
            if one.stage is Stage.IDENTIFIED:
                one.consider()
        for one in self.known:
            if one.stage is Stage.NEGOTIATING:
                one.negotiate()
        for town in self.municipalities:
            town.saving = 0.0
        for one in self.known:
            if one.stage is Stage.ACTIVE:
                one.operate()
