"""Fitted prices as rows of abm/data/commodities.toml, and the shipped rows beside what a price file gives today.

    python -m calibration.commodities PRICES DEFLATOR

prints, for each raw material that calibration/commodities.toml links to a series, shipped and fitted values, and the
rows to write. Changing the shipped table changes results, so this only shows it.

A row has the fitted volatility, jumps and loading. Its price is the mean of the real prices of the record, not the
fitted long-run mean, which hangs on the half-life; its half-life is the fitted one, or the pooled one where the
likelihood has no maximum within the record.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abm.catalogue import Commodity, Row, catalogue
from abm.texts import DataError, read_toml
from calibration.correlations import Correlation, correlation
from calibration.pricefile import month_text, read_table, read_units, units_beside
from calibration.prices import NUMBERS, Fit, fit_all
from calibration.priceseries import Window, cut_by_deflator, make_deflator, make_series, read_window

LINKS = Path(__file__).parent / "commodities.toml"
KEYS = {"long_run_mean": "price", "half_life_years": "half_life"}  # where a row calls a number otherwise
START, BASE_YEAR = "1996", 2024
POOLED_HALF_LIFE = (
    3.5  # years, of all monthly real prices of the Pink Sheet together 1996-2026 (source: see docs/prices.md)
)


class Link(Row):
    """A commodity, its series, and the factor from the series' unit to SEK per unit; None: its price is judgement."""

    id: str
    series: str
    factor: float | None = None
    source: str


def significant(value: float | None) -> str:
    """Three significant digits without exponents; 'none' for an end that is not there."""
    if value is None:
        return "none"
    if value == 0.0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def row_text(identity: str, name: str, one: Fit, loading: float, source: str, instead: Mapping[str, float]) -> str:
    """A `[[commodity]]`, standard errors and intervals in comments; `instead`: values in place of fitted ones."""
    lines = ["[[commodity]]", f'id = "{identity}"', f'name = "{_quoted(name)}"']
    for number in NUMBERS:
        found = one[number]
        comment = f"se {significant(found.se)}, 95 % {significant(found.low)} to {significant(found.high)}"
        comment += f", unit {one.series.unit}" if number == "long_run_mean" else ""
        comment = f"fitted {significant(found.value)}, {comment}" if number in instead else comment
        value = instead.get(number, found.value)
        lines.append(f"{KEYS.get(number, number)} = {float(f'{value:.4g}')!r}  # {comment}")
    lines += [f"loading = {float(f'{loading:.2f}')!r}", f'source = "{_quoted(source)}"']
    return "\n".join([*lines, *(f"# {flag}" for flag in one.flags)])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def span(one: Fit) -> str:
    """'1996-01 to 2026-05'."""
    return f"{month_text(int(one.series.months[0]))} to {month_text(int(one.series.months[-1]))}"


@dataclass(frozen=True)
class Remade:
    """A shipped row with the fit of its series."""

    link: Link
    shipped: Commodity
    fit: Fit
    loading: float

    @property
    def price(self) -> float:
        """SEK of 2024 per unit: the record's mean, or as shipped where that is judgement."""
        return self.shipped.price if self.link.factor is None else self.link.factor * self.fit.window_mean

    @property
    def instead(self) -> dict[str, float]:
        """What the row has in place of fitted values."""
        at_bound = "half_life_at_bound" in self.fit.flags
        return {"long_run_mean": self.price} | ({"half_life_years": POOLED_HALF_LIFE} if at_bound else {})

    def comparison(self) -> list[str]:
        """Lines: shipped, fitted, and whether the interval holds what is shipped."""
        lines = []
        for number in NUMBERS:
            key = KEYS.get(number, number)
            scale = (self.link.factor or 0.0) if key == "price" else 1.0
            if not scale:
                continue
            found, shipped = self.fit[number], float(getattr(self.shipped, key))
            low, high = (None if end is None else scale * end for end in (found.low, found.high))
            inside = (low or 0.0) <= shipped and (high is None or shipped <= high)
            told = f"{significant(scale * found.value)} ({significant(low)} to {significant(high)})"
            lines.append(f"  {key:<11} {significant(shipped):>7}   {told}{'' if inside else '   outside'}")
        total = (self.shipped.volatility**2 + self.shipped.jump_rate * self.shipped.jump_sd**2) ** 0.5
        lines.append(f"  {'total':<11} {significant(total):>7}   {significant(self.fit.total_volatility)}")
        return [*lines, f"  {'loading':<11} {significant(self.shipped.loading):>7}   {significant(self.loading)}"]

    def row(self) -> str:
        """The row to write."""
        where = f"{self.link.series}, World Bank Pink Sheet, real {BASE_YEAR} USD, {span(self.fit)} (CC BY 4.0)"
        price = f"price: mean {significant(self.fit.window_mean)} {self.fit.series.unit} x " if self.link.factor else ""
        half_life = "half-life: the pooled one; " if "half_life_years" in self.instead else ""
        source = f"{where}, kretslopp prices fit; {half_life}{price}{self.link.source}"
        return row_text(self.link.id, self.shipped.name, self.fit, self.loading, source, self.instead)


def remake(prices: Path, deflator: Path) -> list[Remade]:
    """Fits of all linked series; raises DataError."""
    content = read_toml(LINKS)
    links = [Link(**row) for row in content["link"]]
    table, level = read_table(prices), make_deflator(read_table(deflator), BASE_YEAR)
    window: Window = cut_by_deflator(table, read_window(START, None), level, deflator)
    wanted = dict.fromkeys([*content["factor"], *(link.series for link in links)])
    beside = units_beside(prices)
    units = table.units or (read_units(beside) if beside else {})
    series, _ = make_series(table, window, level, units, list(wanted))
    fits = {one.series.name: one for one in fit_all(series, lambda done, total: None)}
    common: Correlation = correlation({name: fits[name].shocks for name in content["factor"]})
    loadings = dict(zip(common.names, common.loadings, strict=True))
    shipped = {row.id: row for row in catalogue().commodity_rows}
    return [Remade(link, shipped[link.id], fits[link.series], float(loadings[link.series])) for link in links]


def main(arguments: Sequence[str]) -> None:
    """Print shipped and fitted values, then the rows."""
    remade = remake(*map(Path, arguments))
    for one in remade:
        print(f"{one.link.id} <- {one.link.series}: shipped, fitted (95 % interval)")
        print("\n".join([*one.comparison(), ""]))
    print("\n\n".join(one.row() for one in remade))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m calibration.commodities PRICES DEFLATOR")
    try:
        main(sys.argv[1:])
    except DataError as error:
        sys.exit("\n".join(error.errors))
