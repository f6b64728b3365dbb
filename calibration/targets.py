"""The targets of `targets.toml`: what was observed, how well it is known, and from which runs the model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from abm.catalogue import Row, field_errors
from abm.scenario import Scenario, ScenarioError
from abm.texts import DataError, nearest, read_toml
from calibration.statistics import STATISTICS

FILE = Path(__file__).parent / "targets.toml"
FIT, HOLD_OUT, PROPERTY = USES = ("fit", "hold-out", "property")


class Setting(Row):
    """Runs that statistics are computed from: arms over one region, whose overrides lie over the scenario's values.

    An empty `region` is the region that is calibrated.
    """

    name: str
    region: str
    months: int = Field(gt=0)
    values: dict[str, Any] = Field(default={})
    arms: dict[str, dict[str, Any]] = Field(min_length=1)


class Target(Row):
    """One observation: a number, a curve (`at` years), or, without a value, the sign that a statistic must have."""

    name: str
    letter: str
    use: Literal["fit", "hold-out", "property"]
    rules: tuple[str, ...] = ()  # decision rules that it is fitted for, a hold-out for others; none: for all
    setting: tuple[str, ...]
    statistic: str
    at: tuple[float, ...] = ()
    value: float | tuple[float, ...] | None = None
    sd: float | tuple[float, ...] | None = None
    discrepancy: float | tuple[float, ...] | None = None
    unit: str
    meaning: str
    source: str = Field(min_length=3)

    def use_for(self, rule: str) -> str:
        """Its use in a calibration of this decision rule."""
        return HOLD_OUT if self.rules and rule not in self.rules else self.use

    @property
    def points(self) -> tuple[Point, ...]:
        """Its numbers, one by one."""
        if self.value is None:
            return (Point(self.name, self, None, 0.0, 0.0),)
        names = [f"{self.name}[{year:g}]" for year in self.at] or [self.name]
        columns = (_each(self.value), _each(self.sd), _each(self.discrepancy))
        return tuple(Point(name, self, *numbers) for name, *numbers in zip(names, *columns, strict=True))


def _each(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,)


@dataclass(frozen=True)
class Point:
    """One number of a target: what was observed, and two standard deviations in the target's unit.

    `sd` of the observation; `discrepancy` of what a model of this kind is not expected to meet.
    """

    name: str
    target: Target
    observed: float | None
    sd: float
    discrepancy: float


@dataclass(frozen=True)
class Targets:
    """Targets and the settings that they need."""

    targets: tuple[Target, ...]
    settings: tuple[Setting, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """All numbers, in order."""
        return tuple(point for target in self.targets for point in target.points)

    def of(self, scenario: Scenario, uses: Sequence[str]) -> Targets:
        """Those of certain uses that a scenario can answer: one cluster has no regional pattern."""
        region, rule = scenario.region_name, str(scenario.values["appraisal.rule"])
        asked = {setting.name: setting for setting in self.settings}

        def answers(target: Target) -> bool:
            return all(asked[name].region or region not in CLUSTERS for name in target.setting)

        chosen = tuple(target for target in self.targets if target.use_for(rule) in uses and answers(target))
        return Targets(chosen, _needed(chosen, self.settings))

    def named(self, names: Sequence[str]) -> Targets:
        """Those of these names; raises ScenarioError for an unknown one."""
        known = tuple(target.name for target in self.targets)
        errors = [
            f"targets: no target {name!r}; known: {', '.join(known)}{nearest(name, known)}"
            for name in names
            if name not in known
        ]
        if errors or not names:
            raise ScenarioError(errors or ["targets: names none"])
        chosen = tuple(target for target in self.targets if target.name in names)
        return Targets(chosen, _needed(chosen, self.settings))


CLUSTERS = ("kalundborg",)  # regions of one cluster


def _needed(targets: Sequence[Target], settings: Sequence[Setting]) -> tuple[Setting, ...]:
    names = {name for target in targets for name in target.setting}
    return tuple(setting for setting in settings if setting.name in names)


def _problems(target: Target, settings: Sequence[str]) -> list[str]:
    """What is wrong with a target beyond its fields."""
    where = f"{FILE.name}: {target.name}"
    errors = [
        f"{where}: no setting {name!r}{nearest(name, tuple(settings))}"
        for name in target.setting
        if name not in settings
    ]
    if target.statistic not in STATISTICS:
        errors.append(f"{where}: no statistic {target.statistic!r}{nearest(target.statistic, tuple(STATISTICS))}")
    if target.use == PROPERTY:
        given = [one for one in ("value", "sd", "discrepancy", "at") if getattr(target, one)]
        return errors + [f"{where}: {one}: a property has none" for one in given]
    for name in ("value", "sd", "discrepancy"):
        numbers = _each(getattr(target, name))
        if numbers == (None,) or len(numbers) != max(len(target.at), 1):
            errors.append(f"{where}: {name}: expected {max(len(target.at), 1)} number(s)")
        elif name != "value" and min(numbers) < 0.0:
            errors.append(f"{where}: {name}: is below 0")
    return errors


@cache
def load_targets(file: Path = FILE) -> Targets:
    """All targets of the table, checked; raises DataError."""
    content, errors = read_toml(file), []
    rows: dict[str, list[Any]] = {"setting": [], "target": []}
    for key, kind in (("setting", Setting), ("target", Target)):
        for number, values in enumerate(content.pop(key, []), start=1):
            name = values.get("name", f"row {number}")
            try:
                rows[key].append(kind(**values))
            except ValidationError as error:
                errors += field_errors(f"{file.name}: {name}", error)
    errors += [f"{file.name}: unknown key {other}" for other in content]
    settings = [setting.name for setting in rows["setting"]]
    errors += [problem for target in rows["target"] for problem in _problems(target, settings)]
    if errors:
        raise DataError(errors)
    return Targets(tuple(rows["target"]), tuple(rows["setting"]))
