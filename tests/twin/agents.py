"""Firms, municipal utilities and municipalities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mesa

from abm import chance
from abm.catalogue import Municipality as TownRow
from abm.catalogue import catalogue
from tests.twin.luck import Attendances, Clock
from tests.twin.opportunity import Opportunity, Route, Stage, Stream
from tests.twin.population import Plant
from tests.twin.rules import Prospect, rule_of

if TYPE_CHECKING:
    from tests.twin.facilitator import Facilitator
    from tests.twin.model import RegionModel

SURELY = 100.0  # employees above which a plant surely has its sector's streams
SIZE_LIMITS = (50.0, 250.0)
MUNICIPAL_CLASS = 3
PASSIVE, EXPLORING, ACTIVE = range(3)
TERM, FIRST_ELECTION = 48, 8


@dataclass
class Group:
    """Participants of one kind, and how many of them are adopters."""

    name: str
    members: int = 0
    adopters: int = 0

    @property
    def share(self) -> float:
        """Share of adopters."""
        return self.adopters / self.members if self.members else 0.0


@dataclass
class Ledger:
    """What a municipality's participants gained and spent since month 0, and what it paid as a public body."""

    saving: float = 0.0  # SEK
    carbon: float = 0.0  # t CO2e
    spent: float = 0.0  # SEK
    paid: float = 0.0  # SEK


class Participant(mesa.Agent):
    """A plant that may exchange by-products, or a site where there may be one."""

    discount_class: int
    carbon_value: float

    def __init__(self, model: RegionModel, plant: Plant) -> None:
        super().__init__(model)
        p, luck, key = model.p, model.luck, plant.key
        spread = p.population.trait_spread
        self.plant, self.key = plant, key
        self.nace2 = int(catalogue().sectors[plant.sector].nace2)
        self.municipality: Municipality = model.municipalities[plant.municipality]
        size = sum(plant.employees >= limit for limit in SIZE_LIMITS)
        self.groups = (self.municipality.group, model.sectors[plant.sector], model.sizes[size])
        risk, knowing, social = (2.0 * luck.uniform(chance.TRAIT, key, n) - 1.0 for n in range(3))
        self.risk_aversion = p.appraisal.risk_aversion * (1.0 + spread * risk)
        self.knowledge_start = p.learning.knowledge_start * (1.0 + spread * knowing)
        self.social_start = p.learning.social_start * (1.0 + spread * social)
        limit = p.appraisal.payback_spread * luck.normal(chance.TRAIT, key, 3)
        self.payback_limit = p.appraisal.payback_median * math.exp(limit)
        liking = 2.0 * luck.uniform(chance.TRAIT, key, 5) - 1.0
        self.attitude = p.appraisal.attitude * (1.0 + spread * liking)
        self.intention_threshold = p.appraisal.threshold + p.appraisal.threshold_spread * luck.normal(
            chance.TRAIT, key, 4
        )
        sector = catalogue().sectors[plant.sector].id
        self.rule = rule_of(*model.rule_names, sector, plant.is_firm, luck.uniform(chance.RULE, key))
        self.trainings = Attendances(luck, chance.TRAINING, key)
        self.events = Attendances(luck, chance.EVENT, key)
        self.search = 0.0
        self.turns = self.talks = self.living = 0  # turns: closings and entries so far
        self.registered_by: set[Facilitator] = set()
        self.opportunities: list[Opportunity] = []
        self.routes: set[Route] = set()
        self.settle()
        self.present = not plant.is_free
        if self.present:
            self._count_member(1)
        else:
            self.aware = False

    def settle(self) -> None:
        """Start afresh, as whoever is here now."""
        luck, key, turn = self.model.luck, self.key, self.turns
        self.knowledge, self.social = self.knowledge_start, self.social_start
        self.agreements = self.refusals = 0  # refusals: own noes since the last agreement
        self.aware = luck.uniform(chance.AWARE_AT_START, key, turn) < self.model.p.learning.aware_start
        self.aware_since = self.model.t
        self.awareness = Clock(luck, chance.AWARENESS, key, turn)

    def _count_member(self, change: int) -> None:
        for group in self.groups:
            group.members += change

    @property
    def is_registered(self) -> bool:
        """Is it in anybody's register?"""
        return bool(self.registered_by)

    def become_aware(self) -> None:
        """It knows of by-product exchange from now on."""
        if not self.aware:
            self.aware, self.aware_since = True, self.model.t

    def draw_streams(self, routes: list[Route], *, supplying: bool) -> list[Stream]:
        """What it has left over (or could use), by by-product."""
        luck, p, plant = self.model.luck, self.model.p.population, self.plant
        has, size = (chance.HAS_DEMAND, chance.DEMAND_SIZE)
        if supplying:
            has, size = (chance.HAS_SUPPLY, chance.SUPPLY_SIZE)
        sure = plant.employees > SURELY or not plant.is_firm
        sector, streams = catalogue().sectors[plant.sector].id, []
        for route in routes:
            intensity = (route.row.donors if supplying else route.row.receivers).get(sector)
            likely = p.sharing if route.is_shared else p.prevalence
            surely = sure and not route.is_shared
            if intensity and (surely or luck.uniform(has, self.key, route.key) < likely):
                spread = luck.lognormal(size, self.key, route.key, p.stream_spread)
                streams.append(Stream(self, route, intensity * plant.employees * spread))
        self.routes.update(stream.route for stream in streams)
        return streams

    def survey(self) -> None:
        """Divide the search budget over the own opportunities, dormant ones too."""
        weights = [one.own_weight for one in self.opportunities]
        budget = self.model.p.discovery.half_weight + sum(weights)
        for one, weight in zip(self.opportunities, weights, strict=True):
            if one.donor is self:
                one.donor_weight = weight / budget
            else:
                one.user_weight = weight / budget

    def may_act(self) -> bool:
        """May it make agreements at all?"""
        return True

    def has_time(self) -> bool:
        """Is there a place left at its table?"""
        return self.talks < self.model.p.closing.attention

    def joins(self, prospect: Prospect) -> bool:
        """Its decision rule; it remembers how often it said no."""
        measure, threshold = self.rule(prospect) if prospect.value > 0.0 else (0.0, 0.0)
        if measure > threshold:
            return True
        self.refusals += 1
        return False

    def norm(self) -> float:
        """Share of adopters around, mean of the own municipality and the own sector."""
        return 0.5 * (self.groups[0].share + self.groups[1].share)

    def control(self) -> float:
        """How able it is: own knowledge, and places left at its table."""
        return 0.5 * (self.knowledge + 1.0 - self.talks / self.model.p.closing.attention)

    def aspiration(self) -> float:
        """Value over cost that it now aspires to."""
        rates = self.model.p.appraisal
        return 1.0 + (rates.aspiration - 1.0) * (1.0 - rates.aspiration_decay) ** self.refusals

    def hourly_cost(self) -> float:
        """An hour spent on agreements, less with each that it has made."""
        rates = self.model.p.transaction
        return rates.wage * rates.multiplier * (1.0 + self.agreements) ** -rates.learning

    def pay(self, amount: float) -> None:
        """Pay a transaction cost, less any subsidy."""
        subsidy = self.model.levers.subsidy * amount
        self.model.account.subsidy += subsidy
        self.book(amount - subsidy)
        self.municipality.ledger.spent += amount - subsidy

    def book(self, amount: float) -> None:
        """Book a transaction cost that it bears itself."""
        raise NotImplementedError

    def count_exchange(self, change: int) -> None:
        """One living exchange more or less."""
        before, self.living = self.living, self.living + change
        self.municipality.exchanges += change
        if (before > 0) != (self.living > 0):
            for group in self.groups:
                group.adopters += change

    def learn(self) -> None:
        """One month of awareness, knowledge, social capital and search."""
        if not self.present:
            return
        p, town = self.model.p, self.municipality
        trainings, events = self.trainings.attend(town.training), self.events.attend(town.event)
        if not self.aware:
            self._grow_aware(trainings, events)
        rates, own = p.learning, 1.0 / 12.0 if self.living else 0.0
        missed = (1.0 - rates.knowledge_training) ** trainings * (1.0 - rates.knowledge_event) ** events
        missed *= 1.0 - own * rates.knowledge_own
        won = self.knowledge + (1.0 - missed) * (1.0 - self.knowledge)
        self.knowledge = won - rates.knowledge_decay / 12.0 * (won - self.knowledge_start)
        missed = (1.0 - rates.social_event) ** events * (1.0 - own * rates.social_own)
        won = self.social + (1.0 - missed) * (1.0 - self.social)
        self.social = won - rates.social_decay / 12.0 * (won - self.social_start)
        if self.aware:
            finds = p.discovery.finds * (1.0 + p.discovery.social_gain * self.social)
            self.search += (finds + self.model.levers.marketplace) / 12.0

    def _grow_aware(self, trainings: int, events: int) -> None:
        rates, (near, like, _) = self.model.p.learning, self.groups
        hazard = rates.aware_spontaneous + rates.aware_municipal * self.municipality.maturity
        hazard += rates.aware_peers * 0.5 * (near.share + like.share) + self.model.levers.campaign
        attended = trainings * math.log(1.0 - rates.aware_training) + events * math.log(1.0 - rates.aware_event)
        if self.awareness.run(hazard / 12.0 - attended):
            self.become_aware()


class Firm(Participant):
    """A private plant, which may close, or a site where one may enter."""

    def __init__(self, model: RegionModel, plant: Plant) -> None:
        super().__init__(model, plant)
        self.discount_class = int(3 * model.luck.uniform(chance.TRAIT, plant.key, 4))
        self.carbon_value = 0.0
        self.stay = self._next_turn()

    def book(self, amount: float) -> None:
        """Book a transaction cost of firms."""
        self.model.account.transaction_firms += amount

    def _next_turn(self) -> Clock:
        return Clock(self.model.luck, chance.STAYS, self.key, self.turns)

    def turn_over(self) -> None:
        """One month towards closing, or towards the entry of a new firm."""
        hazard = self.model.p.turnover.exit if self.present else self.entry_hazard()
        if self.stay.run(hazard / 12.0):
            if self.present:
                self.close()
            else:
                self.enter()
            self.stay = self._next_turn()

    def entry_hazard(self) -> float:
        """Hazard of an entry at this site, 1/yr: living exchanges nearby of what it could take part in attract."""
        rates, town = self.model.p.turnover, self.municipality
        nearby = sum(town in one.towns and one.route in self.routes for one in self.model.active())
        return rates.entry * (1.0 + rates.attraction * nearby / (nearby + rates.half_offers))

    def close(self) -> None:
        """The firm is gone, and with it all that it had or knew of."""
        for one in self.opportunities:
            if one.stage is not Stage.DORMANT:
                one.lose_party()
        self.present = self.aware = False
        self._count_member(-1)
        self.registered_by.clear()
        self.turns += 1
        self.model.account.closed += 1

    def enter(self) -> None:
        """A new firm takes the site."""
        self.present = True
        self._count_member(1)
        self.turns += 1
        self.settle()
        self.trainings.start_anew(self.municipality.training, self.turns)
        self.events.start_anew(self.municipality.event, self.turns)
        self.model.account.entered += 1
        for one in self.opportunities:
            if one.other(self).present:
                one.become_latent()


class Utility(Participant):
    """A municipal utility: acts where its municipality explores, and counts the public value of carbon."""

    def __init__(self, model: RegionModel, plant: Plant) -> None:
        super().__init__(model, plant)
        self.discount_class = MUNICIPAL_CLASS
        self.carbon_value = model.p.worth.carbon_value

    def may_act(self) -> bool:
        """Only where the municipality is at least exploring."""
        return self.municipality.maturity > PASSIVE

    def book(self, amount: float) -> None:
        """Book a transaction cost of utilities."""
        self.model.account.transaction_utilities += amount


class Municipality(mesa.Agent):
    """A municipality that matures from passive over exploring to active."""

    def __init__(self, model: RegionModel, row: TownRow) -> None:
        super().__init__(model)
        self.name, self.key = row.name, chance.name_key(row.name)
        self.residents, self.maturity, self.first_maturity = row.population, row.maturity, row.maturity
        self.group = Group(f"municipality.{row.name}")
        self.exchanges = self.steps = 0
        self.saving = self.carbon = 0.0  # of its participants last month, a year
        self.ledger = Ledger()
        self.training = self.event = self.relief = 0.0  # per participant so far; share won
        self.clock = self._next_clock()

    def _next_clock(self) -> Clock:
        return Clock(self.model.luck, chance.MATURITY, self.key, self.steps)

    def _move(self, change: int) -> None:
        self.maturity += change
        self.steps += 1
        self.clock = self._next_clock()

    def saturation(self) -> float:
        """How far local exchanges speak for going on, 0..1."""
        return self.exchanges / (self.exchanges + self.model.p.municipalities.half_examples)

    def mature(self, active: float, policy: float) -> None:
        """One month; `active` is the share of active municipalities, `policy` the steps a year won by policy work."""
        while self.maturity < self.model.levers.mandate:
            self._move(1)
        if self.maturity < ACTIVE and self.clock.run(self.hazard(active, policy) / 12.0):
            self._move(1)
        elections, rest = divmod(self.model.month - FIRST_ELECTION, TERM)
        if elections >= 0 and rest == 0:
            self._hold_election(elections)

    def hazard(self, active: float, policy: float) -> float:
        """Hazard of a step up, 1/yr."""
        rates = self.model.p.municipalities
        per_head = max(self.saving, 0.0) / self.residents
        own = rates.spontaneous + rates.examples * self.saturation() + rates.peers * active
        return own + rates.saving * per_head / (per_head + rates.half_saving) + policy

    def _hold_election(self, number: int) -> None:
        lost = self.model.p.municipalities.election_loss * (1.0 - self.saturation())
        may_fall = self.maturity > max(self.model.levers.mandate, PASSIVE)
        if may_fall and self.model.luck.uniform(chance.ELECTION, self.key, number) < lost:
            self._move(-1)
