"""A region's name or file, or a scenario file -> a checked, frozen Scenario.

Layers, later over earlier: the declared defaults, the region's own parameters, the scenario file, overrides.
All that is wrong is reported at once, each with the nearest valid name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from abm.catalogue import MOST_STAFF, NEVER, Facilitator, Region, field_errors
from abm.firms import Firm, read_firms, without_utilities
from abm.parameters import BY_NAME, FUNCTIONS, Value, path_problem, read_path
from abm.regions import ENDING, is_region, load_region, region_names
from abm.ruleset import anchored_mix, anchored_rule, read_rule_files
from abm.ruleset import problems as mix_problems
from abm.texts import DataError, alike, nearest, one_line, quoted, read_toml, shown

MOST_FACILITATORS = 32  # one bit each in a participant's and a case's record
MONTHS = 180  # default length of a run after the spin-up: 15 years
MOST_MONTHS = 1200
FILE_KEYS = ("region", "name", "months", "firms", "parameters", "facilitator")
NAME = re.compile(r"\w[\w .-]*")  # of a scenario: it names a folder too
RESOURCE_CENTRE = "resource centre"
COORDINATION = "facilitator.coordination"
RULE_TEXTS = {"appraisal.rule": anchored_rule, "appraisal.mix": anchored_mix}  # may name files


class ScenarioError(ValueError):
    """The input is wrong; `errors` holds one line an error."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = [one_line(error) for error in errors]
        super().__init__("\n".join(self.errors))


@dataclass(frozen=True, eq=False)  # one is another only if it is the same object: plans are kept by it
class Scenario:
    """A region, the full set of parameter values, and the months after the spin-up.

    `rule_files` are the user's rule files that the values name, path and content as they were when it was loaded.
    """

    name: str
    region_name: str
    region: Region
    values: Mapping[str, Value]
    months: int = MONTHS
    facilitators: tuple[Facilitator, ...] = ()  # besides the resource centre
    firms: tuple[Firm, ...] = ()  # own ones, in place of the named and drawn ones
    source: str = ""  # what it was loaded from
    region_source: str = ""  # what the region was loaded from: its name, or the path of its file
    rule_files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    def with_values(self, changes: Mapping[str, Value]) -> Scenario:
        """The same scenario with other values; raises ScenarioError."""
        errors: list[str] = []
        values = dict(self.values)
        _lay(values, changes, "", errors)
        changed = replace(self, values=MappingProxyType(values))
        errors += problems(changed)
        if errors:
            raise ScenarioError(errors)
        return _with_rule_files(changed) if any(name in changes for name in RULE_TEXTS) else changed

    def __getstate__(self) -> dict[str, Any]:
        """As pickled for a worker process, which the read-only view of the values cannot be."""
        return {**self.__dict__, "values": dict(self.values)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, values=MappingProxyType(state["values"]))

    @property
    def spin_up_months(self) -> int:
        """Months simulated before month 0."""
        return 12 * int(self.values["run.spin_up"])


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _lay(
    values: dict[str, Value], changes: Mapping[str, Any], where: str, errors: list[str], folder: Path = Path()
) -> None:
    """Put `changes` over `values`, noting what is wrong with them; relative paths in them start at `folder`.

    `where` they are set is said first: a file and a colon, or nothing of what a caller hands over.
    """
    for name, value in changes.items():
        parameter = BY_NAME.get(name)
        if parameter is None:
            errors.append(f"{where}no parameter {shown(name)}{nearest(name, tuple(BY_NAME))}")
        elif problem := parameter.check(value):
            errors.append(f"{where}{name}: {problem}{nearest(str(value), parameter.choices)}")
        else:
            values[name] = type(parameter.default)(value)
            if name in RULE_TEXTS:
                values[name] = RULE_TEXTS[name](str(value), folder)


def names_in(text: str) -> list[str]:
    """'Mjölby, Motala' -> ['Mjölby', 'Motala']."""
    return [name.strip() for name in text.split(",") if name.strip()]


def problems(scenario: Scenario) -> list[str]:
    """What is wrong with a scenario as a whole: all that needs more than one parameter."""
    own = len(without_utilities(scenario.firms))
    few = f"population.firms: {scenario.values['population.firms']} are fewer than the {own} own firms"
    return [
        *([few] if int(scenario.values["population.firms"]) < own else []),
        *_share_problems(scenario),
        *_date_problems(scenario),
        *_place_problems(scenario),
        *_rule_problems(scenario),
    ]


def resource_centre(values: Mapping[str, Value]) -> Facilitator:
    """The resource centre as the parameters describe it."""
    return Facilitator(
        name=RESOURCE_CENTRE,
        fte=float(values["facilitator.fte"]),
        start=int(values["facilitator.start"]),
        stop=int(values["facilitator.stop"]),
        staff_path=str(values["facilitator.staff_path"]),
        shares={name: float(values[f"facilitator.shares.{name}"]) for name in FUNCTIONS},
        strategy=str(values["facilitator.strategy"]),
        covers=tuple(names_in(str(values["facilitator.covers"]))),
        host=str(values["facilitator.host"]),
    )


def facilitators(scenario: Scenario) -> tuple[Facilitator, ...]:
    """The resource centre, then the others that the region or the scenario names."""
    return (resource_centre(scenario.values), *scenario.facilitators)


def _at(row: Facilitator, key: str) -> str:
    """Where a value of a facilitator is set."""
    return f"facilitator.{key}" if row.name == RESOURCE_CENTRE else f"facilitator {shown(row.name)}: {key}"


def _share_problems(scenario: Scenario) -> Iterator[str]:
    for row in facilitators(scenario):
        if set(row.shares) != set(FUNCTIONS):
            yield f"{_at(row, 'shares')}: expected {', '.join(FUNCTIONS)}, found {shown(', '.join(row.shares))}"
        elif abs(sum(row.shares.values()) - 1.0) > 1e-6:
            total = sum(row.shares.values())
            yield f"{_at(row, 'shares.*')}: the {len(FUNCTIONS)} shares sum to {total:g}, they must sum to 1"
    funding = sum(float(scenario.values[f"facilitator.funding.{name}"]) for name in ("national", "municipal"))
    if funding > 1.0:
        yield f"facilitator.funding.*: sum to {funding:g}, they must not exceed 1"


def _rule_problems(scenario: Scenario) -> Iterator[str]:
    yield from mix_problems(scenario.values)
    if not any(float(scenario.values[f"appraisal.weight_{part}"]) for part in ("attitude", "norm", "control")):
        yield "appraisal.weight_*: one of the three weights must be above 0"


def _with_rule_files(scenario: Scenario) -> Scenario:
    """The scenario with the user's rule files, read and compiled; raises ScenarioError."""
    try:
        return replace(scenario, rule_files=read_rule_files(scenario.values))
    except DataError as error:
        raise ScenarioError(error.errors) from None


def _periods(scenario: Scenario) -> Iterator[tuple[str, int, int, int]]:
    """Where it is set, first month, month of the end and earliest month allowed of all that is dated."""
    values = scenario.values
    for name in values:
        group, _, last = name.rpartition(".")
        if last == "start":
            yield f"{group}.", int(values[name]), int(values[f"{group}.stop"]), 0
    for row in scenario.facilitators:
        yield _at(row, ""), row.start, row.stop, -scenario.spin_up_months


def _date_problems(scenario: Scenario) -> Iterator[str]:
    months = scenario.months
    for where, start, stop, least in _periods(scenario):
        usual = where + "start" in BY_NAME and start == BY_NAME[where + "start"].default
        usual = usual and not scenario.values.get(where + "level")  # an intervention that is on should come into force
        if not usual and not least <= start < months:
            yield f"{where}start: month {start} is outside the run (months {least} to {months - 1})"
        if stop <= start:
            yield f"{where}stop: month {stop} is not after {where}start"
        elif stop > months and stop != NEVER:
            yield f"{where}stop: month {stop} is outside the run ({months} months; {NEVER}: never)"
    for row in facilitators(scenario):
        where = _at(row, "staff_path")
        if problem := path_problem(row.staff_path):
            yield f"{where}: {problem}"
            continue
        for month, multiple in read_path(row.staff_path):
            if not -scenario.spin_up_months <= month < months:
                yield f"{where}: month {month} is outside the run ({months} months)"
            if row.fte * multiple > MOST_STAFF:
                yield f"{where}: {multiple:g} times {row.fte:g} FTE is more than {MOST_STAFF:g} FTE"


def _place_problems(scenario: Scenario) -> Iterator[str]:
    """Municipalities and facilitators that are spoken of but are not there, or are there twice."""
    towns = {town.name: town for town in scenario.region.municipality}
    rows = facilitators(scenario)
    names = [row.name for row in rows]
    looks = [alike(name) for name in names]
    for number, row in enumerate(rows):
        asked = [("covers", name) for name in row.covers] + [("host", row.host)]
        for key, name in asked:
            if name and name not in towns:
                yield f"{_at(row, key)}: no municipality {quoted(name)} in this region{nearest(name, towns)}"
        if row.support > 0 and not row.supports:
            yield f"{_at(row, 'support')}: {row.support:g} of its staff supports others, but supports names nobody"
        for name in row.supports:
            if name not in names or name == row.name:
                yield f"{_at(row, 'supports')}: no other facilitator {quoted(name)}{nearest(name, names)}"
        if looks[number] in looks[:number]:
            yield f"facilitator {shown(row.name)}: given twice"
    if len(names) > MOST_FACILITATORS:
        yield f"{len(names)} facilitators, at most {MOST_FACILITATORS}"


def overlapping(scenario: Scenario) -> tuple[str, str] | None:
    """Names of two facilitators over the same municipality at the same time, the centre at whatever staff."""
    everywhere = {town.name for town in scenario.region.municipality}
    staffed = [row for row in facilitators(scenario) if row.fte > 0 or row.name == RESOURCE_CENTRE]
    for number, row in enumerate(staffed):
        for other in staffed[:number]:
            shared = (set(row.covers) or everywhere) & (set(other.covers) or everywhere)
            if shared and row.start < other.stop and other.start < row.stop:
                return other.name, row.name
    return None


def parse_overrides(texts: list[str]) -> dict[str, Value]:
    """['name=value', ...] -> mapping with numbers as numbers; raises ScenarioError for malformed or repeated ones."""
    changes: dict[str, Value] = {}
    errors = []
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            errors.append(f"{shown(text)}: expected name=value")
        elif name in changes:
            errors.append(f"{shown(name)}: given twice")
        else:
            changes[name] = _number_or_text(value.strip())
    if errors:
        raise ScenarioError(errors)
    return changes


def _number_or_text(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _check_file(file: Path, content: Mapping[str, Any]) -> None:
    """Raise ScenarioError if the content of a scenario file is not what it can hold."""
    errors = [f"{file}: unknown key {shown(key)}{nearest(key, FILE_KEYS)}" for key in content if key not in FILE_KEYS]
    if not isinstance(content.get("parameters", {}), Mapping):
        errors.append(f"{file}: parameters must be a table")
    if not NAME.fullmatch(str(content.get("name", file.stem))):
        errors.append(f"{file}: name: letters, digits, space, point and hyphen only")
    if not isinstance(content.get("firms", ""), str):
        errors.append(f'{file}: firms = "..." must name a CSV file')
    if not isinstance(content.get("region"), str):
        errors.append(f'{file}: region = "..." is missing; known: {", ".join(region_names())}')
    if errors:
        raise ScenarioError(errors)


def _read_source(text: str) -> tuple[str, str, dict[str, Any]]:
    """Of what a user gives: the scenario's name, its region (a name, or the path of a file), and the scenario file."""
    if not (text.endswith(ENDING) or "/" in text):
        return text, text, {}
    file = Path(text)
    content = read_toml(file)
    if is_region(content):
        return file.stem, text, {}
    _check_file(file, content)
    region = str(content["region"])
    return (
        str(content.get("name", file.stem)),
        str(file.parent / region) if region.endswith(ENDING) else region,
        content,
    )


def _own_firms(file: Path, region: Region, errors: list[str]) -> tuple[Firm, ...]:
    """The firms of a file; none if it is wrong."""
    try:
        return read_firms(file, region)
    except DataError as error:
        errors += error.errors
        return ()


def load_scenario(
    source: str | Path, overrides: Mapping[str, Value] | None = None, *, months: int | None = None
) -> Scenario:
    """A region's name, a region's file or a scenario file, with overrides, checked as a whole.

    Raises ScenarioError, one line for each thing that is wrong, before anything runs.
    """
    try:
        return _load(source, overrides or {}, months)
    except DataError as error:
        raise ScenarioError(error.errors) from None


def _load(source: str | Path, overrides: Mapping[str, Value], months: int | None) -> Scenario:
    text = str(source)
    name, place, content = _read_source(text)
    own_region = place.endswith(ENDING)
    region, folder = load_region(place), Path(place).parent if own_region else Path()
    errors: list[str] = []
    values: dict[str, Value] = {parameter.name: parameter.default for parameter in BY_NAME.values()}
    of_region, settings = (dict(_flatten(tree)) for tree in (region.parameters, content.get("parameters", {})))
    _lay(values, of_region, f"{'' if own_region else 'region '}{place}: ", errors, folder)
    _lay(values, settings, f"{text}: ", errors, Path(text).parent)
    _lay(values, overrides, "", errors)
    here = "firms" in content  # of the scenario, in place of the region's
    file = Path(text).parent / content["firms"] if here else folder / region.firms
    firms = _own_firms(file, region, errors) if here or region.firms else ()
    if firms and "population.firms" not in {*settings, *overrides, *(() if here else of_region)}:
        own = len(without_utilities(firms))
        values["population.firms"] = own
        if not own:
            errors.append(f"{text}: firms: only municipal utilities; set population.firms to have firms drawn")
    length = months if months is not None else content.get("months", MONTHS)
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= MOST_MONTHS:
        file = f"{text}: " if months is None else ""
        errors.append(f"{file}months: {quoted(length)} is not a whole number from 1 to {MOST_MONTHS}")
    others = region.facilitator + _read_facilitators(text, content.get("facilitator", []), errors)
    if errors:
        raise ScenarioError(errors)
    scenario = Scenario(
        name,
        Path(place).stem if own_region else place,
        region,
        MappingProxyType(values),
        length,
        others,
        firms,
        text,
        place,
    )
    errors += problems(scenario)
    given = COORDINATION in {*of_region, *settings, *overrides}
    if not errors and not given and (two := overlapping(scenario)):
        errors.append(f"{two[0]} and {two[1]} cover the same municipalities: {COORDINATION} (0 to 1) must be given")
    if errors:
        raise ScenarioError(errors)
    return _with_rule_files(scenario)


def _read_facilitators(where: str, rows: Any, errors: list[str]) -> tuple[Facilitator, ...]:
    """The `[[facilitator]]` rows of a scenario file, noting what is wrong with them."""
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        errors.append(f"{where}: facilitator must be an array of tables: [[facilitator]]")
        return ()
    read = []
    for number, row in enumerate(rows, start=1):
        try:
            read.append(Facilitator(**row))
        except ValidationError as error:
            errors += field_errors(f"{where}: facilitator {shown(row.get('name', number))}", error)
    return tuple(read)
