"""Tables as offices and programs write them: the same numbers whatever the signs, or a refusal that says where.

Families over kinds of table (prices, own firms, plants of a region, rows of a sweep, draws of a posterior) and ways to
write them: what stands between cells, encoding, decimal and thousands signs, marks for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from abm.catalogue import DataError
from abm.firms import read_firms
from abm.numerals import Numerals
from abm.regions import load_region
from abm.scenario import ScenarioError
from abm.texts import Note
from calibration.posterior import read_posterior
from calibration.pricecheck import check
from calibration.pricefile import choose, read_table
from calibration.prices import fit
from calibration.priceseries import Window, make_deflator, make_series
from experiments.designfile import read_table as read_design

TINY = load_region("tiny")
Rows = list[list[str]]

# -- a table of each kind, and the numbers of its column


def _months(count: int) -> list[str]:
    return [f"{1996 + number // 12}-{number % 12 + 1:02d}" for number in range(count)]


def _prices(values: list[str]) -> Rows:
    return [["date", "Järn"], *([month, value] for month, value in zip(_months(len(values)), values, strict=True))]


def _firms(values: list[str]) -> Rows:
    head = ["name", "municipality", "sector", "employees", "byproduct", "side", "quantity", "unit"]
    flow = ["wood_residues", "supply"]
    return [head, *([f"Sågen {n}", "Storstad", "C16", "60", *flow, value, "t"] for n, value in enumerate(values))]


def _towns(values: list[str]) -> Rows:
    head = ["name", "seat", "lat", "lon", "population", "land", "maturity", "source"]
    return [head, *([f"Byn {n}", "Byn", "58", "15", value, "10", "1", "påhittad"] for n, value in enumerate(values))]


def _design(values: list[str]) -> Rows:
    return [["transaction.wage", "appraisal.rule"], *([value, "npv"] for value in values)]


def _posterior(values: list[str]) -> Rows:
    repeated = (values * 10)[: max(10, len(values))]
    return [["transaction.wage", "fråga"], *([value, "på"] for value in repeated)]


def _read_prices(file: Path) -> list[float]:
    table = read_table(file)
    return table.numbers(next(iter(table.columns))).tolist()


def _read_firms(file: Path) -> list[float]:
    return [firm.flows[0].quantity for firm in read_firms(file, TINY)]


def _read_towns(file: Path) -> list[float]:
    region = file.parent / "region.toml"
    region.write_text(f'title = "R"\ncountry = "SE"\nmunicipalities = "{file.name}"\n', encoding="utf-8")
    return [town.population for town in load_region("region.toml", file.parent).municipality]


def _read_design(file: Path) -> list[float]:
    return read_design(file)["transaction.wage"].tolist()


def _read_posterior(file: Path) -> list[float]:
    return read_posterior(file).values[:, 0].tolist()


KINDS: dict[str, tuple[Callable[[list[str]], Rows], Callable[[Path], list[float]]]] = {
    "prices": (_prices, _read_prices),
    "firms": (_firms, _read_firms),
    "towns": (_towns, _read_towns),
    "design": (_design, _read_design),
    "posterior": (_posterior, _read_posterior),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def _text(rows: Rows, between: str) -> str:
    quoted = [[f'"{cell}"' if between in cell or '"' in cell else cell for cell in row] for row in rows]
    return "".join(between.join(row) + "\r\n" for row in quoted)


def _read(
    kind: str, folder: Path, values: list[str], between: str, head: str = "", encoding: str = "utf-8"
) -> list[float]:
    make, read = KINDS[kind]
    file = folder / "table.csv"
    file.write_bytes((head + _text(make(values), between)).encode(encoding))
    return read(file)[: len(values)]


def _refusal(kind: str, folder: Path, values: list[str], between: str, **how: str) -> str:
    with pytest.raises((DataError, ScenarioError)) as caught:
        _read(kind, folder, values, between, **how)
    line = str(caught.value.errors[0])
    assert "table.csv: " in line
    assert len(line) < 250
    return line


# -- the same numbers in every form

TRUE = [731.0, 1130.5, 12500.0]
FORMS = {
    "plain, commas": (",", ["731", "1130.5", "12500"]),
    "English thousands": (",", ["731", "1,130.5", "12,500.00"]),
    "Swedish": (";", ["731", "1130,5", "12 500"]),
    "nbsp": (";", ["731", "1\u00a0130,5", "12\u00a0500,0"]),
    "thin spaces": (";", ["731", "1\u2009130,5", "12\u202f500"]),
    "German thousands": (";", ["731", "1.130,5", "12.500"]),
    "Swiss": (";", ["731", "1'130.5", "12’500.00"]),
    "points in semicolons": (";", ["731.00", "1130.5", "12500"]),
    "English in tabs": ("\t", ["731", "1,130.50", "12,500"]),
    "German in tabs": ("\t", ["731,0", "1130,5", "12.500"]),
    "powers of ten": (";", ["7,31E+02", "1.1305e3", "1,25e4"]),
    "signed": (",", ["+731", "1130.5", "+12500"]),
}


@kinds
@pytest.mark.parametrize("form", FORMS)
def test_the_same_numbers_in_every_form(tmp_path: Path, kind: str, form: str) -> None:
    between, values = FORMS[form]
    assert _read(kind, tmp_path, values, between) == TRUE


@kinds
@pytest.mark.parametrize(
    ("head", "encoding"),
    [("", "utf-8-sig"), ("", "utf-16"), ("sep=;\r\n", "utf-8"), ("sep=;\r\n", "utf-8-sig"), ('"sep=;"\r\n', "utf-16")],
)
def test_marks_at_the_beginning_are_no_part_of_the_table(tmp_path: Path, kind: str, head: str, encoding: str) -> None:
    assert _read(kind, tmp_path, ["731", "1130,5"], ";", head, encoding) == [731.0, 1130.5]


@kinds
def test_what_a_first_line_says_stands_between_cells(tmp_path: Path, kind: str) -> None:
    assert _read(kind, tmp_path, ["731", "1130.5"], "|", "sep=|\n") == [731.0, 1130.5]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "design"])  # names of parameters have no accents
def test_windows_latin_is_read_with_a_word(tmp_path: Path, kind: str) -> None:
    with pytest.warns(Note, match=r"line \d: not UTF-8, read as Windows-1252"):
        assert _read(kind, tmp_path, ["731", "1130,5"], ";", encoding="cp1252") == [731.0, 1130.5]


@pytest.mark.parametrize("encoding", ["mac-roman", "cp850", "cp1251", "cp1253", "utf-16-le", "utf-32"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    name = {"cp1251": "Железо", "cp1253": "σίδηρος"}.get(encoding, "Sjönöd Ägg Övre")
    file = tmp_path / "prices.csv"
    file.write_bytes(f"date;{name}\n1996-01;2,5\n".encode(encoding))
    with pytest.raises(DataError, match=r"prices.csv: (line 1: .*save it as CSV UTF-8|no )"):
        read_table(file)


@kinds
def test_a_workbook_is_read_as_a_table(tmp_path: Path, kind: str) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    make, read = KINDS[kind]
    book = openpyxl.Workbook()
    for row in make(["731", "1130.125", "12500"]):  # as numbers: nothing about signs to be settled
        book.active.append([_native(cell) for cell in row])
    book.save(tmp_path / "table.xlsx")
    assert read(tmp_path / "table.xlsx")[:3] == [731.0, 1130.125, 12500.0]
    (tmp_path / "table.xlsx").rename(tmp_path / "table.csv")  # known by its content
    assert read(tmp_path / "table.csv")[:3] == [731.0, 1130.125, 12500.0]


def _native(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


# -- thousands that may be decimals

SETTLED = {  # between cells, cells, numbers
    "two groups": (";", ["101.130", "1.234.567"], [101130.0, 1234567.0]),
    "both signs": (";", ["1.130", "985,50"], [1130.0, 985.5]),
    "decimals before": (";", ["985,5", "966", "1.130"], [985.5, 966.0, 1130.0]),
    "points are decimal": (";", ["1.130", "12.5"], [1.13, 12.5]),
    "a decimal cannot begin thousands": (";", ["0.985", "1.130"], [0.985, 1.13]),
    "four digits before": ("\t", ["1234,567", "1.130"], [1234.567, 1130.0]),
    "semicolons go with decimal commas": (";", ["1,130", "2,125"], [1.13, 2.125]),
    "commas go with decimal points": (",", ["1.130", "2.125"], [1.13, 2.125]),
    "quoted thousands": (",", ["1,130", "2,125.5"], [1130.0, 2125.5]),
    "English groups": ("\t", ["101,130", "1,234,567"], [101130.0, 1234567.0]),
}
AMBIGUOUS = {
    "German, some below a thousand": (";", ["1.130", "966"], 1),
    "German, all above": (";", ["7.912", "6.763", "6.942"], 1),
    "English in tabs": ("\t", ["966", "1,130"], 2),
    "three decimals in tabs": ("\t", ["1.130", "2.125"], 1),
    "quoted in commas": (",", ["966", "1,130"], 2),
    "beside whole hundreds": (",", ["1.130", "966"], 1),
    "decimal commas beside whole hundreds": (";", ["1,130", "966"], 1),
    "signed": (";", ["+1.130", "966"], 1),
    "both shown": (";", ["12,5", "12.5", "1.130"], 3),
    "spaces between thousands elsewhere": (";", ["12 500,5", "1.130"], 2),
}


@kinds
@pytest.mark.parametrize("case", SETTLED)
def test_the_column_settles_what_a_sign_means(tmp_path: Path, kind: str, case: str) -> None:
    between, values, numbers = SETTLED[case]
    assert _read(kind, tmp_path, values, between) == numbers


@kinds
@pytest.mark.parametrize("case", AMBIGUOUS)
def test_never_a_silent_thousandth(tmp_path: Path, kind: str, case: str) -> None:
    between, values, row = AMBIGUOUS[case]
    line = _refusal(kind, tmp_path, values, between)
    column = {"prices": "Järn", "firms": "quantity", "towns": "population"}.get(kind, "transaction.wage")
    number = row if kind == "posterior" else row + 1
    assert f"{number}: {column}: '{values[row - 1]}' may be" in line


def test_another_column_of_the_file_settles_it() -> None:
    numerals = Numerals([["1.130", "966"], ["12,50", "3"], ["1.5 kg", "C16"]], ";")
    assert numerals.read(0, "1.130") == 1130.0
    assert numerals.numeric == [True, True, False]
    texts = Numerals([["1.130", "966"], ["01.130 Kol", "12,5"]], ";")  # codes among texts show nothing of numbers
    with pytest.raises(ValueError, match="may be 1130"):
        texts.read(0, "1.130")


@pytest.mark.parametrize(
    "cell", ["1.13.0", "12,34,567", "1,2,3", "1.234,5.6", "12 5000", "1e5e5", "--5", "0x10", "½", "٣", "1_000"]
)
@pytest.mark.parametrize("between", [",", ";", "\t", ""])
def test_what_is_no_number_is_no_number(cell: str, between: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        Numerals([[cell]], between).read(0, cell)


@pytest.mark.parametrize(
    ("cell", "number"), [("-1 130,5", -1130.5), ("−5", -5.0), ("- 5", -5.0), ("+.5", 0.5), ("5,", 5.0)]
)
def test_signs_before_numbers(cell: str, number: float) -> None:
    assert Numerals([[cell]], ";").read(0, cell) == number


# -- nothing

MARKS = ["", ".", "..", "...", "…", "-", "–", ":", "n/a", "NA", "NaN", "#N/A", " "]


@pytest.mark.parametrize("mark", MARKS)
@kinds
def test_a_mark_for_nothing_is_nothing(tmp_path: Path, kind: str, mark: str) -> None:
    if kind == "prices":
        assert math.isnan(_read(kind, tmp_path, ["1", mark, "3"], ";")[1])
    else:
        assert "missing" in _refusal(kind, tmp_path, ["1", mark, "3"], ";")


# -- prices


def _series_file(folder: Path, rows: Rows, between: str = ",") -> Path:
    file = folder / "prices.csv"
    file.write_text(_text(rows, between), encoding="utf-8")
    return file


def _walk(count: int, seed: int = 3) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(0.05 * np.random.default_rng(seed).standard_normal(count)))


def test_a_column_of_text_is_no_series(tmp_path: Path) -> None:
    rows = [["DATE", "TIME PERIOD", "Copper", "Note"]]
    rows += [
        [month, f"{month[:4]}Jan", f"{price:.2f}", ""] for month, price in zip(_months(80), _walk(80), strict=True)
    ]
    rows[5][3] = "provisional"
    table = read_table(_series_file(tmp_path, rows))
    window = Window(int(table.months[0]), int(table.months[-1]))
    kept, left_out = make_series(table, window, None, {}, None)
    assert [one.name for one in kept] == ["Copper"]
    assert left_out == dict.fromkeys(["TIME PERIOD", "Note"], "a column of text, without one number")
    with pytest.raises(DataError, match=r"--series: 'time period' in .* is text, without one number; series: Copper"):
        choose(table, ["time period"])
    rows = [[row[0], row[1]] for row in rows]
    with pytest.raises(DataError, match="no column with numbers, only TIME PERIOD"):
        read_table(_series_file(tmp_path, rows))


@pytest.mark.parametrize(
    ("gap", "said"), [(2, "every second month"), (3, "quarterly"), (4, "a value every 4 months"), (6, "half-yearly")]
)
def test_a_series_that_is_not_monthly_is_said_to_be_so(tmp_path: Path, gap: int, said: str) -> None:
    rows = [["date", "a"]]
    rows += [[month, repr(float(price))] for month, price in zip(_months(gap * 120)[::gap], _walk(120), strict=True)]
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
    rows = [["date", "Index"], *([month, repr(float(x))] for month, x in zip(_months(120), index, strict=True))]
    whole = make_deflator(read_table(_series_file(tmp_path, rows)), 2000)
    kept = [rows[0], *rows[1:50], *rows[51:]] if gap == 1 else [rows[0], *rows[1::gap]]
    part = make_deflator(read_table(_series_file(tmp_path, kept)), 2000)
    months = 12 * 1996 + np.arange(118)
    np.testing.assert_allclose(part.at(months), whole.at(months), atol=1e-12)
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
    rows = [["date", "a"], *([month, f"{price:.2f}"] for month, price in zip(_months(90), _walk(90), strict=True))]
    rows[41][1] = cell
    table = read_table(_series_file(tmp_path, rows))
    with pytest.raises(DataError) as caught:
        table.numbers("a")
    assert said in caught.value.errors[0]
    assert len(caught.value.errors[0]) < 250


@pytest.mark.parametrize("place", [0, 1, 88, 89])
def test_an_outlying_cell_at_the_ends_is_named(tmp_path: Path, place: int) -> None:
    rows = [["date", "a"], *([month, f"{price:.2f}"] for month, price in zip(_months(90), _walk(90), strict=True))]
    rows[place + 1][1] = "1e9"
    with pytest.raises(DataError, match=f"row {place + 2}: a: 1e9 in"):
        read_table(_series_file(tmp_path, rows)).numbers("a")


def test_a_new_level_is_a_splice_and_a_high_month_a_spike(tmp_path: Path) -> None:
    """Not refused: products change, and months happen; both are said."""
    prices = _walk(200)
    prices[120:] *= 40.0
    prices[60] *= 15.0
    rows = [["date", "a"], *([month, repr(float(price))] for month, price in zip(_months(200), prices, strict=True))]
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
    rows = [["date", "a"], *([month, repr(float(price))] for month, price in zip(_months(100), prices, strict=True))]
    table = read_table(_series_file(tmp_path, rows))
    (series,), _ = make_series(table, Window(int(table.months[0]), int(table.months[-1])), None, {}, None)
    if case == "splice":
        with pytest.raises(DataError, match="a: no price process fits: in 2000-03 it is"):
            fit(series)
    else:
        assert math.isfinite(fit(series)["long_run_mean"].value)


def test_a_price_that_moved_once_has_no_unit_root_test(tmp_path: Path) -> None:
    rows = [["date", "a"], *([month, "7"] for month in _months(119)), ["2005-12", "8"]]
    table = read_table(_series_file(tmp_path, rows))
    (series,), _ = make_series(table, Window(int(table.months[0]), int(table.months[-1])), None, {}, None)
    assert fit(series).as_dict()["adf_p"] is None


# -- rows of a sweep


@pytest.mark.parametrize("head", ["", "Unnamed: 0"])
def test_an_index_of_pandas_is_named(tmp_path: Path, head: str) -> None:
    (tmp_path / "rows.csv").write_text(f"{head},transaction.wage\n0,600\n1,700\n")
    with pytest.raises(DataError, match=r"line 1: the first column has no name; if pandas wrote it, .*index=False"):
        read_design(tmp_path / "rows.csv")


def test_empty_columns_at_the_end_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("prices.volatility;facilitator.fte;;\n0,5;4;;\n1,25;8;;\n")
    columns = read_design(tmp_path / "rows.csv")
    assert {name: column.tolist() for name, column in columns.items()} == {
        "prices.volatility": [0.5, 1.25],
        "facilitator.fte": [4.0, 8.0],
    }
