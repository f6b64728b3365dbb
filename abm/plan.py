"""What a scenario says of every replicate alike, worked out once and shared by all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from abm.catalogue import catalogue
from abm.chance import name_key
from abm.interventions import lever_paths
from abm.observe import INDICATORS, Rows, empty_rows, group_names
from abm.parameters import record
from abm.prices import annuity, discount_rates, processes
from abm.ruleset import Slots, slots
from abm.scenario import Scenario
from abm.staffing import Facilitation, facilitation


@dataclass(frozen=True)
class Plan:
    """Parameters, rules, levers and facilitators of a scenario as kernels take them; read-only.

    Shapes as in state.World. `most_carried`: cases that one facilitator can carry at a time, and one more;
    `fastest_search`: most that one month can add to a participant's search.
    """

    p: np.void
    rules: Slots
    levers: np.ndarray
    who: Facilitation
    process: np.ndarray
    rates: np.ndarray
    annuities: np.ndarray
    town_keys: np.ndarray
    residents: np.ndarray
    maturity: np.ndarray
    columns: tuple[str, ...]
    most_carried: int
    fastest_search: float

    def rows(self, months: int) -> Rows:
        """Rows to be filled."""
        return empty_rows(months, len(self.columns) - len(INDICATORS))


_PLANS: WeakKeyDictionary[Scenario, Plan] = WeakKeyDictionary()


def plan(scenario: Scenario) -> Plan:
    """The plan of a scenario; the same object as long as the scenario is there."""
    if scenario not in _PLANS:
        _PLANS[scenario] = _work_out(scenario)
    return _PLANS[scenario]


def _work_out(scenario: Scenario) -> Plan:
    p, towns = record(dict(scenario.values)), scenario.region.municipality
    who, levers, rates = facilitation(scenario), lever_paths(scenario), discount_rates(p)
    horizon = float(p["worth"]["horizon"])
    return Plan(
        p=p,
        rules=slots(scenario.values, scenario.rule_files),
        levers=levers,
        who=who,
        process=processes(catalogue().commodities, p["prices"], horizon),
        rates=rates,
        annuities=np.array([annuity(rate, horizon) for rate in rates]),
        town_keys=np.array([name_key(town.name) for town in towns]),
        residents=np.array([town.population for town in towns]),
        maturity=np.array([town.maturity for town in towns], np.int32),
        columns=(*(indicator.name for indicator in INDICATORS), *group_names(scenario.region, catalogue())),
        most_carried=_most_carried(who, p["facilitator"]),
        fastest_search=_fastest_search(levers, p["discovery"]),
    )


def _most_carried(who: Facilitation, rates: Any) -> int:
    supported = (1.0 + rates["support_gain"]) ** who.supports.sum(axis=0)
    work = who.staff.max(axis=0) * who.centres["leadership"] * supported
    return math.ceil(work.max() * rates["cases"]) + 1


def _fastest_search(levers: np.ndarray, rates: Any) -> float:
    return float((rates["finds"] * (1.0 + rates["social_gain"]) + levers["marketplace"].max()) / 12.0)
