"""Facilitators: the resource centre and others, and their five functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import mesa
import numpy as np

from abm import chance
from abm.catalogue import Facilitator as FacilitatorRow
from abm.scenario import MOST_FACILITATORS
from tests.twin.agents import ACTIVE, MUNICIPAL_CLASS, Municipality, Participant
from tests.twin.opportunity import Opportunity, Stage
from tests.twin.prices import annuity
from tests.twin.staffing import Funding, Staff

if TYPE_CHECKING:
    from tests.twin.model import RegionModel

SMALL = 1e-6  # what a pair within a sector counts for who looks for others


class Coverage:
    """Pairs on one shelf that the same facilitators cover, and how often each of them has been screened so far."""

    def __init__(self, facilitators: list[Facilitator], shelf: int) -> None:
        self.facilitators, self.shelf = facilitators, shelf
        self.screening = 0.0
        self.candidates: set[Opportunity] = set()  # latent, both parties registered

    def screen(self, coordination: float) -> None:
        """One month: over several facilitators rates add up, less what overlaps."""
        total = 0.0
        for one in self.facilitators:
            total = min(1.0, total + one.screening_rate(self.shelf) * (1.0 - (1.0 - coordination) * total))
        self.screening += total / 12.0


class Facilitator(mesa.Agent):
    """A centre whose staff trains, meets, brokers, speaks for easier permits and carries cases."""

    def __init__(self, model: RegionModel, row: FacilitatorRow, number: int, funding: Funding) -> None:
        super().__init__(model)
        self.p, self.row, self.number = model.p.facilitator, row, number
        self.towns = [town for town in model.municipalities if not row.covers or town.name in row.covers]
        self.staff = Staff(model, row, self.towns, funding)
        self.work = 0.0  # staff on the five functions, productivity included
        self.nodes: list[Facilitator] = []  # whom it supports
        self.register_hours = 0.0
        self.cases: list[Opportunity] = []  # carried, oldest first
        yearly = self.p.cost / self.p.cases if self.p.cases else math.inf
        self.cost_of_case = yearly * annuity(model.rates[MUNICIPAL_CLASS], model.p.closing.duration)

    # -- staff

    def start_month(self) -> None:
        """Staff and its work, before any support."""
        self.staff.update()
        self.work = self.staff.paid * (1.0 - self.row.support)

    def support_nodes(self) -> None:
        """Nodes that a centre supports learn from each other, so that their work counts for more."""
        open_nodes = [node for node in self.nodes if node.staff.paid > 0.0]
        if not open_nodes:
            return
        ratio = self.staff.paid * self.row.support / sum(node.staff.paid for node in open_nodes)
        gain = self.p.support_gain * ratio / (ratio + self.p.support_half)
        for node in open_nodes:
            node.work *= 1.0 + gain * (len(open_nodes) - 1) / len(open_nodes)

    def output(self, of_one: float, function: str) -> float:
        """What its staff on one function does a year, if a whole person does `of_one`."""
        return of_one * self.row.shares[function] * self.work

    # -- knowledge, meeting place, policy

    def teach_and_meet(self) -> None:
        """Trainings and attendances, spread over the participants present."""
        heads = 12.0 * sum(town.group.members for town in self.towns)
        for town in self.towns if heads else []:
            town.training += self.output(self.p.trainings, "knowledge") / heads
            town.event += self.output(self.p.attendances, "meeting") / heads

    def influence(self) -> None:
        """Relief for permits; none during the spin-up."""
        if self.model.t < self.model.spin_up:
            return
        won = self.output(self.p.relief, "policy") / 12.0
        for town in self.towns:
            town.relief = max(town.relief, min(town.relief + won, self.p.relief_most))

    def policy_steps(self, town: Municipality) -> float:
        """Municipal steps a year won by its policy work in one municipality."""
        followers = sum(one.maturity < ACTIVE for one in self.towns)
        if town not in self.towns or not followers:
            return 0.0
        return self.output(self.p.steps, "policy") / followers

    # -- brokerage

    def screening_rate(self, shelf: int) -> float:
        """Screenings a year of each registered latent pair covered on a shelf, once the shelves before it are done."""
        mine = [one for one in self.model.coverages if self in one.facilitators]
        before = sum(len(one.candidates) for one in mine if one.shelf < shelf)
        here = sum(len(one.candidates) for one in mine if one.shelf == shelf)
        time = self.output(self.p.screenings, "brokerage") - before
        return min(1.0, time / here) if here and time > 0.0 else 0.0

    def register(self) -> None:
        """Register aware participants, those of most interest first."""
        hours = self.output(self.p.registrations, "brokerage") / 12.0
        if hours == 0.0:
            return
        self.register_hours += hours
        while self.register_hours >= 1.0:
            waiting = [one for one in self.model.participants if one.aware and self not in one.registered_by]
            of_interest = [one for one in waiting if self.interest(one) > 0.0 and not self.knows_register(one)]
            if not of_interest:
                self.register_hours = min(self.register_hours, 1.0)  # time not used is not saved up
                return
            self.register_hours -= 1.0
            self._enter(max(of_interest, key=self.registration_rank))

    def _enter(self, who: Participant) -> None:
        """Into its register; of one who is in another's already nothing new comes."""
        is_new = not who.is_registered
        who.registered_by.add(self)
        for one in who.opportunities if is_new else []:
            if one.stage is Stage.LATENT and one.is_registered:
                one.start_screening()

    def interest(self, who: Participant) -> float:
        """What there is to gain by registering somebody, in the eyes of its strategy; 0: nothing to exchange."""
        if who.municipality not in self.towns:
            return 0.0
        if self.row.strategy == "carbon":
            return sum(one.carbon for one in who.opportunities)
        if self.row.strategy == "cross_sector":
            return sum(one.gross_value * (1.0 if one.cross else SMALL) for one in who.opportunities)
        return sum(one.gross_value for one in who.opportunities)

    def registration_rank(self, who: Participant) -> float:
        """The largest comes first."""
        if self.row.strategy == "small_firms":
            return -who.plant.employees
        return -who.aware_since if self.row.strategy == "first_come" else self.interest(who)

    def knows_register(self, who: Participant) -> bool:
        """Does it know that somebody else has registered this participant?"""
        return who.is_registered and self._knows(chance.KNOWN_REGISTER, who.key, who.turns)

    def _knows(self, event: np.uint64, key: np.uint64, occasion: int) -> bool:
        draw = self.model.luck.uniform(event, key, occasion * MOST_FACILITATORS + self.number)
        return draw < self.p.coordination

    # -- process leadership

    @property
    def capacity(self) -> float:
        """Cases that it has time for."""
        return self.output(self.p.cases, "leadership")

    @property
    def has_time(self) -> bool:
        """For one more, or a part of one?"""
        return len(self.cases) < self.capacity

    def public_value(self, one: Opportunity) -> float:
        """Joint gain at market prices and carbon at public value over the horizon, less the investment."""
        if not one.can_be_agreed():
            return 0.0
        transfer = self.model.p.worth.carbon_value - self.model.levers.carbon_price
        yearly = one.unpriced_margin() + transfer * one.net_saving
        yearly -= one.route.row.landfill_share * self.model.levers.added_tax
        priced = one.replaced * one.route.commodity.market_value(MUNICIPAL_CLASS)
        per_unit = priced + self.model.annuities[MUNICIPAL_CLASS] * yearly - one.route.row.capex
        return one.free_quantity() * per_unit

    def is_promising(self, one: Opportunity) -> bool:
        """Does an identified pair promise more than it costs to carry, and is it not refused too often?"""
        willing = one.stage is Stage.IDENTIFIED and one.refused < self.p.patience
        return willing and self.public_value(one) > self.cost_of_case

    def lay_down_cases(self) -> None:
        """No case is supported until it is taken up again this month."""
        for one in self.cases:
            one.support = 0.0
            one.carriers.clear()

    def keep_cases(self) -> None:
        """Go on with running cases, oldest first."""
        running, self.cases = self.cases, []
        for one in running:
            if self.has_time and (one.stage is Stage.NEGOTIATING or self.is_promising(one)):
                self._carry(one)

    def take_cases(self) -> None:
        """Take the best new ones while there is time; each is looked at at once."""
        if not self.has_time:
            return
        identified = self.model.in_stage(Stage.IDENTIFIED)
        waiting = [one for one in identified if self.may_take(one) and self.is_promising(one)]
        for one in sorted(waiting, key=self.case_rank(), reverse=True):
            if not self.has_time:
                return
            self._carry(one)
            one.next_look = self.model.t

    def may_take(self, one: Opportunity) -> bool:
        """Does it cover the case, and does nobody carry it as far as it knows?"""
        if self not in one.coverage.facilitators or self in one.carriers:
            return False
        return not one.carriers or not self._knows(chance.KNOWN_CASE, one.key, one.attempt)

    def case_rank(self) -> Callable[[Opportunity], tuple[float, ...]]:
        """What the strategy ranks new cases by; the largest comes first."""
        ranks: dict[str, Callable[[Opportunity], tuple[float, ...]]] = {
            "value": lambda one: (self.public_value(one),),
            "carbon": lambda one: (one.carbon,),
            "small_firms": lambda one: (-min(one.donor.plant.employees, one.user.plant.employees),),
            "cross_sector": lambda one: (one.cross, self.public_value(one)),
            "first_come": lambda one: (-one.identified_at,),
        }
        return ranks[self.row.strategy]

    def _carry(self, one: Opportunity) -> None:
        one.support = max(one.support, min(self.capacity - len(self.cases), 1.0))
        one.carriers.add(self)
        self.cases.append(one)
