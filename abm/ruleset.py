"""Who follows which rule: a default for all, and exceptions by sector or by share.

`appraisal.mix` lists the exceptions: `payback@0.3, npv@C24` makes all of sector C24 follow npv and, of the firms of
other sectors, a share 0.3 payback. Municipal utilities follow the default unless their sector is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.extending import typeof_impl

from abm.catalogue import catalogue
from abm.rulefiles import compiled_file, function, is_reference, read, split_reference
from abm.rules import RULES, SIGNATURE, compiled, first_line
from abm.texts import DataError, nearest, quoted, shown

SLOTS = 8  # distinct rules at most in one population
ROUNDING = 1e-9  # by which shares written in decimals may miss a sum of 1
ENTRY = re.compile(r"\s*(\w+|.+?\.py:\w+)\s*@\s*([^@,]*?)\s*(?:,|$)")


class Slots(tuple):
    """The compiled rules of a population, always `SLOTS` of them and so always of one type.

    A kernel that takes them is compiled once, whatever the rules; Numba would type a plain tuple the same, but warns.
    """

    __slots__ = ()


SLOTS_TYPE = numba.types.UniTuple(numba.types.FunctionType(SIGNATURE), SLOTS)


@typeof_impl.register(Slots)
def _(value: Slots, context: Any) -> Any:
    return SLOTS_TYPE


@dataclass(frozen=True)
class RuleSet:
    """The distinct rules, the default first; by sector id, and with shares of the other firms, the rule's place."""

    rules: tuple[str, ...]
    sectors: Mapping[str, int]
    shares: tuple[tuple[float, int], ...]

    def places(self, sectors: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As population.assign_rules takes them: place by sector (-1: none), sums of the shares, their places."""
        below = np.cumsum([share for share, _ in self.shares])
        below[below > 1.0 - ROUNDING] = 1.0
        of_sector = [self.sectors.get(sector, -1) for sector in sectors]
        return np.array(of_sector, np.int32), below, np.array([place for _, place in self.shares], np.int32)


def entries(mix: str) -> Iterator[tuple[str, str]]:
    """'payback@0.3, npv@C24' -> ('payback', '0.3'), ('npv', 'C24'); raises ValueError with what is left over."""
    position = 0
    while mix[position:].strip():
        entry = ENTRY.match(mix, position)
        if entry is None or not entry[2]:
            raise ValueError(mix[position:].strip())
        yield entry[1], entry[2]
        position = entry.end()


def mix_problem(mix: str) -> str | None:
    """What is wrong with the form of a mix, in one phrase, or None."""
    try:
        list(entries(mix))
    except ValueError as error:
        return f"{quoted(str(error))} is not rule@sector or rule@share"
    return None


def rule_problem(rule: str) -> str | None:
    """The same of a rule's name that is not one of those that come with the model."""
    return None if is_reference(rule) else ", nor file.py:function"


def anchored_rule(rule: str, folder: Path) -> str:
    """A rule's name, its file if it has one as an absolute path: a relative one starts at `folder`."""
    if not is_reference(rule):
        return rule
    path, name = split_reference(rule)
    try:
        return f"{(folder / Path(path).expanduser()).resolve()}:{name}"
    except (OSError, RuntimeError):  # a home of nobody, links in a circle: no file is found there
        return rule


def anchored_mix(mix: str, folder: Path) -> str:
    """The same of all rules of a mix."""
    return ", ".join(f"{anchored_rule(rule, folder)}@{whom}" for rule, whom in entries(mix))


def rule_set(values: Mapping[str, Any]) -> RuleSet:
    """The rule set of a checked scenario's values."""
    rules, sectors, shares = [str(values["appraisal.rule"])], {}, []
    for rule, whom in entries(str(values["appraisal.mix"])):
        if rule not in rules:
            rules.append(rule)
        share = _number(whom)
        if share is None:
            sectors[whom] = rules.index(rule)
        else:
            shares.append((share, rules.index(rule)))
    return RuleSet(tuple(rules), sectors, tuple(shares))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def problems(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with who follows which rule, one line each; the rules' own files are not opened."""
    errors, seen, total = [], set(), 0.0
    known = tuple(sector.id for sector in catalogue().sectors)
    for rule, whom in entries(str(values["appraisal.mix"])):
        entry = f"appraisal.mix: {shown(rule)}@{shown(whom)}"
        if rule not in RULES and not is_reference(rule):
            errors.append(f"{entry}: no rule {shown(rule)}; known: {', '.join(RULES)}{nearest(rule, tuple(RULES))}")
        share = _number(whom)
        if share is None and whom not in known:
            errors.append(f"{entry}: no sector {shown(whom)}; known: {', '.join(known)}{nearest(whom, known)}")
        elif share is None and whom in seen:
            errors.append(f"{entry}: sector {shown(whom)} is given twice")
        elif share is not None and not 0.0 <= share <= 1.0:
            errors.append(f"{entry}: the share {shown(whom)} is not from 0 to 1")
        seen.add(whom)
        total += share or 0.0
    if not errors and total > 1.0 + ROUNDING:
        errors.append(f"appraisal.mix: the shares sum to {total:g}, more than 1")
    distinct = len(rule_set(values).rules)
    if distinct > SLOTS:
        errors.append(f"appraisal.mix: {distinct} distinct rules with the default, at most {SLOTS}")
    return errors


def read_rule_files(values: Mapping[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """Path and content of each rule file that the values name, each rule tried out; raises DataError."""
    contents: dict[str, bytes] = {}
    errors: list[str] = []
    for rule in filter(is_reference, rule_set(values).rules):
        path, _ = split_reference(rule)
        try:
            contents[path] = contents[path] if path in contents else read(path)
            compiled_file(rule, contents[path])
        except DataError as error:
            errors += [line for line in error.errors if line not in errors]
    if errors:
        raise DataError(errors)
    return tuple(contents.items())


def slots(values: Mapping[str, Any], files: Sequence[tuple[str, bytes]] = ()) -> Slots:
    """The compiled rules, by the place that each participant carries; places beyond the last repeat the default."""
    contents, rules = dict(files), rule_set(values).rules
    found = [
        compiled_file(rule, contents[split_reference(rule)[0]]) if is_reference(rule) else compiled(rule)
        for rule in rules
    ]
    return Slots(found + found[:1] * (SLOTS - len(found)))


def rule_meaning(rule: str, files: Sequence[tuple[str, bytes]] = ()) -> str:
    """What a rule says of itself, in one line."""
    if is_reference(rule):
        return first_line(function(rule, dict(files)[split_reference(rule)[0]])) or "a rule of the user's own"
    return RULES[rule].meaning
