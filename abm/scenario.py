"""TOML or a region's name -> a checked, frozen Scenario.

Layers, later over earlier: the declared defaults, the region's own parameters, the scenario file, `--set` overrides.
All that is wrong is reported at once, each with the nearest valid name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from abm.catalogue import DataError, Region, load_region, nearest, read_toml, region_names
from abm.parameters import BY_NAME, FUNCTIONS, Value
from abm.ruleset import anchored_mix, anchored_rule, problems, read_rule_files

MONTHS = 180  # default length of a run after the spin-up: 15 years
MOST_MONTHS = 1200
FILE_KEYS = ("region", "name", "months", "parameters")
RULE_TEXTS = {"appraisal.rule": anchored_rule, "appraisal.mix": anchored_mix}  # may name files


class ScenarioError(ValueError):
    """The input is wrong; `errors` holds one line an error."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = [" ".join(error.split()) for error in errors]
        super().__init__("\n".join(self.errors))


@dataclass(frozen=True)
class Scenario:
    """A region, the full set of parameter values, and the months after the spin-up.

    `rule_files` are the user's rule files that the values name, path and content as they were when it was loaded.
    """

    name: str
    region_name: str
    region: Region
    values: Mapping[str, Value]
    months: int = MONTHS
    rule_files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    def with_values(self, changes: Mapping[str, Value]) -> Scenario:
        """The same scenario with other values; raises ScenarioError."""
        errors: list[str] = []
        values = dict(self.values)
        _lay(values, changes, "scenario", errors)
        _check_whole(values, errors)
        files = self.rule_files
        if any(name in changes for name in RULE_TEXTS):
            files = _check_rules(values, errors)
        if errors:
            raise ScenarioError(errors)
        return replace(self, values=MappingProxyType(values), rule_files=files)

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
    """Put `changes` over `values`, noting what is wrong with them; relative paths in them start at `folder`."""
    for name, value in changes.items():
        parameter = BY_NAME.get(name)
        if parameter is None:
            errors.append(f"{where}: no parameter {name}{nearest(name, tuple(BY_NAME))}")
        elif problem := parameter.check(value):
            errors.append(f"{where}: {name}: {problem}{nearest(str(value), parameter.choices)}")
        else:
            values[name] = type(parameter.default)(value)
            if name in RULE_TEXTS:
                values[name] = RULE_TEXTS[name](str(value), folder)


def _check_whole(values: Mapping[str, Value], errors: list[str]) -> None:
    """Checks that need more than one parameter."""
    shares = sum(float(values[f"facilitator.shares.{name}"]) for name in FUNCTIONS)
    if abs(shares - 1.0) > 1e-6:
        errors.append(f"facilitator.shares.*: the {len(FUNCTIONS)} shares sum to {shares:g}, they must sum to 1")
    if values["facilitator.stop"] <= values["facilitator.start"]:  # type: ignore[operator]
        errors.append("facilitator.stop: must be after facilitator.start")
    if not any(float(values[f"appraisal.weight_{part}"]) for part in ("attitude", "norm", "control")):
        errors.append("appraisal.weight_*: one of the three weights must be above 0")


def _check_rules(values: Mapping[str, Value], errors: list[str]) -> tuple[tuple[str, bytes], ...]:
    """Who follows which rule, and the user's rule files, read and compiled."""
    errors += (found := problems(values))
    try:
        return () if found else read_rule_files(values)
    except DataError as error:
        errors += error.errors
        return ()


def parse_overrides(texts: list[str]) -> dict[str, Value]:
    """['name=value', ...] -> mapping with numbers as numbers; raises ScenarioError for malformed or repeated ones."""
    changes: dict[str, Value] = {}
    errors = []
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            errors.append(f"--set {text}: expected name=value")
        elif name in changes:
            errors.append(f"--set {name}: given twice")
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


def _read_file(file: Path) -> tuple[str, dict[str, Any]]:
    content = read_toml(file)
    errors = [f"{file}: unknown key {key}{nearest(key, FILE_KEYS)}" for key in content if key not in FILE_KEYS]
    if not isinstance(content.get("parameters", {}), Mapping):
        errors.append(f"{file}: parameters must be a table")
    if not re.fullmatch(r"\w[\w .-]*", str(content.get("name", file.stem))):
        errors.append(f"{file}: name: letters, digits, space, point and hyphen only")
    if not isinstance(content.get("region"), str):
        errors.append(f'{file}: region = "..." is missing; known: {", ".join(region_names())}')
    if errors:
        raise ScenarioError(errors)
    return content["region"], content


def load_scenario(
    source: str | Path, overrides: Mapping[str, Value] | None = None, *, months: int | None = None
) -> Scenario:
    """A region's name or a scenario file, with overrides, checked as a whole.

    Raises ScenarioError, one line for each thing that is wrong, before anything runs.
    """
    try:
        return _load(source, overrides or {}, months)
    except DataError as error:
        raise ScenarioError(error.errors) from None


def _load(source: str | Path, overrides: Mapping[str, Value], months: int | None) -> Scenario:
    text = str(source)
    content: dict[str, Any] = {}
    region_name, name = text, text
    if text.endswith(".toml") or "/" in text:
        region_name, content = _read_file(Path(text))
        name = str(content.get("name", Path(text).stem))
    if region_name not in region_names():
        known = ", ".join(region_names())
        raise ScenarioError([f"no region {region_name!r}; known: {known}{nearest(region_name, region_names())}"])
    region = load_region(region_name)
    errors: list[str] = []
    values: dict[str, Value] = {parameter.name: parameter.default for parameter in BY_NAME.values()}
    _lay(values, dict(_flatten(region.parameters)), f"region {region_name}", errors)
    _lay(values, dict(_flatten(content.get("parameters", {}))), text, errors, Path(text).parent)
    _lay(values, overrides, "--set", errors)
    length = months if months is not None else content.get("months", MONTHS)
    if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= MOST_MONTHS:
        errors.append(f"months: {length!r} is not a whole number from 1 to {MOST_MONTHS}")
    files: tuple[tuple[str, bytes], ...] = ()
    if not errors:
        _check_whole(values, errors)
        files = _check_rules(values, errors)
    if errors:
        raise ScenarioError(errors)
    return Scenario(name, region_name, region, MappingProxyType(values), length, files)
