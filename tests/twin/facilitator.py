"""The resource centre and its five functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mesa

from abm import chance
from tests.twin.agents import MUNICIPAL_CLASS
from tests.twin.opportunity import Opportunity, Stage
from tests.twin.prices import annuity

if TYPE_CHECKING:
    from tests.twin.model import RegionModel


class Facilitator(mesa.Agent):
    """A centre whose staff trains, meets, brokers, speaks for easier permits and carries cases."""

    def __init__(self, model: RegionModel) -> None:
        super().__init__(model)
        self.p, self.shares = model.p.facilitator, model.p.facilitator.shares
        self.training = self.event = self.screening = self.relief = 0.0
        self.register_hours = 0.0
        self.registered = 0
        self.candidates: set[Opportunity] = set()  # latent, both parties registered
        self.cases: list[Opportunity] = []  # carried, oldest first
        yearly = self.p.cost / self.p.cases if self.p.cases else math.inf
        self.cost_of_case = yearly * annuity(model.rates[MUNICIPAL_CLASS], model.p.closing.duration)

    def policy_steps(self) -> float:
        """Municipal steps that its staff is good for, 1/yr."""
        return self.p.steps * self.shares.policy * self.model.levers.fte

    def work(self) -> None:
        """One month."""
        fte = self.model.levers.fte
        self.teach_and_meet(fte)
        self.influence(fte)
        self.screen(fte)
        self.register(fte)
        self.carry_cases(fte)
        if self.model.month >= 0:
            self.model.account.centre_cost += self.p.cost * fte / 12.0

    def teach_and_meet(self, fte: float) -> None:
        """Trainings and attendances per participant."""
        heads = 12.0 * len(self.model.participants)
        self.training += self.p.trainings * self.shares.knowledge * fte / heads
        self.event += self.p.attendances * self.shares.meeting * fte / heads

    def influence(self, fte: float) -> None:
        """Relief for permits."""
        won = self.relief + self.p.relief * self.shares.policy * fte / 12.0
        self.relief = max(self.relief, min(won, self.p.relief_most))

    def screen(self, fte: float) -> None:
        """Screenings of each candidate."""
        if self.candidates:
            capacity = self.p.screenings * self.shares.brokerage * fte
            self.screening += min(1.0, capacity / len(self.candidates)) / 12.0

    def start_screening(self, one: Opportunity) -> None:
        """The opportunity is latent and both its parties are registered."""
        self.candidates.add(one)
        threshold = self.model.luck.exponential(chance.FOUND_BROKER, one.key, one.attempt)
        one.broker_target = self.screening + threshold / one.screen_weight if one.screen_weight else math.inf

    def register(self, fte: float) -> None:
        """Register aware participants, the largest potential first."""
        hours = self.p.registrations * self.shares.brokerage * fte / 12.0
        if hours == 0.0:
            return
        self.register_hours += hours
        while self.register_hours >= 1.0:
            waiting = [one for one in self.model.participants if one.aware and not one.registered]
            best = max(waiting, key=lambda one: one.potential, default=None)
            if best is None or best.potential <= 0.0:
                self.register_hours = min(self.register_hours, 1.0)  # time not used is not saved up
                return
            self.register_hours -= 1.0
            self.registered += 1
            best.registered = True
            for one in best.opportunities:
                if one.stage is Stage.LATENT and one.donor.registered and one.user.registered:
                    self.start_screening(one)

    def public_value(self, one: Opportunity) -> float:
        """Joint gain and carbon at public value over the horizon, less the investment."""
        if not one.can_be_agreed():
            return 0.0
        transfer = self.model.p.worth.carbon_value - self.model.levers.carbon_price
        yearly = one.unpriced_margin() + transfer * one.net_saving
        priced = one.replaced * one.route.commodity.unit_value(MUNICIPAL_CLASS)
        per_unit = priced + self.model.annuities[MUNICIPAL_CLASS] * yearly - one.route.row.capex
        return one.free_quantity() * per_unit

    def is_worth_carrying(self, one: Opportunity) -> bool:
        """Does a case promise more than it costs?"""
        if one.stage is Stage.NEGOTIATING:
            return True
        willing = one.stage is Stage.IDENTIFIED and one.refused < self.p.patience
        return willing and self.public_value(one) > self.cost_of_case

    def carry_cases(self, fte: float) -> None:
        """Keep running cases, then take the best new ones, while there is time."""
        capacity = self.p.cases * self.shares.leadership * fte
        running, self.cases = self.cases, []
        for one in running:
            one.support = 0.0
            if len(self.cases) < capacity and self.is_worth_carrying(one):
                self._carry(one, capacity)
        if len(self.cases) >= capacity:
            return
        waiting = [one for one in self.model.known if one.stage is Stage.IDENTIFIED and one.support == 0.0]
        promising = [one for one in waiting if self.is_worth_carrying(one)]
        for one in sorted(promising, key=self.public_value, reverse=True):
            if len(self.cases) >= capacity:
                return
            self._carry(one, capacity)
            one.next_look = self.model.t

    def _carry(self, one: Opportunity, capacity: float) -> None:
        one.support = min(capacity - len(self.cases), 1.0)
        self.cases.append(one)
