"""What is compared: the resource centre, interventions, and mixes of them, each with how much of it there can be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abm.interventions import INTERVENTIONS
from abm.parameters import BY_NAME, Value
from abm.scenario import Scenario, ScenarioError
from abm.texts import nearest

CENTRE = "resource_centre"
TAXES = "tax_revenue"  # the flow of an intervention that brings money in
MIX = "+"


@dataclass(frozen=True)
class Part:
    """One intervention and the parameter that says how much of it there is, from 0 to `most`."""

    name: str
    title: str
    level: str
    most: float
    tax: bool = False

    @property
    def whole(self) -> bool:
        """Does it come in whole steps only?"""
        return isinstance(BY_NAME[self.level].default, int)

    @property
    def unit(self) -> str:
        """Of its level."""
        return BY_NAME[self.level].unit

    @property
    def cost(self) -> str | None:
        """The parameter that says what a unit of it costs; None where its cost is what it pays to the parties."""
        name = self.level.rpartition(".")[0] + ".cost"
        return name if name in BY_NAME else None

    @property
    def start(self) -> str:
        """The parameter that says from which month on it is in force."""
        return self.level.rpartition(".")[0] + ".start"

    @property
    def stop(self) -> str:
        """And until which."""
        return self.level.rpartition(".")[0] + ".stop"


@dataclass(frozen=True)
class Option:
    """A part, or a mix of parts; `direction` are levels that grow together, along which a budget is spent."""

    parts: tuple[Part, ...]
    direction: tuple[float, ...]

    @property
    def name(self) -> str:
        """As given on the command line."""
        return MIX.join(part.name for part in self.parts)

    @property
    def title(self) -> str:
        """For people."""
        return " and ".join(part.title for part in self.parts)

    @property
    def tax(self) -> bool:
        """Does it bring in money instead of spending it?"""
        return all(part.tax for part in self.parts)

    @property
    def stepwise(self) -> bool:
        """Does any part come in whole steps only?"""
        return any(part.whole for part in self.parts)

    @property
    def farthest(self) -> float:
        """The multiple of the direction at which every part is at its most."""
        return max(part.most / step for part, step in zip(self.parts, self.direction, strict=True))

    def levels(self, multiple: float) -> dict[str, Value]:
        """Level of each part at a multiple of the direction, above 0; none exceeds its most.

        Whole ones are rounded down, but to one at least: a mix without one of its parts would be another option.
        """
        levels: dict[str, Value] = {}
        for part, step in zip(self.parts, self.direction, strict=True):
            level = min(multiple * step, part.most)
            levels[part.level] = max(int(level + 1e-9), 1) if part.whole else level
        return levels

    def at_most(self, levels: Mapping[str, Value]) -> bool:
        """Is every part at its most?"""
        return all(float(levels[part.level]) >= part.most for part in self.parts)


def known_parts(beyond: bool = False) -> dict[str, Part]:
    """Everything that can be compared, by its name.

    Levels end where their declared sweep ends: that is how far the model is meant to be used. `beyond` lets them go on
    to what is allowed at all, where that has an end.
    """
    parts = {CENTRE: _part(CENTRE, "resource centre", "facilitator.fte", beyond)}
    for one in INTERVENTIONS.values():
        parts[one.name] = _part(one.name, one.title, one.level.name, beyond, one.flow == TAXES)
    return parts


def _part(name: str, title: str, level: str, beyond: bool, tax: bool = False) -> Part:
    parameter = BY_NAME[level]
    assert parameter.high is not None
    most = parameter.domain[1] if beyond and parameter.domain[1] < float("inf") else parameter.high
    return Part(name, title, level, float(most), tax)


def parse_options(text: str, beyond: bool = False) -> tuple[Option, ...]:
    """'resource_centre,grant,resource_centre+marketplace' -> options; titles are names too (digital_marketplace).

    Raises ScenarioError.
    """
    parts = known_parts(beyond)
    called = {**parts, **{re.sub(r"\W+", "_", part.title): part for part in parts.values()}}
    errors, options = [], []
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        names = [name.strip() for name in entry.split(MIX)]
        unknown = [name for name in names if name not in called]
        errors += [
            f"interventions: no intervention {name!r}; known: {', '.join(parts)}{nearest(name, tuple(called))}"
            for name in unknown
        ]
        if unknown:
            continue
        chosen = tuple(called[name] for name in names)
        if len(set(chosen)) < len(chosen):
            errors.append(f"interventions: {entry}: names the same twice")
        if len({part.tax for part in chosen}) > 1:
            errors.append(f"interventions: {entry}: a tax brings money in; compare it by itself")
        options.append(Option(chosen, tuple(part.most for part in chosen)))
    if not options and not errors:
        errors.append(f"interventions: name at least one of {', '.join(parts)}")
    names = [option.name for option in options]
    errors += [f"interventions: {name} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
    if errors:
        raise ScenarioError(errors)
    return tuple(options)


def without_any(scenario: Scenario, options: Sequence[Option]) -> Scenario:
    """What all are compared with: nobody at the centre and none of them in force."""
    levels: dict[str, Value] = {"facilitator.fte": 0.0}
    for option in options:
        levels |= {part.level: 0 if part.whole else 0.0 for part in option.parts}
    return scenario.with_values(levels)


def years_in_force(scenario: Scenario, option: Option) -> float:
    """Years from the start of an option's first part to the end of its last, within the run."""
    values = scenario.values
    first = min(int(values[part.start]) for part in option.parts)
    last = max(min(int(values[part.stop]), scenario.months) for part in option.parts)
    return max(last - first, 0) / 12.0
