"""Checked price series: deflated, cut to a window, with flags for what is odd about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from abm.texts import DataError, shown
from calibration.likelihood import LONGEST_GAP
from calibration.pricefile import Table, choose, month_number, month_text

LEAST = 60  # months: five years
SHORT = 120  # months that are flagged as few
YEARLY = 11  # unchanged months in a row: a quote held for a year
CONTRACT = 0.3  # share of unchanged months from which on a series is flagged as contract quotes
OUTLYING = 8.0  # standard deviations of the other returns, near and far, that make a break
LASTING = 0.5  # share of it that must still be there in the year after
AVERAGED = 0.15  # autocorrelation of returns; monthly averages of a random walk have .25 (Working 1960)
FILLED = 3  # months at most that the deflator is interpolated over
REGULAR = 0.9  # share of gaps of the same length that make a series quarterly or the like
OFTEN = {2: "every second month", 3: "quarterly", 6: "half-yearly", 12: "yearly"}  # by months between values
SPIKE = 10.0  # times the months on both sides: a value that is flagged


@dataclass(frozen=True)
class Series:
    """One price: month numbers and logs of the real price where there is one, and what was seen in the checks."""

    name: str
    unit: str
    months: np.ndarray
    logs: np.ndarray
    flags: tuple[str, ...]

    @property
    def gaps(self) -> np.ndarray:
        """Months since the value before; 0 for the first, and after more than LONGEST_GAP of them."""
        gaps = np.diff(self.months, prepend=self.months[0])
        return np.where(gaps > LONGEST_GAP, 0, gaps)

    @property
    def missing(self) -> int:
        """Months without a value between the first and the last."""
        return int(self.months[-1] - self.months[0]) + 1 - self.months.size

    @property
    def years(self) -> float:
        """Length of the window."""
        return float(self.months[-1] - self.months[0] + 1) / 12.0

    @property
    def monthly(self) -> np.ndarray:
        """The logs of all months, NaN where there is none."""
        values = np.full(int(self.months[-1] - self.months[0]) + 1, np.nan)
        values[self.months - self.months[0]] = self.logs
        return values

    @property
    def autocorrelation(self) -> float | None:
        """Of returns over one month with those of the month before; None with under three such months."""
        returns = np.diff(self.monthly)
        both = np.isfinite(returns[1:]) & np.isfinite(returns[:-1])
        now, before = returns[1:][both], returns[:-1][both]
        if both.sum() <= 2:
            return None
        return float(np.corrcoef(now, before)[0, 1]) if now.std() * before.std() > 0 else 0.0


@dataclass(frozen=True)
class Deflator:
    """Log of the price level over that of the base year, by month; what was interpolated."""

    first: int
    logs: np.ndarray
    base_year: int
    filled: tuple[str, ...]

    def at(self, months: np.ndarray) -> np.ndarray:
        """Its logs in these months, NaN where there is none."""
        place = months - self.first
        inside = (place >= 0) & (place < self.logs.size)
        return np.where(inside, self.logs[np.clip(place, 0, self.logs.size - 1)], np.nan)


@dataclass(frozen=True)
class Window:
    """First and last month that are looked at."""

    first: int
    last: int


def read_window(start: str, end: str | None) -> Window:
    """'1996' or '1996-01' to '2023' or '2023-10'; raises DataError."""
    ends = []
    for name, text, month in (("start", start, "01"), ("end", end or "9999", "12")):
        number = month_number(f"{text}-{month}" if re.fullmatch(r"\d{4}", text) else text)
        if number is None:
            raise DataError([f"{name} {text}: expected a year or a month, as 1996 or 1996-01"])
        ends.append(number)
    if ends[1] - ends[0] + 1 < LEAST:
        raise DataError([f"window from {start} to {end or 'the end'}: under 5 years ({LEAST} months)"])
    return Window(*ends)


def make_deflator(table: Table, base_year: int) -> Deflator:
    """From a table with a column Index or CPI, or with one column; raises DataError."""
    numeric = [name for name in table.columns if name not in table.texts]
    names = [name for name in numeric if name.lower() in ("index", "cpi")] or numeric
    if len(names) > 1:
        found = shown(", ".join(names), 200)
        raise DataError([f"{table.file}: expected one column, or one called Index, found {found}"])
    values = table.numbers(names[0])
    months, logs = table.months[np.isfinite(values)], np.log(values[np.isfinite(values)])
    if months.size < 2:
        raise DataError([f"{table.file}: {shown(names[0])}: {months.size} months with an index"])
    gaps = np.diff(months)
    if (longest := int(gaps.max()) - 1) > FILLED:
        after = month_text(int(months[gaps.argmax()]))
        raise DataError([f"{table.file}: no index for {longest} months after {after}"])
    every = np.arange(months[0], months[-1] + 1)
    level = np.interp(every, months, logs)
    base = level[every // 12 == base_year]  # with what is interpolated within it
    if base.size < 12:
        raise DataError([f"base_year {base_year}: {table.file} has {base.size} of its 12 months"])
    filled = tuple(month_text(int(month)) for month in np.setdiff1d(every, months))
    return Deflator(int(months[0]), level - np.log(np.exp(base).mean()), base_year, filled)


def make_series(
    table: Table, window: Window, deflator: Deflator | None, units: dict[str, str], names: Sequence[str] | None
) -> tuple[list[Series], dict[str, str]]:
    """The series asked for, and why others are left out; raises DataError if none of them can be fitted."""
    kept: list[Series] = []
    left_out: dict[str, str] = {}
    for name in choose(table, names):
        found = _one(name, table, window, deflator, units)
        if isinstance(found, Series):
            kept.append(found)
        else:
            left_out[name] = found
    if (names and left_out) or not kept:
        raise DataError([f"{table.file}: {shown(name)}: {reason}" for name, reason in list(left_out.items())[:1]])
    return kept, left_out | ({} if names else dict.fromkeys(table.texts, "a column of text, without one number"))


def cut_by_deflator(table: Table, window: Window, deflator: Deflator | None, path: Path | None) -> Window:
    """Months of the window that the table and the deflator cover; raises DataError if they are under 5 years."""
    first, last = max(window.first, int(table.months[0])), min(window.last, int(table.months[-1]))
    if deflator is not None:
        first, last = max(first, deflator.first), min(last, deflator.first + deflator.logs.size - 1)
    if last - first + 1 < LEAST:
        also = f" that {path} covers" if path is not None else ""
        there = f"{month_text(int(table.months[0]))} to {month_text(int(table.months[-1]))}"
        raise DataError(
            [f"{table.file}: under 5 years in the window{also} (the file has {there}, row {table.lines[-1]})"]
        )
    return Window(first, last)


def _one(name: str, table: Table, window: Window, deflator: Deflator | None, units: dict[str, str]) -> Series | str:
    """The checked series, or why it cannot be fitted."""
    nominal = table.numbers(name)
    inside = np.isfinite(nominal) & (table.months >= window.first) & (table.months <= window.last)
    months, prices = table.months[inside], nominal[inside]
    if months.size < LEAST:
        often = f"; it is {said}" if (said := how_often(months)) else ""
        return f"{months.size} months in the window, under 5 years ({LEAST}){often}"
    flags: list[str] = []
    begin = _end_of_contracts(months, prices)
    if begin:
        flags.append(f"contract_start_left_out: before {month_text(int(months[begin]))}")
        months, prices = months[begin:], prices[begin:]
    if np.all(prices == prices[0]):
        return "the price never changes"
    logs = np.log(prices)
    if deflator is not None:
        logs = logs - deflator.at(months)
    flags += _flags(months, prices, logs, window)
    unit = units.get(name, "")
    flags += [flag for flag, seen in (("unit_unknown", not unit), ("nominal", deflator is None)) if seen]
    series = Series(name, unit or "unknown", months, logs, ())
    if np.count_nonzero(series.gaps) < LEAST // 2:
        often = f"it is {said}: " if (said := how_often(months)) else ""
        return f"{often}values lie more than {LONGEST_GAP} months apart"
    if (averaged := series.autocorrelation) is not None and averaged >= AVERAGED:
        flags.append(f"averaged_returns: autocorrelation {averaged:.2f}")
    return Series(name, unit or "unknown", months, logs, tuple(flags))


def _end_of_contracts(months: np.ndarray, prices: np.ndarray) -> int:
    """Place at which spot quotes begin after yearly contracts, 0 if there is no such change in the window."""
    same = prices[1:] == prices[:-1]
    ends = [place + 1 for place, length in _stretches(same) if length >= YEARLY]
    if not ends or ends[-1] >= prices.size - SHORT:
        return 0
    begin = ends[-1]
    contracts, spot = same[: begin - 1], same[begin:]
    return begin if contracts.mean() >= 0.5 and spot.mean() <= 0.1 else 0


def _stretches(same: np.ndarray) -> list[tuple[int, int]]:
    """Place after each stretch of unchanged months, and its length."""
    stretches, place = [], 0
    for unchanged, group in groupby(same):
        length = len(list(group))
        place += length
        if unchanged:
            stretches.append((place, length))
    return stretches


def _flags(months: np.ndarray, prices: np.ndarray, logs: np.ndarray, window: Window) -> list[str]:
    flags = []
    often, step = how_often(months), regular_gap(months)
    missing = int(months[-1] - months[0]) // step + 1 - months.size
    if often:
        flags.append(f"not_monthly: {often}")
    if missing > 0:
        flags.append(f"missing_months: {missing}" if step == 1 else f"missing_values: {missing}")
    if months[0] > window.first:
        flags.append(f"starts: {month_text(int(months[0]))}")
    if months[-1] < window.last:
        flags.append(f"ends: {month_text(int(months[-1]))}")
    if months.size < SHORT:
        flags.append(f"short: {months.size} months")
    same = prices[1:] == prices[:-1]
    longest = max((length for _, length in _stretches(same)), default=0)
    if same.mean() >= CONTRACT or longest >= YEARLY:
        flags.append(f"contract_quotes: {100 * same.mean():.0f} % unchanged, longest stretch {longest} months")
    flags += [f"splice: {month_text(int(months[place]))}" for place in _splices(logs)]
    flags += [f"spike: {month_text(int(months[place]))}, {times:.0f} times" for place, times in _spikes(logs)]
    return flags


def regular_gap(months: np.ndarray) -> int:
    """Months from one value to the next, where nearly all gaps are alike; else 1."""
    gaps = np.diff(months)
    usual = int(np.median(gaps)) if gaps.size else 1
    return usual if gaps.size and np.mean(gaps == usual) >= REGULAR else 1


def how_often(months: np.ndarray) -> str:
    """'quarterly, a value every 3 months', or nothing for a monthly series."""
    gap = regular_gap(months)
    named = f"{OFTEN[gap]}, " if gap in OFTEN else ""
    return f"{named}a value every {gap} months" if gap > 1 else ""


def _spikes(logs: np.ndarray) -> list[tuple[int, float]]:
    """Places of single values far above those before and after, and how many times as high; below: a share."""
    middle = np.minimum(logs[1:-1] - logs[:-2], logs[1:-1] - logs[2:])
    lower = np.minimum(logs[:-2] - logs[1:-1], logs[2:] - logs[1:-1])
    step = np.where(middle > lower, middle, -lower)
    return [(int(place) + 1, float(np.exp(step[place]))) for place in np.flatnonzero(np.abs(step) > np.log(SPIKE))]


def _splices(logs: np.ndarray) -> list[int]:
    """Places of one-off breaks in level: outlying among the returns of the whole series and of the two years around,
    and lasting."""
    returns = np.diff(logs)
    found = []
    for place, step in enumerate(returns):
        others = np.delete(returns, place).std()
        near = np.r_[returns[max(place - 12, 0) : place], returns[place + 1 : place + 13]].std()
        after, before = logs[place + 1 : place + 13], logs[max(place - 11, 0) : place + 1]
        if abs(step) > OUTLYING * max(others, near) and (np.median(after) - np.median(before)) / step > LASTING:
            found.append(place + 1)
    return found
