"""Staff of a facilitator: what is planned, who pays for it, and whether its funders let it go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from abm.catalogue import Facilitator as FacilitatorRow
from abm.parameters import read_path
from tests.twin.agents import ACTIVE, Municipality

if TYPE_CHECKING:
    from tests.twin.model import RegionModel


@dataclass
class Funding:
    """Parts of the staff that are not paid by the region, and what the funders ask for; the default is permanent."""

    national: float = 0.0
    municipal: float = 0.0
    threshold: float = 0.0


@dataclass
class Seat:
    """One municipality covered: benefits there at the opening, and does it pay this year?"""

    town: Municipality
    saving: float
    carbon: float
    pays: bool = False

    def growth(self, carbon_value: float) -> float:
        """Yearly benefit, carbon included, over that at the opening."""
        return self.town.saving - self.saving + carbon_value * (self.town.carbon - self.carbon)


def planned(row: FacilitatorRow, month: int) -> float:
    """Staff planned for a month counted from month 0, FTE."""
    if not row.start <= month < row.stop:
        return 0.0
    multiples = [multiple for first, multiple in read_path(row.staff_path) if first <= month]
    return row.fte * multiples[-1] if multiples else row.fte


class Staff:
    """Who is paid this month, FTE."""

    def __init__(self, model: RegionModel, row: FacilitatorRow, towns: list[Municipality], funding: Funding) -> None:
        self.model, self.row, self.towns, self.funding = model, row, towns, funding
        self.p: SimpleNamespace = model.p.facilitator
        self.host = next((town for town in model.municipalities if town.name == row.host), None)
        self.residents = sum(town.residents for town in towns)
        self.paid = self.national = self.municipal = 0.0
        self.opened: int | None = None
        self.closed = False
        self.seats: list[Seat] = []

    def update(self) -> None:
        """One month, on last month's benefits and maturity."""
        plan = planned(self.row, self.model.month)
        if not self.may_work(plan):
            self.paid = self.national = self.municipal = 0.0
            return
        if self.opened is None:
            self.opened = self.model.t
            self.seats = [Seat(town, town.saving, town.carbon) for town in self.towns]
        age = self.model.t - self.opened
        if age == 0 or self.model.month % 12 == 0:
            self.ask_municipalities(plan, is_young=age < self.model.p.municipalities.cofund_grace)
        if age > 0 and age % (12 * self.p.review_period) == 0:
            self.review()
        self.pay(plan)

    def may_work(self, plan: float) -> bool:
        """Is staff planned, did nobody close it, and is the host, if it needs one, active?"""
        hosted = self.host is None or self.host.maturity == ACTIVE
        return plan > 0.0 and not self.closed and hosted

    def unpaid_carbon(self) -> float:
        """Public value of a tonne beyond its price."""
        return max(self.model.p.worth.carbon_value - self.model.levers.carbon_price, 0.0)

    def ask_municipalities(self, plan: float, *, is_young: bool) -> None:
        """Each decides for the year."""
        p = self.model.p
        asked = self.funding.municipal * self.p.cost * plan / self.residents
        for seat in self.seats:
            least = p.municipalities.cofund_threshold * asked * seat.town.residents
            pays_off = seat.town.saving > seat.saving and seat.growth(self.unpaid_carbon()) >= least
            seat.pays = seat.town.maturity == ACTIVE and (is_young or pays_off)

    def review(self) -> None:
        """Funders with a threshold close what has not brought enough for what it cost last month, a year."""
        if self.funding.threshold > 0.0:
            growth = sum(seat.growth(self.unpaid_carbon()) for seat in self.seats)
            self.closed = self.closed or growth < self.funding.threshold * self.p.cost * self.paid

    def pay(self, plan: float) -> None:
        """What is planned, as far as it is paid for."""
        paying = sum(seat.town.residents for seat in self.seats if seat.pays)
        self.national = plan * self.funding.national if self.model.month < self.p.project_end else 0.0
        self.municipal = plan * self.funding.municipal * paying / self.residents
        regional = plan * (1.0 - self.funding.national - self.funding.municipal)
        self.paid = regional + self.national + self.municipal

    @property
    def rest(self) -> float:
        """What falls to the usual payer, FTE."""
        return self.paid - self.national - self.municipal

    def of_towns(self) -> Iterator[tuple[Municipality, float]]:
        """What municipalities pay this month, FTE: their co-funding, and the rest if they are the usual payer."""
        if self.paid == 0.0:
            return
        plan = planned(self.row, self.model.month)
        for seat in self.seats:
            if seat.pays:
                yield seat.town, self.funding.municipal * plan * seat.town.residents / self.residents
            if self.row.payer == "municipal":
                yield seat.town, self.rest * seat.town.residents / self.residents
