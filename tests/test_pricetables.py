"""Price tables that are odd: text among series, other rows than months, cells that are no price, no process at all."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from abm.catalogue import DataError
from calibration.pricecheck import check
from calibration.pricefile import choose, read_table
from calibration.prices import fit
from calibration.priceseries import Window, make_deflator, make_series
from tests.test_tablefiles import Rows, months, table_text


def _series_file(folder: Path, rows: Rows, between: str = ",") -> Path:
    file = folder / "prices.csv"
    file.write_text(table_text(rows, between), encoding="utf-8")
    return file


def _walk(count: int, seed: int = 3) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(0.05 * np.random.default_rng(seed).standard_normal(count)))


def test_a_column_of_text_is_no_series(tmp_path: Path) -> None:
    rows = [["DATE", "TIME PERIOD", "Copper", "Note"]]
    rows += [[month, f"{month[:4]}Jan", f"{price:.2f}", ""] for month, price in zip(months(80), _walk(80), strict=True)]
    rows[5][3] = "provisional"
    table = read_table(_series_file(tmp_path, rows))
    window = Window(int(table.months[0]), int(table.months[-1]))
    kept, left_out = make_series(table, window, None, {}, None)
    assert [one.name for one in kept] == ["Copper"]
    assert left_out == dict.fromkeys(["TIME PERIOD", "Note"], "a column of text, without one number")
    with pytest.raises(DataError, match=r"series: 'time period' in .* is text, without one number; series: Copper"):
        choose(table, ["time period"])
    rows = [[row[0], row[1]] for row in rows]
    with pytest.raises(DataError, match="no column with numbers, only TIME PERIOD"):
        read_table(_series_file(tmp_path, rows))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gap", "said"), [(2, "every second month"), (3, "quarterly"), (4, "a value every 4 months"), (6, "half-yearly")]
)
def test_a_series_that_is_not_monthly_is_said_to_be_so(tmp_path: Path, gap: int, said: str) -> None:
    rows = [["date", "a"]]
    rows += [[month, repr(float(price))] for month, price in zip(months(gap * 120)[::gap], _walk(120), strict=True)]
    del rows[40]
    table = read_table(_series_file(tmp_path, rows))
    window = Window(int(table.months[0]), int(table.months[-1]))
    (series,), _ = make_series(table, window, None, {}, None)
    (flag,) = [flag for flag in series.flags if flag.startswith("not_monthly")]
    assert said in flag
    assert "missing_values: 1" in series.flags
    assert series.autocorrelation is None
    found = check(fit(series))  # warnings of numpy are errors here
    assert {one.name for one in found} == {"variance", "autocorrelation", "excursions"} - (
        {"autocorrelation"} if 12 % gap else set()
    )
    assert fit(series).as_dict()["return_autocorrelation"] is None


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (["2000-Q1", "2000-Q2"], "row 2: '2000-Q1' is a quarter; rows are months"),
        (["Q1 2000", "Q2 2000"], "is a quarter"),
        (["2000", "2001"], "row 2: '2000' is a year; rows are months"),
        (["2000-W01", "2000-W02"], "is a week"),
        (
            [f"2000-01-{day:02d}" for day in (7, 14, 21)],
            "row 3: 2000-01 is there twice (rows are months); the rows are weekly",
        ),
        ([f"2000-01-{day:02d}" for day in (3, 4, 5, 6)], "the rows are daily: take means of months"),
    ],
)
def test_rows_that_are_no_months_are_named(tmp_path: Path, dates: list[str], said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(_series_file(tmp_path, [["date", "a"], *([date, "100"] for date in dates)]))
    assert said in caught.value.errors[0]


def test_yearly_prices_are_refused_as_yearly(tmp_path: Path) -> None:
    rows = [["date", "a"], *([f"{year}-01-01", str(100 + year % 7)] for year in range(1900, 1980))]
    table = read_table(_series_file(tmp_path, rows))
    with pytest.raises(
        DataError, match="a: it is yearly, a value every 12 months: values lie more than 8 months apart"
    ):
        make_series(table, Window(int(table.months[0]), int(table.months[-1])), None, {}, None)


@pytest.mark.parametrize("gap", [1, 3])
def test_the_base_year_may_hold_an_interpolated_month(tmp_path: Path, gap: int) -> None:
    """The index grows steadily, so that what is interpolated is what was there."""
    index = 100.0 * 1.002 ** np.arange(120)
    rows = [["date", "Index"], *([month, repr(float(x))] for month, x in zip(months(120), index, strict=True))]
    whole = make_deflator(read_table(_series_file(tmp_path, rows)), 2000)
    kept = [rows[0], *rows[1:50], *rows[51:]] if gap == 1 else [rows[0], *rows[1::gap]]
    part = make_deflator(read_table(_series_file(tmp_path, kept)), 2000)
    every = 12 * 1996 + np.arange(118)
    np.testing.assert_allclose(part.at(every), whole.at(every), atol=1e-12)
    assert "2000-02" in part.filled
    assert len(part.filled) == (1 if gap == 1 else 78)


OUTLYING = {
    "too many zeros": ("1e9", "row 42: a: 1e9 in 1999-05 is"),
    "too few": ("0.0001", "row 42: a: 0.0001 in 1999-05 is"),
    "a unit slipped": ("100000", "times the months around it"),
    "beyond": ("1e300", "row 42: a: 1e300 is not from 1e-12 to 1e+15"),
    "infinite": ("1e999", "row 42: a: 1e999 is not from"),
    "nothing": ("0", "row 42: a: 0 is not above 0"),
    "negative": ("-104", "row 42: a: -104 is not above 0"),
    "text": ("ca 100", "row 42: a: 'ca 100' is not a number"),
    "control characters": ("1\x1b[31m00", r"row 42: a: '1\x1b[31m00' is not a number"),
    "a long text": ("x" * 5000, "xxx…' is not a number"),
}


@pytest.mark.parametrize("case", OUTLYING)
def test_a_cell_that_is_no_price_is_named(tmp_path: Path, case: str) -> None:
    cell, said = OUTLYING[case]
    rows = [["date", "a"], *([month, f"{price:.2f}"] for month, price in zip(months(90), _walk(90), strict=True))]
    rows[41][1] = cell
    table = read_table(_series_file(tmp_path, rows))
    with pytest.raises(DataError) as caught:
        table.numbers("a")
    assert said in caught.value.errors[0]
    assert len(caught.value.errors[0]) < 250


@pytest.mark.parametrize("place", [0, 1, 88, 89])
def test_an_outlying_cell_at_the_ends_is_named(tmp_path: Path, place: int) -> None:
    rows = [["date", "a"], *([month, f"{price:.2f}"] for month, price in zip(months(90), _walk(90), strict=True))]
    rows[place + 1][1] = "1e9"
    with pytest.raises(DataError, match=f"row {place + 2}: a: 1e9 in"):
        read_table(_series_file(tmp_path, rows)).numbers("a")


def test_a_new_level_is_a_splice_and_a_high_month_a_spike(tmp_path: Path) -> None:
    """Not refused: products change, and months happen; both are said."""
    prices = _walk(200)
    prices[120:] *= 40.0
    prices[60] *= 15.0
    rows = [["date", "a"], *([month, repr(float(price))] for month, price in zip(months(200), prices, strict=True))]
    table = read_table(_series_file(tmp_path, rows))
    (series,), _ = make_series(table, Window(int(table.months[0]), int(table.months[-1])), None, {}, None)
    assert "splice: 2006-01" in series.flags
    assert any(flag.startswith("spike: 2001-01, 1") for flag in series.flags)


@pytest.mark.parametrize("case", ["splice", "back and forth"])
def test_a_series_that_no_process_makes_is_refused(tmp_path: Path, case: str) -> None:
    back_and_forth = np.where(np.arange(100) % 2, 1.0, 90.0)
    prices = (
        _walk(100) * np.where(np.arange(100) < 50, 1.0, 1e7) if case == "splice" else back_and_forth * _walk(100) ** 2
    )
    rows = [["date", "a"], *([month, repr(float(price))] for month, price in zip(months(100), prices, strict=True))]
    table = read_table(_series_file(tmp_path, rows))
    (series,), _ = make_series(table, Window(int(table.months[0]), int(table.months[-1])), None, {}, None)
    if case == "splice":
        with pytest.raises(DataError, match="a: no price process fits: in 2000-03 it is"):
            fit(series)
    else:
        assert math.isfinite(fit(series)["long_run_mean"].value)


def test_a_price_that_moved_once_has_no_unit_root_test(tmp_path: Path) -> None:
    rows = [["date", "a"], *([month, "7"] for month in months(119)), ["2005-12", "8"]]
    table = read_table(_series_file(tmp_path, rows))
    (series,), _ = make_series(table, Window(int(table.months[0]), int(table.months[-1])), None, {}, None)
    assert fit(series).as_dict()["adf_p"] is None
