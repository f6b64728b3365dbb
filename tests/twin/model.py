"""The region as a Mesa model: one step is a month."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import mesa

from abm import chance
from abm.catalogue import catalogue
from abm.scenario import Scenario, facilitators
from tests.twin.agents import ACTIVE, Firm, Group, Ledger, Municipality, Participant, Utility
from tests.twin.facilitator import Coverage, Facilitator
from tests.twin.luck import Luck
from tests.twin.observe import reporters
from tests.twin.opportunity import Opportunity, Route, Stage, opportunities
from tests.twin.policy import Levers, levers_in
from tests.twin.population import plants
from tests.twin.prices import NO_KEY, Commodity, annuity, discount_rates
from tests.twin.staffing import Funding

KNOWN = (Stage.IDENTIFIED, Stage.NEGOTIATING, Stage.ACTIVE)


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
    ended_exit: int = 0
    closed: int = 0
    entered: int = 0
    transaction_firms: float = 0.0
    transaction_utilities: float = 0.0
    enforcement: float = 0.0
    investment: float = 0.0
    saving: float = 0.0
    carbon: float = 0.0
    cofinance: float = 0.0
    grant: float = 0.0
    subsidy: float = 0.0
    price_floor: float = 0.0
    procurement: float = 0.0
    staff: float = 0.0
    administration: float = 0.0
    national: float = 0.0  # who paid staff and administration
    region: float = 0.0
    municipal: float = 0.0
    tax_revenue: float = 0.0


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
        self.rule_names = str(scenario.values["appraisal.rule"]), str(scenario.values["appraisal.mix"])
        parts = [getattr(self.p.appraisal, f"weight_{name}") for name in ("attitude", "norm", "control")]
        self.weights = (parts[0] / sum(parts), parts[1] / sum(parts), parts[2] / sum(parts))
        self.rates = discount_rates(self.p.worth)
        self.annuities = tuple(annuity(rate, self.p.worth.horizon) for rate in self.rates)
        self.account = Account()
        self.freight = 0.0  # emissions of transport this month, t CO2e a year
        self._build_tables(scenario)
        self._appoint(scenario)
        self.levers = self.levers_of(0)
        self.participants: list[Participant] = [
            Firm(self, plant) if plant.is_firm else Utility(self, plant)
            for plant in plants(scenario.region, self.p.population, self.luck)
        ]
        self._find_opportunities()
        self.datacollector = mesa.DataCollector(model_reporters=reporters(self))

    def _build_tables(self, scenario: Scenario) -> None:
        """Commodities, by-products, municipalities, and the groups that adoption is counted in."""
        table = catalogue()
        commodities = {row.id: Commodity(row, self.p, self.rates, self.luck) for row in table.commodity_rows}
        self.commodities = list(commodities.values())
        self.routes = [Route(row, commodities[row.commodity]) for row in table.byproduct_rows]
        self.municipalities = [Municipality(self, row) for row in scenario.region.municipality]
        self.utilities = len(scenario.region.utility)
        self.sectors = [Group(f"sector.{row.id}") for row in table.sectors]
        self.sizes = [Group(f"size.{name}") for name in ("below_50", "50_250", "above_250")]

    def _appoint(self, scenario: Scenario) -> None:
        """The resource centre, whose money is not permanent, and the others; who supports whom."""
        p, rows = self.p.facilitator, facilitators(scenario)
        funding = [Funding(p.funding.national, p.funding.municipal, p.review_threshold)]
        funding += [Funding() for _ in rows[1:]]
        self.facilitators = [Facilitator(self, row, n, funding[n]) for n, row in enumerate(rows)]
        for one in self.facilitators:
            one.nodes = [other for other in self.facilitators if other.row.name in one.row.supports]
        self.coverages: list[Coverage] = []

    def coverage_of(self, here: Municipality, there: Municipality, shelf: int) -> Coverage:
        """Of pairs between two municipalities, on one of the brokers' shelves."""
        both = [one for one in self.facilitators if here in one.towns and there in one.towns]
        for coverage in self.coverages:
            if coverage.facilitators == both and coverage.shelf == shelf:
                return coverage
        self.coverages.append(Coverage(both, shelf))
        return self.coverages[-1]

    def _find_opportunities(self) -> None:
        """All opportunities in visiting order, latent if both parties are there; search is divided over them."""
        supplies = [one for who in self.participants for one in who.draw_streams(self.routes, supplying=True)]
        demands = [one for who in self.participants for one in who.draw_streams(self.routes, supplying=False)]
        self.supplies, self.demands = supplies, demands
        self.opportunities = opportunities(self, supplies, demands)
        self.known: list[Opportunity] = []  # identified, negotiating or active
        for one in self.opportunities:
            one.donor.opportunities.append(one)
            one.user.opportunities.append(one)
            if one.donor.present and one.user.present:
                one.become_latent()
        for who in self.participants:
            who.survey()

    def in_stage(self, stage: Stage) -> list[Opportunity]:
        """Known opportunities of one stage, in visiting order."""
        return [one for one in self.known if one.stage is stage]

    def active(self) -> list[Opportunity]:
        """Living exchanges."""
        return self.in_stage(Stage.ACTIVE)

    @property
    def month(self) -> int:
        """Months since month 0, negative during the spin-up."""
        return self.t - self.spin_up

    def levers_of(self, month: int) -> Levers:
        """Policy in a month counted from month 0."""
        participants = self.p.population.firms + self.utilities
        return levers_in(self.p, month, participants=participants, municipalities=len(self.municipalities))

    def step(self) -> None:
        """One month."""
        self.t += 1
        if self.month == 0:
            self.account = Account()
            for town in self.municipalities:
                town.ledger = Ledger()
        self.levers = self.levers_of(self.month)
        self.set_prices()
        self.agents_by_type[Facilitator].do("start_month")
        self.agents_by_type[Facilitator].do("support_nodes")
        self.mature()
        self.facilitate()
        for who in self.participants:
            who.learn()
        self.discover()
        self.visit()
        self.agents_by_type[Firm].do("turn_over")
        self.book()
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
            commodity.advance(self.t, common, self.levers.price_floor)

    def mature(self) -> None:
        """Municipalities, held at today's groups during the spin-up."""
        if self.month < 0:
            return
        share = sum(town.maturity == ACTIVE for town in self.municipalities) / len(self.municipalities)
        policy = [sum(one.policy_steps(town) for one in self.facilitators) for town in self.municipalities]
        for town, steps in zip(self.municipalities, policy, strict=True):
            town.mature(share, steps)

    def facilitate(self) -> None:
        """The five functions, each for every facilitator in turn."""
        everybody = self.agents_by_type[Facilitator]
        everybody.do("teach_and_meet").do("influence")
        for coverage in self.coverages:
            coverage.screen(self.p.facilitator.coordination)
        everybody.do("register")
        everybody.do("lay_down_cases").do("keep_cases").do("take_cases")

    def discover(self) -> None:
        """Latent opportunities are found, resting ones become latent again."""
        found = []
        for one in self.opportunities:
            if one.stage is Stage.LATENT:
                if finder := one.found_by():
                    one.identify(finder)
                    found.append(one)
            elif one.stage is Stage.RESTING and one.wakes <= self.t:
                one.become_latent()
        for one in found:
            one.donor.become_aware()
            one.user.become_aware()
        self.known = [one for one in self.opportunities if one.stage in KNOWN]

    def visit(self) -> None:
        """Appraisal, closing and operation, each in visiting order."""
        for one in self.in_stage(Stage.IDENTIFIED):
            one.consider()
        for one in self.in_stage(Stage.NEGOTIATING):
            one.negotiate()
        for town in self.municipalities:
            town.saving = town.carbon = 0.0
        self.freight = 0.0
        for one in self.active():
            one.operate()

    def book(self) -> None:
        """Staff, administration and the revenue of added taxes."""
        account, levers = self.account, self.levers
        for one in self.facilitators:
            self.book_staff(one)
        for town in self.municipalities:
            town.ledger.paid += levers.mandate * self.p.interventions.mandate.cost / 12.0
        account.administration += (levers.regional_cost + levers.municipal_cost) / 12.0
        account.region += levers.regional_cost / 12.0
        account.municipal += levers.municipal_cost / 12.0
        account.tax_revenue += self.added_taxes() / 12.0

    def book_staff(self, one: Facilitator) -> None:
        """Staff of one facilitator, by payer."""
        account, staff, month = self.account, one.staff, self.p.facilitator.cost / 12.0
        account.staff += month * staff.paid
        account.national += month * staff.national
        account.municipal += month * staff.municipal
        setattr(account, one.row.payer, getattr(account, one.row.payer) + month * staff.rest)
        for town, persons in staff.of_towns():
            town.ledger.paid += month * persons

    def added_taxes(self) -> float:
        """What still pays the added taxes: streams not exchanged, raw material not replaced, transport; SEK a year."""
        levers = self.levers
        left = [one for one in self.supplies if one.owner.present]
        bought = [one for one in self.demands if one.owner.present]
        landfilled = sum(one.route.row.landfill_share * one.free for one in left)
        emitted = sum(one.route.row.emission_saving / 1000.0 * one.free for one in bought) + self.freight
        return levers.added_tax * landfilled + levers.added_price * emitted
