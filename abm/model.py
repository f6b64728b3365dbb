"""The simulator as a Mesa model: a step is a month, participants, municipalities and centres are agents.

    model = SymbiosisModel("tiny", rng=1, facilitator__fte=2)
    model.run_model()
    model.agents.select(agent_type=Firm).groupby("sector").agg("knowledge", np.mean)

A step runs one month of the compiled kernels, so that all steps give the digits of `simulate`. Agents are windows on
the arrays of their own model: they show what the simulation holds, and neither keep nor decide anything themselves.
Nothing but this module imports Mesa.
"""

from __future__ import annotations

import copy
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.catalogue import catalogue
from abm.chance import A_SEED, checked_seed
from abm.observe import INDICATORS
from abm.parameters import Value
from abm.plan import plan
from abm.scenario import Scenario, ScenarioError, facilitators, load_scenario, nearest
from abm.simulate import Run, Trajectory, spun_up

if TYPE_CHECKING:
    import pandas as pd

# Mesa 3.3 sets the start method of processes for the whole program when it is imported: set back at once.
_start_method = multiprocessing.get_start_method(allow_none=True)
from mesa import Agent, DataCollector, Model  # noqa: E402

multiprocessing.set_start_method(_start_method, force=True)


class Column:
    """A read-only attribute of agents: the entry of the agent's slot in an array that `read` takes from its model."""

    def __init__(self, read: Callable[[SymbiosisModel], np.ndarray], meaning: str) -> None:
        self.read = read
        self.__doc__ = meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, agent: Any, owner: type | None = None) -> Any:
        return self if agent is None else _plain(self.read(agent.model)[agent.slot])

    def __set__(self, agent: Any, value: Any) -> None:
        raise AttributeError(
            f"{self.name} of a {type(agent).__name__} is read from the simulation and cannot be set; "
            "what can be changed are the scenario's parameters, when the model is made"
        )


def _changing(array: str, field: str, meaning: str) -> Column:
    return Column(lambda model: getattr(model.simulation.state, array)[field], meaning)


def _fixed(field: str, meaning: str) -> Column:
    return Column(lambda model: model.simulation.world.participants[field], meaning)


def _label(name: str, meaning: str) -> Column:
    return Column(lambda model: model._labels[name], meaning)


class _Numbers:
    """Where Mesa 3.3 looks up a model's agent numbers; its own table keeps every model in memory for good."""

    def __getitem__(self, model: SymbiosisModel) -> Iterator[int]:
        return model._numbers


class SlotAgent(Agent):
    """A window on one slot of its model's arrays."""

    _ids = _Numbers()

    def __init__(self, model: SymbiosisModel, slot: int) -> None:
        super().__init__(model)
        self.slot = slot

    def remove(self) -> None:
        """Not possible: only the simulation decides who is there."""
        raise TypeError(f"a {type(self).__name__} is a window on the simulation and cannot be removed from it")

    @classmethod
    def columns(cls) -> dict[str, Column]:
        """The attributes read from the simulation, by name."""
        own = (vars(kind) for kind in reversed(cls.__mro__))
        return {name: value for one in own for name, value in one.items() if isinstance(value, Column)}


class ParticipantAgent(SlotAgent):
    """A firm or a municipal utility."""

    name = _label("name", "its name in the region's table, or its kind and number")
    sector = _label("sector", "id of its sector")
    municipality = _label("municipality", "name of its municipality")
    employees = _fixed("employees", "number of employees")
    lat = _fixed("lat", "latitude, degrees")
    lon = _fixed("lon", "longitude, degrees")
    present = _changing("persons", "present", "is it there, or is its site free?")
    aware = _changing("persons", "aware", "is it aware of by-product exchange?")
    knowledge = _changing("persons", "knowledge", "0..1")
    social_capital = _changing("persons", "social", "0..1")
    registered = _changing("persons", "registered", "is it in a centre's register?")
    exchanges = _changing("persons", "live", "live exchanges it is party to")
    adopter = Column(lambda model: model.simulation.state.persons["live"] > 0, "has it any live exchange?")
    agreements = _changing("persons", "agreements", "agreements made so far")
    talks = _changing("persons", "talks", "negotiations under way")


class Firm(ParticipantAgent):
    """A private plant."""


class Utility(ParticipantAgent):
    """A municipal utility for energy, or for waste and water."""


class MunicipalityAgent(SlotAgent):
    """A municipality: maturity 0 passive, 1 exploring, 2 active."""

    name = _label("town", "its name")
    residents = Column(lambda model: model.simulation.world.residents, "heads")
    participants = _changing("towns", "members", "participants in it")
    relief = _changing("towns", "relief", "regulatory relief won for permits, share")
    maturity = _changing("towns", "maturity", "0 passive, 1 exploring, 2 active")
    adopters = _changing("towns", "adopters", "participants in it with a live exchange")
    exchanges = _changing("towns", "exchanges", "ends of live exchanges in it")


def _caseload(model: SymbiosisModel) -> np.ndarray:
    state = model.simulation.state
    carried = (cases[: centre["carried"]] for cases, centre in zip(state.carried, state.centres, strict=True))
    return np.array([state.cases["support"][cases].sum() for cases in carried])


class FacilitatorAgent(SlotAgent):
    """The resource centre or another facilitator; it works while it has staff."""

    name = _label("facilitator", "its name")
    staff = _changing("centres", "staff", "full-time equivalents paid this month")
    work = _changing("centres", "work", "full-time equivalents at work on the five functions, productivity included")
    caseload = Column(_caseload, "cases carried (fractions counted)")
    registered = _changing("centres", "registered", "participants it has registered so far")
    closed = _changing("centres", "closed", "have its funders closed it?")


class SymbiosisModel(Model):
    """One replicate of a scenario, stepped month by month.

    `scenario` is a Scenario, a region's name or a scenario file; other values of its parameters come as `overrides`
    ({"facilitator.fte": 4}) or as keywords with two underscores for the dot (`facilitator__fte=4`), as `mesa.batch_run`
    hands them over. What is wrong in them raises ScenarioError before anything runs.

    An integer `rng` is the replicate's seed, as in `simulate(scenario, seed)`; from anything else that numpy makes
    random numbers of (None, a Generator, ...) a seed is drawn, kept as `replicate_seed`. The spin-up is done when the
    model is made. `running` turns false with the scenario's last month; a further step raises ValueError.

    Each step collects into `datacollector`, at first one of all indicators: put another in its place, or None.

    A copy (`copy.deepcopy`, `copy.copy`, pickle), made at any month, goes on exactly as the original would, with agents
    and collected tables of its own, and leaves the original as it is.
    """

    def __init__(
        self,
        scenario: Scenario | str | Path,
        rng: Any = None,
        *,
        months: int | None = None,
        overrides: Mapping[str, Value] | None = None,
        **parameters: Any,
    ) -> None:
        settings = _settings(scenario, months, overrides or {}, parameters)
        seed = _seed(rng)
        super().__init__(rng=seed)
        self.simulation: Run = spun_up(settings, seed)
        self.datacollector: DataCollector | None = DataCollector(self.reporters())
        self._numbers = iter(range(1, sys.maxsize))  # not itertools.count, which Python 3.14 cannot copy
        self._has_agents = False

    def __getstate__(self) -> dict[str, Any]:
        """As copied or pickled: without the views of its arrays, which the copy makes anew of its own."""
        return {name: value for name, value in self.__dict__.items() if name not in VIEWS}

    def __copy__(self) -> SymbiosisModel:
        """A copy of its own: with the arrays in common, a step of one would be a step of the other."""
        return copy.deepcopy(self)

    @property
    def settings(self) -> Scenario:
        """The scenario it runs (`model.scenario` is a name of Mesa's own)."""
        return self.simulation.scenario

    @property
    def replicate_seed(self) -> int:
        """The seed with which `simulate(model.settings, seed)` gives the same digits."""
        return self.simulation.seed

    def step(self) -> None:
        """One month; raises ValueError after the last."""
        self.simulation.advance(1)
        self.running = self.simulation.month < self.settings.months
        if self.datacollector is not None:
            self.datacollector.collect(self)

    def indicator(self, name: str) -> float:
        """An indicator's or group's value in the month just done, NaN before the first; KeyError if there is none."""
        if name not in self._series:
            raise KeyError(f"no indicator {name}{nearest(name, list(self._series))}")
        month = self.simulation.month
        return float(self._series[name][month - 1]) if month else float("nan")

    @staticmethod
    def reporters(*names: str) -> dict[str, Callable[[SymbiosisModel], float]]:
        """Model reporters of these indicators (all if none is named), for a DataCollector."""
        chosen = names or tuple(indicator.name for indicator in INDICATORS)
        return {name: partial(_observed, name) for name in chosen}

    def trajectory(self) -> Trajectory:
        """The months done so far, as `simulate` returns them."""
        return self.simulation.trajectory()

    def participants_frame(self) -> pd.DataFrame:
        """All participants of now, straight from the arrays: one row each, by AgentID (free sites included).

        The fast way to a panel: `frames[model.steps] = model.participants_frame()` after each step, at the end
        `pd.concat(frames, names=["Step"])`, which has the index of Mesa's own agent table. An agent reporter reads
        agent by agent: one attribute of Östergötland's participants in every month takes as long as twenty whole
        simulations, all of them as long as a hundred.
        """
        return self._frame(ParticipantAgent, first=1)

    def municipalities_frame(self) -> pd.DataFrame:
        """All municipalities of now, one row each, by AgentID."""
        return self._frame(MunicipalityAgent, first=1 + len(self.simulation.state.persons))

    def _frame(self, kind: type[SlotAgent], first: int) -> pd.DataFrame:
        import pandas as pd

        frame = pd.DataFrame({name: column.read(self) for name, column in kind.columns().items()})
        frame.index = pd.RangeIndex(first, first + len(frame), name="AgentID")
        return frame

    @property
    def agents(self) -> Any:
        """All agents, made when first asked for: participants, municipalities, centres, numbered from 1."""
        self._make_agents()
        return super().agents

    @property
    def agents_by_type(self) -> Any:
        """The agents by class."""
        self._make_agents()
        return super().agents_by_type

    @property
    def agent_types(self) -> Any:
        """The agents' classes."""
        self._make_agents()
        return super().agent_types

    def _make_agents(self) -> None:
        if self._has_agents:
            return
        self._has_agents = True
        for slot, firm in enumerate(self.simulation.world.participants["firm"]):
            (Firm if firm else Utility)(self, slot)
        for slot in range(len(self.simulation.state.towns)):
            MunicipalityAgent(self, slot)
        for slot in range(len(self.simulation.state.centres)):
            FacilitatorAgent(self, slot)

    @cached_property
    def _series(self) -> dict[str, np.ndarray]:
        """The rows of the run by name of indicator or group, as views."""
        rows, names = self.simulation.rows, plan(self.settings).columns[len(INDICATORS) :]
        groups = {name: rows.groups[:, number] for number, name in enumerate(names)}
        return {indicator.name: rows.indicators[indicator.name] for indicator in INDICATORS} | groups

    @cached_property
    def _labels(self) -> dict[str, np.ndarray]:
        """Texts by slot: of participants, and the names of municipalities."""
        people, names = self.simulation.world.participants, self.simulation.names
        towns = np.array([town.name for town in self.settings.region.municipality], object)
        sectors = np.array([sector.id for sector in catalogue().sectors], object)
        return {
            "name": np.array([names.get(slot, f"firm {slot + 1}") for slot in range(len(people))], object),
            "sector": sectors[people["sector"]],
            "municipality": towns[people["municipality"]],
            "town": towns,
            "facilitator": np.array([row.name for row in facilitators(self.settings)], object),
        }


VIEWS = ("_series", "_labels")  # kept by a model once they are made


def _observed(name: str, model: SymbiosisModel) -> float:
    return model.indicator(name)


def _seed(rng: Any) -> int:
    """The seed that `rng` is, or one drawn from what numpy makes of it; raises ScenarioError."""
    if isinstance(rng, (Number, np.bool_, str, bytes)):
        return checked_seed(rng, "rng")
    try:
        return int(np.random.default_rng(rng).integers(2**63))
    except (TypeError, ValueError):
        raise ScenarioError([f"rng: {repr(rng)[:60]} is not {A_SEED}, None or a numpy Generator"]) from None


def _settings(
    source: Scenario | str | Path, months: int | None, overrides: Any, parameters: Mapping[str, Any]
) -> Scenario:
    """The scenario with other values: two underscores in a name stand for a dot, numpy numbers count as numbers."""
    if not isinstance(overrides, Mapping):
        said = "expected values by parameter; batch_run takes several of these as a list"
        raise ScenarioError([f"overrides: {repr(overrides)[:60]}: {said}"])
    changes = {**overrides, **parameters}
    if "seed" in changes:
        raise ScenarioError(["seed: the seed of a replicate is given as rng"])
    if isinstance(source, Scenario) and months is not None:
        raise ScenarioError(["months: a Scenario has its own; give them to load_scenario"])
    values = {name.replace("__", "."): _plain(value) for name, value in changes.items()}
    return source.with_values(values) if isinstance(source, Scenario) else load_scenario(source, values, months=months)


def _plain(value: Any) -> Any:
    """A Python number for numpy's."""
    return value.item() if isinstance(value, np.generic) else value
