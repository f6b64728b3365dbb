"""What a run says about a target: one named function each, in a registry.

A statistic sees one replicate (`Seen`: the trajectories of its settings, by arm) and gives a number, or with `at` one
number a year. nan: not defined in this run (no exchange, say).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from abm.catalogue import catalogue
from abm.parameters import record
from abm.prices import annuity, discount_rates, processes, unit_values
from abm.rules import RULES
from abm.scenario import Scenario
from abm.simulate import Trajectory
from abm.waiting import waiting as waiting_share

HEAT_PER_HEAD = 5.2  # MWh/yr of district heat, Sweden 2015-2021: 53 TWh (SCB) over 10.2 million people
TEN_YEARS = 120
MEASURES = 500  # energy-saving measures of the audit, the same for all parameter values
KNOWN_EXAMPLES = 20.0  # as those of excess heat: measures of an audit are no news to anybody (judgement)
AUDITED = "natgas"  # whose price the measures save (judgement: audits are of gas and electricity)


@dataclass(frozen=True)
class Seen:
    """One replicate as a statistic sees it.

    `runs`: setting -> arm -> trajectory. `scenario`: the calibrated region at these parameter values; `at`: years.
    """

    scenario: Scenario
    runs: Mapping[str, Mapping[str, Trajectory]]
    at: tuple[float, ...] = ()

    def end(self, setting: str, arm: str, indicator: str) -> float:
        """An indicator at the horizon."""
        return float(self.runs[setting][arm][indicator][-1])


def streams_by_year(seen: Seen) -> np.ndarray:
    """Living exchanges of the cluster at the end of each year."""
    living = seen.runs["cluster"]["without"]["exchanges"]
    return living[[round(12 * year) - 1 for year in seen.at]]


def distance(seen: Seen) -> float:
    """Median road distance of living exchanges with a centre, km."""
    return seen.end("region", "centre", "distance") if seen.end("region", "centre", "exchanges") > 0 else math.nan


def reached_in_ten_years(seen: Seen) -> float:
    """Living exchanges ten years after the centre opened, over those at the horizon."""
    living = seen.runs["region"]["centre"]["exchanges"]
    month = int(seen.scenario.values["facilitator.start"]) + TEN_YEARS
    return float(living[month - 1] / living[-1]) if month <= len(living) and living[-1] > 0 else math.nan


def same_sector(seen: Seen) -> float:
    """Share of living exchanges within one two-digit sector, with a centre."""
    living = seen.end("region", "centre", "exchanges")
    return 1.0 - seen.end("region", "centre", "cross_sector") if living > 0 else math.nan


def one_stream_donors(seen: Seen) -> float:
    """Share of donors that give one by-product only, with a centre."""
    network = seen.runs["region"]["centre"].network
    if len(network.supplier) == 0:
        return math.nan
    streams = np.unique(np.stack([network.supplier, network.byproduct]), axis=1)[0]
    return float(np.mean(np.unique(streams, return_counts=True)[1] == 1))


def exchanges_per_adopter(seen: Seen) -> float:
    """Living exchanges per participant that has any, with a centre: each has two parties."""
    return 0.5 * seen.end("region", "centre", "degree") if seen.end("region", "centre", "exchanges") > 0 else math.nan


def district_heat_share(seen: Seen) -> float:
    """Excess heat that energy utilities buy, over what the region's people need, without a centre."""
    network, table = seen.runs["region"]["without"].network, catalogue()
    heat = [row.id for row in table.byproduct_rows].index("excess_heat")
    bought = (network.byproduct == heat) & (network.sector[network.receiver] == table.sector_index("D35"))
    people = sum(town.population for town in seen.scenario.region.municipality)
    return float(network.quantity[bought].sum() / (HEAT_PER_HEAD * people))


def gross_cost(seen: Seen) -> float:
    """log10 of public outlay over all emissions avoided since the opening, SEK/t CO2e."""
    outlay, carbon = (seen.end("region", "centre", name) for name in ("public_outlay", "carbon"))
    return math.log10(1e6 * outlay / carbon) if carbon > 0.0 and outlay > 0.0 else math.nan


def tonnes_per_member(seen: Seen) -> float:
    """log10 of tonnes exchanged a year per registered participant, with a centre."""
    tonnes, members = (seen.end("region", "centre", name) for name in ("tonnes", "registered"))
    return math.log10(tonnes / members) if tonnes > 0.0 and members > 0.0 else math.nan


def gain_taxed(seen: Seen) -> float:
    """Living exchanges that a higher landfill tax adds."""
    return seen.end("levers", "taxed", "exchanges") - seen.end("levers", "without", "exchanges")


def diminishing(seen: Seen) -> float:
    """What the first two persons add, less what the next two add."""
    none, half, whole = (seen.end("levers", arm, "exchanges") for arm in ("without", "half", "whole"))
    return 2.0 * half - none - whole


def kept_after_closing(seen: Seen) -> float:
    """What a closed centre's exchanges are a year later beyond half of what they were when it closed."""
    gain = seen.runs["levers"]["closed"]["exchanges"] - seen.runs["levers"]["without"]["exchanges"]
    month = 96
    return float(gain[month + 11] - 0.5 * gain[month - 1])


def lost_by_closing(seen: Seen) -> float:
    """Living exchanges of a centre that stayed open less those of one that closed."""
    return seen.end("levers", "whole", "exchanges") - seen.end("levers", "closed", "exchanges")


def waiting(seen: Seen) -> float:
    """What volatility takes under the option to wait, beyond twice what it takes without."""
    calm, rough = (
        [seen.end(f"{rule}_{sea}", "without", "exchanges") for rule in ("npv", "option")] for sea in ("calm", "rough")
    )
    return (calm[1] - rough[1]) - 2.0 * (calm[0] - rough[0])


@cache
def _measures() -> dict[str, np.ndarray]:
    """Paybacks (1-2 years) and traits of those who are offered a measure."""
    rng = np.random.default_rng(1)
    return {
        "payback": rng.uniform(1.0, 2.0, MEASURES),
        "risk": rng.uniform(-1.0, 1.0, MEASURES),
        "attitude": rng.uniform(-1.0, 1.0, MEASURES),
        "limit": rng.normal(size=MEASURES),
        "threshold": rng.normal(size=MEASURES),
        "rate": rng.integers(3, size=MEASURES),
    }


def _waiting_at_the_mean(
    process: np.ndarray, rates: np.ndarray, horizon: float, reverting: bool, forgetting: float
) -> np.ndarray:
    """Share of a measure's value for which it pays to wait while its price is at its long-run mean, by rate."""
    today = np.zeros((1, 1))
    values, slopes = unit_values(today, process, rates, horizon, reverting)
    return waiting_share(today, process, rates, forgetting, reverting, values, slopes)[0, 0]


def taken(scenario: Scenario, cost: float = 1.0, saving: float = 1.0) -> float:
    """Share of an energy audit's measures that firms of this scenario would take, by its own decision rule.

    Measures pay back in 1 to 2 years, times `cost` over `saving`; they are known, one firm decides, nobody has adopted
    yet. nan for a user's rule or a mix.
    """
    rule = RULES.get(str(scenario.values["appraisal.rule"]))
    if rule is None or scenario.values["appraisal.mix"]:
        return math.nan
    p, seen = record(dict(scenario.values)), _measures()
    how, spread, horizon = p["appraisal"], float(p["population"]["trait_spread"]), float(p["worth"]["horizon"])
    gas = [row.id for row in catalogue().commodity_rows].index(AUDITED)
    process = processes(catalogue().commodities, p["prices"], horizon)[gas : gas + 1]
    knowledge, rates = float(p["learning"]["knowledge_start"]), discount_rates(p)
    doubt = how["uncertainty"] * (1.0 - knowledge) * how["half_examples"] / (KNOWN_EXAMPLES + how["half_examples"])
    weights = how["weight_attitude"] + how["weight_norm"] + how["weight_control"]
    reverting = scenario.values["prices.expectations"] == "reverting"
    waits = _waiting_at_the_mean(process, rates, horizon, reverting, float(p["discovery"]["forgetting"]))
    yes = 0
    for n in range(MEASURES):
        rate = float(rates[seen["rate"][n]])
        worth = annuity(rate, horizon) * saving / seen["payback"][n]
        value = worth * (1.0 - how["risk_aversion"] * (1.0 + spread * seen["risk"][n]) * doubt)
        prospect = SimpleNamespace(
            value=value,
            cost=cost,
            priced=1.0,
            waiting=waits[seen["rate"][n]],
            volatility=float(process["effective"][0]),
            rate=rate,
            annuity=annuity(rate, horizon),
            payback=how["payback_median"] * math.exp(how["payback_spread"] * seen["limit"][n]),
            attitude=how["attitude"] * (1.0 + spread * seen["attitude"][n]),
            peers=0.0,
            control=0.5 * (knowledge + 1.0),
            threshold=how["threshold"] + how["threshold_spread"] * seen["threshold"][n],
            aspiration=how["aspiration"],
            weight_attitude=how["weight_attitude"] / weights,
            weight_norm=how["weight_norm"] / weights,
            weight_control=how["weight_control"] / weights,
        )
        yes += value > 0.0 and bool(rule.decide(prospect))
    return yes / MEASURES


def audit_adoption(seen: Seen) -> float:
    """Share of profitable known measures taken that pay back in 1 to 2 years."""
    return taken(seen.scenario)


def cost_weight(seen: Seen) -> float:
    """Response of what is taken to a tenth more cost, over that to a tenth less saving."""
    base = taken(seen.scenario)
    by_cost, by_saving = base - taken(seen.scenario, cost=1.1), base - taken(seen.scenario, saving=1.0 / 1.1)
    return by_cost / by_saving if by_saving > 0.0 else math.nan


Statistic = Callable[[Seen], Any]
STATISTICS: dict[str, Statistic] = {
    function.__name__: function
    for function in (
        streams_by_year,
        distance,
        reached_in_ten_years,
        same_sector,
        one_stream_donors,
        exchanges_per_adopter,
        district_heat_share,
        gross_cost,
        tonnes_per_member,
        audit_adoption,
        cost_weight,
        gain_taxed,
        diminishing,
        kept_after_closing,
        lost_by_closing,
        waiting,
    )
}
