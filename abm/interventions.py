"""Month's step 2: dated policy levers.

A lever is a path over the months, laid out before the run, so no mechanism ever asks which policy is on. An
intervention is a line in the registry: what its level does to the levers, what running it costs, and who pays. It is
in force from its `start` to its `stop`, and all can be combined.

The resource centre is not in this list: its staff is a path of its own (staffing.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from abm.catalogue import PAYERS
from abm.compiled import mechanism
from abm.firms import utilities
from abm.parameters import BY_NAME, Parameter
from abm.scenario import Scenario

LEVERS = np.dtype(
    [
        (name, "f8")
        for name in (
            "landfill_tax",  # SEK/t
            "carbon_price",  # SEK/t
            "added_tax",  # part of the landfill tax that an intervention added, SEK/t
            "added_price",  # the same of the carbon price
            "subsidy",  # share of transaction cost
            "grant",  # share of investment
            "price_floor",  # over the long-run price
            "marketplace",  # finds per aware participant, 1/yr
            "campaign",  # 1/yr
            "mandate",  # least maturity
            "procurement",  # premium on replaced raw material
            *PAYERS,  # cost of running the interventions, SEK/yr
        )
    ],
    align=True,
)


class Reach(NamedTuple):
    """How many an intervention has to reach."""

    participants: int
    municipalities: int


def _free(level: float, unit_cost: float, reach: Reach) -> float:
    """Changing a rate costs next to nothing to run."""
    return 0.0


def _per_participant(level: float, unit_cost: float, reach: Reach) -> float:
    return level * unit_cost * reach.participants


def _per_municipality(level: float, unit_cost: float, reach: Reach) -> float:
    return level * unit_cost * reach.municipalities


@dataclass(frozen=True)
class Intervention:
    """What a policy does: `levers` are raised by its level; `payer` bears its cost and what it pays out.

    Running cost is booked by `payer`; who pays a flow stands in observe.observe_public, and a test compares the two.
    """

    name: str
    title: str
    meaning: str
    levers: tuple[str, ...]
    payer: str
    flow: str  # the indicator of what it pays to, or takes from, the parties; empty: nothing
    cost: Callable[[float, float, Reach], float] = _free  # of running it, SEK/yr

    @property
    def level(self) -> Parameter:
        """The parameter that sets how strong it is."""
        return BY_NAME[f"interventions.{self.name}.level"]


INTERVENTIONS: dict[str, Intervention] = {
    one.name: one
    for one in (
        Intervention(
            "landfill_tax",
            "landfill tax",
            "raises the landfill tax: disposal avoided is worth more; revenue is a transfer",
            ("landfill_tax", "added_tax"),
            "national",
            "tax_revenue",
        ),
        Intervention(
            "carbon_price",
            "carbon price",
            "raises the carbon price on emissions; revenue is a transfer",
            ("carbon_price", "added_price"),
            "national",
            "tax_revenue",
        ),
        Intervention(
            "transaction_subsidy",
            "transaction-cost subsidy",
            "pays a share of search, bargaining and permit cost (advice vouchers)",
            ("subsidy",),
            "national",
            "subsidy",
        ),
        Intervention(
            "grant",
            "investment grant",
            "pays a share of the investment",
            ("grant",),
            "national",
            "grant",
        ),
        Intervention(
            "price_floor",
            "price floor",
            "contract for difference: tops the raw-material price up to a floor",
            ("price_floor",),
            "national",
            "price_floor",
        ),
        Intervention(
            "marketplace",
            "digital marketplace",
            "aware participants find more partners by themselves",
            ("marketplace",),
            "region",
            "",
            _per_participant,
        ),
        Intervention(
            "campaign",
            "information campaign",
            "participants become aware",
            ("campaign",),
            "region",
            "",
            _per_participant,
        ),
        Intervention(
            "mandate",
            "municipal mandate",
            "obliges every municipality to reach a least maturity",
            ("mandate",),
            "municipal",
            "",
            _per_municipality,
        ),
        Intervention(
            "procurement",
            "public procurement",
            "public buyers pay a premium for replaced raw material in what they buy",
            ("procurement",),
            "municipal",
            "procurement",
        ),
    )
}


def lever_paths(scenario: Scenario) -> np.ndarray:
    """Levers of each month from the start of the spin-up, record array of length spin-up + months."""
    spin_up, values = scenario.spin_up_months, scenario.values
    paths = np.zeros(spin_up + scenario.months, LEVERS)
    paths["landfill_tax"] = values["worth.landfill_tax"]
    paths["carbon_price"] = values["worth.carbon_price"]
    region = scenario.region
    reach = Reach(int(values["population.firms"]) + len(utilities(scenario.firms, region)), len(region.municipality))
    for one in INTERVENTIONS.values():
        first = f"interventions.{one.name}"
        level = float(values[f"{first}.level"])
        force = paths[spin_up + int(values[f"{first}.start"]) : spin_up + int(values[f"{first}.stop"])]
        for lever in one.levers:
            force[lever] += level
        force[one.payer] += one.cost(level, float(values.get(f"{first}.cost", 0.0)), reach)
    return paths


@mechanism
def step(t, world, state):
    """The levers of month `t` are in force."""
    state.lever[0] = world.levers[t]
