"""Tables as offices and programs write them: the same numbers whatever the signs, or a refusal that says where.

Families over kinds of table (prices, own firms, plants of a region, rows of a sweep, draws of a posterior) and ways to
write them: what stands between cells, encoding, decimal and thousands signs, marks for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from abm.catalogue import DataError
from abm.firms import read_firms
from abm.numerals import Numerals
from abm.regions import load_region
from abm.scenario import ScenarioError
from abm.texts import Note
from calibration.posterior import read_posterior
from calibration.pricefile import read_table
from experiments.designfile import read_table as read_design

TINY = load_region("tiny")
Rows = list[list[str]]

# -- a table of each kind, and the numbers of its column


def months(count: int) -> list[str]:
    return [f"{1996 + number // 12}-{number % 12 + 1:02d}" for number in range(count)]


def _prices(values: list[str]) -> Rows:
    return [["date", "Järn"], *([month, value] for month, value in zip(months(len(values)), values, strict=True))]


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


def table_text(rows: Rows, between: str) -> str:
    quoted = [[f'"{cell}"' if between in cell or '"' in cell else cell for cell in row] for row in rows]
    return "".join(between.join(row) + "\r\n" for row in quoted)


def _read(
    kind: str, folder: Path, values: list[str], between: str, head: str = "", encoding: str = "utf-8"
) -> list[float]:
    make, read = KINDS[kind]
    file = folder / "table.csv"
    file.write_bytes((head + table_text(make(values), between)).encode(encoding))
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
