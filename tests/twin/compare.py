"""Engine and twin month by month: where do they differ first, and was that decision on a knife's edge?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np

from abm.discovery import key_of
from abm.month import months
from abm.parameters import record
from abm.plan import plan
from abm.ruleset import slots
from abm.scenario import Scenario
from abm.simulate import build, initial_state
from abm.state import LEDGER, NEVER_DUE, NOBODY, STAGES, State, World
from tests.engine import KNOWN, of_pairs
from tests.twin.agents import Participant
from tests.twin.facilitator import Facilitator
from tests.twin.luck import Attendances, Clock
from tests.twin.model import RegionModel
from tests.twin.opportunity import Finder, Opportunity
from tests.twin.rules import Prospect

TOLERANCE = 1e-9
FINDERS = {None: NOBODY, Finder.SELF: 1, Finder.BROKER: 2}


def is_close(mine: Any, theirs: np.ndarray) -> np.ndarray:
    """Equal to the relative tolerance, or not defined in both; sums that cancel to nothing to that of their unit."""
    return np.isclose(mine, theirs, rtol=TOLERANCE, atol=1e-12, equal_nan=True)


@dataclass(frozen=True)
class Decision:
    """Something in the twin that turned on `value` against `threshold`."""

    key: int
    what: str
    value: float
    threshold: float

    @property
    def edge(self) -> float:
        """Distance from the threshold, relative."""
        return abs(self.value - self.threshold) / abs(self.threshold) if self.threshold else abs(self.value)


@dataclass(frozen=True)
class Difference:
    """The first month in which the two differ, in whom, and the closest of the decisions about these."""

    month: int
    fields: list[str]
    closest: Decision | None

    @property
    def is_rounding(self) -> bool:
        """Was the decision within the tolerance of its threshold?"""
        return self.closest is not None and self.closest.edge <= TOLERANCE


@dataclass(frozen=True)
class Comparison:
    """Tables of both up to the first difference in a decision, if there is any."""

    difference: Difference | None
    names: tuple[str, ...]
    engine: np.ndarray
    twin: np.ndarray
    levels: list[str]  # fields of the state at the end that differ by more than the tolerance

    def differing(self) -> dict[str, int]:
        """Indicators that differ by more than the tolerance, with the first month (from 0)."""
        return {
            name: int(np.argmin(same)) for name, same in zip(self.names, self._same().T, strict=True) if not same.all()
        }

    def _same(self) -> np.ndarray:
        return is_close(self.twin, self.engine)


@contextmanager
def traced() -> Iterator[list[Decision]]:
    """What the twin decides while this lasts."""
    log: list[Decision] = []

    def wrap(stack: ExitStack, owner: type, name: str, note: Callable[..., list[Decision]]) -> None:
        plain = getattr(owner, name)

        def noting(self: Any, *given: Any) -> Any:
            answer = plain(self, *given)
            log.extend(note(self, *given))
            return answer

        stack.enter_context(patch.object(owner, name, noting))

    def clock(one: Clock, _: float) -> list[Decision]:
        return [Decision(int(one.key), "clock", one.value, one.threshold)]

    def attendance(one: Attendances, offered: float) -> list[Decision]:
        return [Decision(int(one.key), "attendance", offered, one.next)]

    def found(one: Opportunity) -> list[Decision]:
        clocks = [Decision(int(one.key), "found", one.search_so_far(), one.self_target)]
        if math.isfinite(one.broker_target):
            clocks.append(Decision(int(one.key), "found by broker", one.coverage.screening, one.broker_target))
        return clocks

    def joins(who: Participant, prospect: Prospect) -> list[Decision]:
        verdict = [Decision(prospect.key, "rule", *who.rule(prospect))] if prospect.value > 0.0 else []
        return [*verdict, Decision(prospect.key, "certainty equivalent", prospect.value, 0.0)]

    def free(one: Opportunity) -> list[Decision]:
        return [Decision(int(one.key), "quantity", min(one.supply.free, one.demand.free), one.least)]

    def promising(who: Facilitator, one: Opportunity) -> list[Decision]:
        return [Decision(int(one.key), "case", who.public_value(one), who.cost_of_case)]

    with ExitStack() as stack:
        wrap(stack, Clock, "run", clock)
        wrap(stack, Attendances, "attend", attendance)
        wrap(stack, Opportunity, "found_by", found)
        wrap(stack, Participant, "joins", joins)
        wrap(stack, Opportunity, "free_quantity", free)
        wrap(stack, Facilitator, "is_promising", promising)
        yield log


def keys_of_pairs(world: World) -> list[int]:
    """Names of the opportunities in chance, in visiting order."""
    return [int(key_of(e, world)) for e in range(len(world.pairs))]


def engine_whole(state: State) -> dict[str, np.ndarray]:
    """All whole numbers of the engine's state that the twin has too."""
    whole = {f"pair.{name}": state.pairs[name] for name in ("stage", "attempt")}
    whole["pair.found"] = of_pairs(state, "found")
    whole["pair.carriers"] = np.bitwise_count(of_pairs(state, "carriers"))
    for name in ("present", "aware", "registered", "agreements", "talks", "live"):
        whole[f"person.{name}"] = state.persons[name]
    whole |= {f"person.{name}": state.learners[name] for name in ("trainings", "events")}
    whole["person.turns"] = state.stays["turns"]
    whole |= {f"town.{name}": state.towns[name] for name in ("maturity", "steps", "members", "adopters", "exchanges")}
    whole |= {f"centre.{name}": state.centres[name] for name in ("opened", "closed", "carried")}
    whole["centre.payers"] = state.seats["pays"].sum(axis=1)
    return whole


def twin_whole(model: RegionModel) -> dict[str, list[int]]:
    """The same of the twin."""
    pairs, people, towns = model.opportunities, model.participants, model.municipalities
    centres = model.facilitators
    return {
        "pair.stage": [STAGES.index(one.stage.value) for one in pairs],
        "pair.attempt": [one.attempt for one in pairs],
        "pair.found": [FINDERS[one.finder] if STAGES.index(one.stage.value) in KNOWN else NOBODY for one in pairs],
        "pair.carriers": [len(one.carriers) if STAGES.index(one.stage.value) in KNOWN else 0 for one in pairs],
        "person.present": [one.present for one in people],
        "person.aware": [one.aware for one in people],
        "person.registered": [one.is_registered for one in people],
        "person.trainings": [one.trainings.count for one in people],
        "person.events": [one.events.count for one in people],
        "person.agreements": [one.agreements for one in people],
        "person.talks": [one.talks for one in people],
        "person.live": [one.living for one in people],
        "person.turns": [one.turns for one in people],
        "town.maturity": [one.maturity for one in towns],
        "town.steps": [one.steps for one in towns],
        "town.members": [one.group.members for one in towns],
        "town.adopters": [one.group.adopters for one in towns],
        "town.exchanges": [one.exchanges for one in towns],
        "centre.opened": [NEVER_DUE if one.staff.opened is None else one.staff.opened for one in centres],
        "centre.closed": [one.staff.closed for one in centres],
        "centre.carried": [len(one.cases) for one in centres],
        "centre.payers": [sum(seat.pays for seat in one.staff.seats) for one in centres],
    }


def find_difference(world: World, state: State, model: RegionModel, log: list[Decision]) -> Difference | None:
    """Do the states differ at the end of a month? If so, in whom, and which decision was closest."""
    keys = {
        "pair": keys_of_pairs(world),
        "person": world.participants["key"],
        "town": world.town_keys,
        "centre": np.arange(len(world.centres)),
    }
    mine, theirs = twin_whole(model), engine_whole(state)
    differing = [(name, np.flatnonzero(np.asarray(mine[name]) != theirs[name])) for name in mine]
    who = {int(keys[name.split(".")[0]][n]) for name, places in differing for n in places}
    if not who:
        return None
    concerned = [decision for decision in log if decision.key in who]
    fields = [f"{name}[{n}]" for name, places in differing for n in places]
    return Difference(model.month, fields, min(concerned, key=lambda one: one.edge, default=None))


def ledger_of(model: RegionModel) -> np.ndarray:
    """The twin's ledgers as the engine keeps them."""
    names = LEDGER.names or ()
    rows = [tuple(getattr(town.ledger, name) for name in names) for town in model.municipalities]
    return np.array(rows, LEDGER)


def differing_levels(state: State, model: RegionModel) -> list[str]:
    """Quantities, levels and clocks of the state that are not the same to the tolerance."""
    people, pairs, towns = model.participants, model.opportunities, model.municipalities
    levels = {
        "quantity": ([one.quantity for one in pairs], of_pairs(state, "quantity")),
        "support": ([one.support for one in pairs], of_pairs(state, "support")),
        "knowledge": ([one.knowledge for one in people], state.persons["knowledge"]),
        "social": ([one.social for one in people], state.persons["social"]),
        "search": ([one.search for one in people], state.persons["search"]),
        "awareness": ([one.awareness.value for one in people], state.learners["aware_clock"]),
        "maturing": ([one.clock.value for one in towns], state.towns["clock"]),
        "training": ([one.training for one in towns], state.towns["training"]),
        "relief": ([one.relief for one in towns], state.towns["relief"]),
        "carbon": ([one.carbon for one in towns], state.towns["carbon"]),
        "work": ([one.work for one in model.facilitators], state.centres["work"]),
        "hours": ([one.register_hours for one in model.facilitators], state.centres["register_hours"]),
        "saving": ([one.saving for one in towns], state.towns["saving"]),
    }
    mine = ledger_of(model)
    levels |= {f"ledger.{name}": (list(mine[name]), state.ledger[name]) for name in LEDGER.names or ()}
    return [name for name, (mine, theirs) in levels.items() if not is_close(mine, theirs).all()]


def compare(scenario: Scenario, seed: int, twin_scenario: Scenario | None = None) -> Comparison:
    """Run both until they differ; the twin on another scenario if one is given."""
    world, _ = build(scenario, seed)
    p, rules = record(dict(scenario.values)), slots(scenario.values, scenario.rule_files)
    state, names = initial_state(p, world, plan(scenario).most_carried), plan(scenario).columns
    rows = plan(scenario).rows(scenario.months)
    model, difference = RegionModel(twin_scenario or scenario, seed), None
    if [int(one.key) for one in model.opportunities] != keys_of_pairs(world):
        raise ValueError("not the same opportunities in the same order")
    with traced() as log:
        for t in range(len(world.levers)):
            if t == world.spin_up:
                state.open_accounts()
            log.clear()
            months(t, t + 1, p, world, state, rules, rows)
            model.step()
            difference = find_difference(world, state, model, log)
            if difference:
                break
    agreed = max(model.month + (0 if difference else 1), 0)
    engine = np.concatenate((rows.indicators.view("f8").reshape(scenario.months, -1), rows.groups), axis=1)
    twin = model.datacollector.get_model_vars_dataframe()[list(names)].to_numpy(float)
    levels = [] if difference else differing_levels(state, model)
    return Comparison(difference, names, engine[:agreed], twin[:agreed], levels)
