"""By-products, free streams, and the opportunities between two plants, from latent to active."""

from __future__ import annotations

import math
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from abm import chance
from abm.catalogue import Byproduct, catalogue
from abm.parameters import BY_NAME
from tests.twin.luck import Clock, joint_key
from tests.twin.prices import Commodity
from tests.twin.rules import Prospect

if TYPE_CHECKING:
    from tests.twin.agents import Municipality, Participant
    from tests.twin.facilitator import Coverage, Facilitator
    from tests.twin.model import RegionModel

EARTH_RADIUS = 6371.0
SHELVES = 16  # on which brokers sort opportunities, the most promising first
TRUCK = 0.077  # kg CO2e per tonne-km
TAX_OF_TODAY = float(BY_NAME["worth.landfill_tax"].default)  # which opportunities exist does not follow a swept tax


class Stage(Enum):
    """How far an opportunity has come."""

    LATENT = "latent"
    IDENTIFIED = "identified"
    NEGOTIATING = "negotiating"
    ACTIVE = "active"
    RESTING = "resting"
    DORMANT = "dormant"  # a party is not there


class Finder(Enum):
    """Who found an opportunity."""

    SELF = "self"
    BROKER = "broker"


class Route:
    """A by-product, and how many exchanges of it are living."""

    def __init__(self, row: Byproduct, commodity: Commodity) -> None:
        self.row, self.commodity = row, commodity
        self.key = chance.name_key(row.id)
        self.is_shared = row.kind == "sharing"
        self.living = 0


class Stream:
    """What one plant has left over, or could use, of one by-product: units a year."""

    def __init__(self, owner: Participant, route: Route, quantity: float) -> None:
        self.owner, self.route = owner, route
        self.quantity = self.free = quantity
        self.exchanges = 0  # living ones


def great_circle(a: Participant, b: Participant) -> float:
    """Kilometres between two plants (haversine)."""
    phi_a, phi_b = math.radians(a.plant.lat), math.radians(b.plant.lat)
    half_lat, half_lon = 0.5 * (phi_b - phi_a), 0.5 * math.radians(b.plant.lon - a.plant.lon)
    h = math.sin(half_lat) ** 2 + math.cos(phi_a) * math.cos(phi_b) * math.sin(half_lon) ** 2
    return 2.0 * EARTH_RADIUS * math.asin(math.sqrt(min(h, 1.0)))


class Party:
    """One side of an opportunity, and what its agreement would cost it, SEK."""

    def __init__(self, who: Participant, share: float) -> None:
        self.who = who
        self.drawn_share = share  # of the joint gain, unless a broker splits it
        self.first_cost = self.last_cost = self.investment = self.cofinance = self.grant = 0.0


class Opportunity:
    """A possible exchange of one by-product between two plants."""

    def __init__(self, model: RegionModel, supply: Stream, demand: Stream, distance: float) -> None:
        p, luck, route = model.p, model.luck, supply.route
        self.model, self.route, self.supply, self.demand = model, route, supply, demand
        self.donor, self.user, self.distance = supply.owner, demand.owner, distance
        self.key = joint_key(joint_key(self.donor.key, self.user.key), route.key)
        fit = luck.lognormal(chance.FIT, self.key, 0, p.opportunities.fit_spread)
        self.replaced = route.row.substitution * fit  # raw material replaced per unit
        split = p.worth.split_spread * (2.0 * luck.uniform(chance.SPLIT, self.key) - 1.0)
        self.parties = (Party(self.donor, 0.5 + split), Party(self.user, 0.5 - split))
        self.cross = self.donor.nace2 != self.user.nace2
        self.neighbours = self.donor.municipality is self.user.municipality
        self.net_saving = (route.row.emission_saving - TRUCK * route.row.mass * distance) / 1000.0
        self.hauling = route.row.processing + route.row.transport * distance
        self.least = p.opportunities.min_share * supply.quantity
        most = min(supply.quantity, demand.quantity)
        disposal = route.row.gate_fee + route.row.landfill_share * TAX_OF_TODAY
        self.gross_value = most * (self.replaced * route.commodity.long_run + disposal)
        self.carbon = most * self.net_saving  # t CO2e a year that the whole flow would avoid
        self.public = catalogue().sectors[self.user.plant.sector].public
        self.exists = most >= self.least and self.gross_value >= p.opportunities.min_value
        self.rank = luck.uniform(chance.VISIT_ORDER, self.key)
        self.donor_weight = self.user_weight = 0.0  # finds per unit of search of each party
        self.screen_weight = p.discovery.hit_rate * math.exp(-distance / p.discovery.broker_distance)
        self.promise = self.gross_value * math.exp(-distance / p.discovery.broker_distance)
        self.coverage: Coverage  # once brokers have sorted what there is
        self.stage = Stage.DORMANT
        self.attempt = 0
        self.finder: Finder | None = None  # of this attempt, or of the last one
        self.quantity = self.support = 0.0
        self.carriers: set[Facilitator] = set()
        self.self_target = self.broker_target = math.inf
        self.clock: Clock | None = None
        self.wakes = self.next_look = self.losing = self.refused = self.identified_at = 0

    @property
    def towns(self) -> tuple[Municipality, Municipality]:
        """Municipalities of donor and user."""
        return self.donor.municipality, self.user.municipality

    def other(self, who: Participant) -> Participant:
        """The party that is not `who`."""
        return self.user if who is self.donor else self.donor

    # -- worth and transaction cost

    @property
    def own_weight(self) -> float:
        """How easily the parties would come upon it."""
        rates = self.model.p.discovery
        familiar = 1.0 - rates.cross_cut if self.cross else 1.0
        worth = (min(self.gross_value, rates.value_cap) / 1e6) ** rates.value_exponent
        return math.exp(-self.distance / rates.distance) * familiar * worth

    def unpriced_margin(self) -> float:
        """Joint gain per unit without the raw material."""
        levers, row = self.model.levers, self.route.row
        disposal = row.gate_fee + row.landfill_share * levers.landfill_tax
        return disposal + levers.carbon_price * self.net_saving - self.hauling

    def premium(self) -> float:
        """What public buyers add to the price of what replaces raw material."""
        return self.model.levers.procurement * self.public

    def price(self) -> float:
        """Price received for a unit of raw material replaced, guarantee included."""
        return self.route.commodity.price + self.route.commodity.top_up

    def margin(self) -> float:
        """Joint gain per unit at today's price."""
        return (1.0 + self.premium()) * self.replaced * self.price() + self.unpriced_margin()

    def share_of(self, party: Party) -> float:
        """Share of the joint gain of one party."""
        return 0.5 if self.finder is Finder.BROKER else party.drawn_share

    def trust(self) -> float:
        """Trust between the parties, 0..1."""
        strangers = 1.0 - self.donor.social * self.user.social
        if self.neighbours:
            strangers *= 1.0 - self.model.p.transaction.neighbour_trust
        return 1.0 - strangers

    def friction(self) -> float:
        """F: what makes bargaining and enforcement harder or easier."""
        rates = self.model.p.transaction
        surcharge = rates.cross_surcharge if self.cross else 0.0
        return (1.0 + surcharge) * (1.0 - rates.trust_cut * self.trust())

    def enforcement(self) -> float:
        """Yearly cost of watching, per party."""
        rates = self.model.p.transaction
        return rates.wage * rates.multiplier * rates.enforce_hours * self.friction()

    def set_transaction_cost(self, party: Party) -> None:
        """What the party sinks when talks start, and what it pays at closing."""
        p, who = self.model.p, party.who
        rates = p.transaction
        bargain = rates.bargain_hours * self.friction() * (1.0 - rates.support_cut * self.support)
        helped = 1.0 - p.closing.municipal_cut * who.municipality.maturity
        permit = rates.permit_hours * self.route.row.permit * (1.0 - who.municipality.relief) * helped
        party.first_cost = who.hourly_cost() * 0.5 * bargain
        party.last_cost = who.hourly_cost() * (0.5 * bargain + permit)

    # -- appraisal

    def free_quantity(self) -> float:
        """Units a year that both have free; nothing if too little of the donor's stream."""
        quantity = min(self.supply.free, self.demand.free)
        return quantity if quantity >= self.least else 0.0

    def can_be_agreed(self) -> bool:
        """May both parties act?"""
        return self.donor.may_act() and self.user.may_act()

    def uncertainty(self, who: Participant) -> float:
        """u: of the appraisal; a user that another exchange serves already is surer."""
        rates = self.model.p.appraisal
        examples = self.route.living + self.route.row.examples
        unknown = 1.0 - 0.5 * (self.donor.knowledge + self.user.knowledge)
        doubt = rates.uncertainty * unknown * (1.0 - examples / (examples + rates.half_examples))
        served = who is self.user and self.demand.exchanges > 0
        return doubt * (1.0 - rates.redundancy) if served else doubt

    def prospect(self, party: Party, quantity: float, *, talking: bool) -> Prospect:
        """What the exchange promises to one party; what it would pay is noted on the party."""
        who, commodity = party.who, self.route.commodity
        flow = quantity * self.share_of(party)
        annuity = self.model.annuities[who.discount_class]
        priced = (1.0 + self.premium()) * flow * self.replaced * commodity.unit_value(who.discount_class)
        value = priced + annuity * (flow * self.unpriced_margin() - self.enforcement())
        doubted = who.risk_aversion * self.uncertainty(who)
        moving = priced * (1.0 - doubted if value > 0.0 else 1.0 + doubted)  # of the certainty equivalent
        value -= doubted * abs(value)
        unpaid = max(who.carbon_value - self.model.levers.carbon_price, 0.0)
        value += annuity * flow * self.net_saving * unpaid
        self.set_transaction_cost(party)
        self.set_investment(party, flow)
        unspent = party.last_cost + (0.0 if talking else party.first_cost)
        return Prospect(
            key=int(self.key),
            value=value,
            cost=party.investment + (1.0 - self.model.levers.subsidy) * unspent,
            moving=moving,
            waiting=0.0 if talking else commodity.worth_waiting(who.discount_class),
            annuity=annuity,
            payback_limit=who.payback_limit,
            attitude=who.attitude,
            norm=who.norm(),
            control=who.control(),
            threshold=who.intention_threshold,
            aspiration=who.aspiration(),
            weights=self.model.weights,
        )

    def set_investment(self, party: Party, flow: float) -> None:
        """What the party itself invests, and what funds and grants pay of it."""
        whole = flow * self.route.row.capex
        party.cofinance = self.model.p.facilitator.cofinance * self.support * whole
        party.grant = min(self.model.levers.grant * whole, whole - party.cofinance)
        party.investment = whole - party.cofinance - party.grant

    def is_wanted(self, quantity: float, *, talking: bool) -> bool:
        """Do both parties want it now?"""
        if quantity <= 0.0 or not self.can_be_agreed():
            return False
        return all(party.who.joins(self.prospect(party, quantity, talking=talking)) for party in self.parties)

    # -- latent, resting, dormant

    @property
    def is_registered(self) -> bool:
        """Are both parties in somebody's register?"""
        return self.donor.is_registered and self.user.is_registered

    def search_so_far(self) -> float:
        """Where the clock of own search stands."""
        return self.donor_weight * self.donor.search + self.user_weight * self.user.search

    def become_latent(self) -> None:
        """It can be found from now on."""
        self.stage = Stage.LATENT
        threshold = self.model.luck.exponential(chance.FOUND_SELF, self.key, self.attempt)
        self.self_target = self.search_so_far() + threshold
        self.broker_target = math.inf
        if self.is_registered:
            self.start_screening()

    def start_screening(self) -> None:
        """Brokers look at it from now on: it is latent, and both its parties are registered."""
        self.coverage.candidates.add(self)
        threshold = self.model.luck.exponential(chance.FOUND_BROKER, self.key, self.attempt)
        waiting = threshold / self.screen_weight if self.screen_weight else math.inf
        self.broker_target = self.coverage.screening + waiting

    def found_by(self) -> Finder | None:
        """Whose clock has fired?"""
        if self.search_so_far() >= self.self_target:
            return Finder.SELF
        return Finder.BROKER if self.coverage.screening >= self.broker_target else None

    def rest(self) -> None:
        """Forgotten, failed or ended: out of sight for a while."""
        self.stage, self.support, self.clock = Stage.RESTING, 0.0, None
        self.attempt += 1
        self.wakes = self.model.t + self.model.p.discovery.cool_down

    def lose_party(self) -> None:
        """A party closes: whatever was going on is over."""
        account = self.model.account
        if self.stage is Stage.ACTIVE:
            account.ended_exit += 1
            self._end()  # which is an attempt of its own
        elif self.stage is Stage.NEGOTIATING:
            account.failed += 1
            self._leave_table()
        elif self.stage is Stage.IDENTIFIED:
            account.forgotten += 1
        self.coverage.candidates.discard(self)
        self.stage, self.support, self.clock = Stage.DORMANT, 0.0, None
        self.attempt += 1

    # -- identified

    def identify(self, finder: Finder) -> None:
        """It is found; its parties may forget it again."""
        self.stage, self.finder = Stage.IDENTIFIED, finder
        self.coverage.candidates.discard(self)
        self.identified_at = self.next_look = self.model.t
        self.refused = 0
        self.clock = self._clock(chance.FORGOTTEN)
        self._pay_search(finder)
        if finder is Finder.SELF:
            self.model.account.found_self += 1
        else:
            self.model.account.found_broker += 1

    def _pay_search(self, finder: Finder) -> None:
        """Hours that the find took: of both parties with a broker, of those that were searching without."""
        rates = self.model.p.transaction
        hours = rates.search_hours * (1.0 - rates.broker_cut if finder is Finder.BROKER else 1.0)
        for who in (self.donor, self.user):
            if finder is Finder.BROKER or who.aware:
                who.pay(who.hourly_cost() * hours)

    def consider(self) -> None:
        """One month of being identified: forgotten, or looked at when due."""
        assert self.clock is not None
        if self.clock.run(self.model.p.discovery.forgetting * (1.0 - self.support) / 12.0):
            self.model.account.forgotten += 1
            self.rest()
        elif self.model.t >= self.next_look and self.donor.has_time() and self.user.has_time():
            self._look()

    def _look(self) -> None:
        rates = self.model.p.appraisal
        if self.is_wanted(self.free_quantity(), talking=False):
            self._start_talks()
        elif self.support > 0.0:
            self.refused += 1
        sooner = self.support * max(rates.interval - rates.case_interval, 0)
        self.next_look = self.model.t + round(rates.interval - sooner)

    def _start_talks(self) -> None:
        self.stage, self.clock = Stage.NEGOTIATING, self._clock(chance.TALKS_END)
        self.model.account.talks += 1
        for party in self.parties:
            party.who.pay(party.first_cost)
            party.who.talks += 1

    # -- negotiating

    def talk_duration(self) -> float:
        """Mean length of the talks, years."""
        rates = self.model.p.closing
        relief = 0.5 * sum(town.relief for town in self.towns)
        maturity = 0.5 * sum(town.maturity for town in self.towns)
        permits = 1.0 + rates.permit_delay * self.route.row.permit * (1.0 - relief)
        helped = (1.0 - rates.municipal_cut * maturity) * (1.0 - rates.support_cut * self.support)
        return rates.duration * permits * helped

    def negotiate(self) -> None:
        """One month of talks; at their end both decide again."""
        assert self.clock is not None
        if not self.clock.run(1.0 / (12.0 * self.talk_duration())):
            return
        self._leave_table()
        quantity = self.free_quantity()
        if self.is_wanted(quantity, talking=True):
            self._conclude(quantity)
        else:
            self.model.account.failed += 1
            self.rest()

    def _leave_table(self) -> None:
        for party in self.parties:
            party.who.talks -= 1

    def _conclude(self, quantity: float) -> None:
        account = self.model.account
        self.stage, self.clock = Stage.ACTIVE, self._clock(chance.PROCESS_END)
        self.quantity, self.support, self.losing = quantity, 0.0, 0
        account.started += 1
        for party in self.parties:
            party.who.pay(party.last_cost)
            account.investment += party.investment
            account.cofinance += party.cofinance
            account.grant += party.grant
            party.who.municipality.ledger.spent += party.investment
            party.who.agreements += 1
            party.who.refusals = 0
        self._bind(1)

    def _bind(self, change: int) -> None:
        """One living exchange more or less."""
        for party in self.parties:
            party.who.count_exchange(change)
        for stream in (self.supply, self.demand):
            stream.free -= change * self.quantity
            stream.exchanges += change
        self.route.living += change

    # -- active

    def operate(self) -> None:
        """One month of exchange: earnings, carbon, and perhaps the end."""
        assert self.clock is not None
        p, account = self.model.p, self.model.account
        losing = self._earn()
        self._book_public_money()
        self.losing = self.losing + 1 if losing else 0
        process_ends = self.clock.run(p.operation.end_rate * (1.0 - p.operation.trust_cut * self.trust()) / 12.0)
        if self.losing >= p.operation.patience:
            account.ended_loss += 1
            self._end()
        elif process_ends:
            account.ended_process += 1
            self._end()

    def _earn(self) -> bool:
        """Saving and carbon of the month; does a party lose by it?"""
        account, losing = self.model.account, False
        watching, yearly = self.enforcement(), self.quantity * self.margin()
        for party in self.parties:
            own = self.share_of(party) * yearly - watching
            party.who.municipality.saving += own
            party.who.municipality.carbon += 0.5 * self.net_saving * self.quantity
            party.who.municipality.ledger.saving += own / 12.0
            party.who.municipality.ledger.carbon += 0.5 * self.net_saving * self.quantity / 12.0
            account.saving += own / 12.0
            losing = losing or own < 0.0
        account.enforcement += 2.0 * watching / 12.0
        account.carbon += self.net_saving * self.quantity / 12.0
        return losing

    def _book_public_money(self) -> None:
        """What guarantee and public buyers pay, and the emissions of transport, which are taxed."""
        account, replaced = self.model.account, self.replaced * self.quantity
        account.price_floor += replaced * self.route.commodity.top_up / 12.0
        premiums = replaced * self.premium() * self.price() / 12.0
        account.procurement += premiums
        self.user.municipality.ledger.paid += premiums
        self.model.freight += TRUCK * self.route.row.mass * self.distance / 1000.0 * self.quantity

    def _end(self) -> None:
        self._bind(-1)
        for party in self.parties:
            party.who.social *= 1.0 - self.model.p.learning.social_loss
        self.quantity = 0.0
        self.rest()

    def _clock(self, event: np.uint64) -> Clock:
        return Clock(self.model.luck, event, self.key, self.attempt)


def opportunities(model: RegionModel, supplies: list[Stream], demands: list[Stream]) -> list[Opportunity]:
    """All opportunities of the region, in visiting order."""
    p = model.p.opportunities
    found = []
    for supply in supplies:
        reach = supply.route.row.reach / p.road_factor
        near = [
            (great_circle(supply.owner, demand.owner), demand)
            for demand in demands
            if demand.route is supply.route and demand.owner is not supply.owner
        ]
        within = sorted((pair for pair in near if pair[0] < reach), key=lambda pair: pair[0])
        found += [Opportunity(model, supply, demand, p.road_factor * d) for d, demand in within[: p.max_partners]]
    existing = [one for one in found if one.exists]
    for place, one in enumerate(sorted(existing, key=attrgetter("promise"), reverse=True)):
        one.coverage = model.coverage_of(*one.towns, place * SHELVES // len(existing))
    return sorted(existing, key=attrgetter("rank"))
