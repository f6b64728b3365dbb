"""Files that are broken, huge or meant to harm: one short line with the file's name, no time and no memory lost."""

from __future__ import annotations

import sys
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from abm import tablefile, texts, workbook
from abm.catalogue import DATA, DataError
from abm.csvfile import MOST_ERRORS
from abm.firms import read_firms
from abm.regions import load_region
from abm.scenario import ScenarioError, load_scenario, parse_overrides
from abm.tablefile import read_lines
from abm.texts import MOST_TEXT, SHOWN, nearest, one_line, read_toml, shown
from calibration.posterior import read_posterior
from calibration.pricefile import read_table
from experiments.designfile import load_design
from experiments.hypotheses import load_hypotheses
from results.regioncheck import region_check
from tests.processes import call

TINY = load_region("tiny")
READERS: dict[str, Callable[[Path], Any]] = {
    "scenario": load_scenario,
    "design": load_design,
    "hypotheses": load_hypotheses,
    "region": lambda file: load_region(str(file)),
}


def _errors(call: Callable[[], Any]) -> list[str]:
    """What is said, each short, on one line, of characters that can be seen."""
    with pytest.raises((DataError, ScenarioError)) as caught:
        call()
    lines = list(caught.value.errors)
    assert lines
    assert all(line.isprintable() and len(line) < 500 for line in lines), lines
    return lines


# -- TOML

DEEP = 3000
TOML = {
    "lists within lists": f"x = {'[' * DEEP}{']' * DEEP}",
    "tables within tables": f"x = {'{a = ' * DEEP}1{'}' * DEEP}",
    "a deep key": ".".join("a" * DEEP) + " = 1",
    "a deep key in quotes": ".".join(['"a"'] * DEEP) + " = 1",
    "a deep table": f"[{'.'.join('a' * 30)}]\nb = 1",
    "hexadecimal digits": f"months = 0x{'f' * 5000}",
    "digits": f"months = {'9' * 5000}",
    "beyond 64 bits": "months = 9223372036854775808",
    "a hexadecimal float": "months = 0x1p3",
    "a zero character": 'firms = "a\\u0000b"',
    "an escape": 'name = "\\u001b[2J"',
    "a zero character in a key": '"a\\u0000b" = 1',
    "a long key": f"{'k' * 100_000} = 1",
    "no text": "\x00\x01",
    "too large": "# " + "x" * MOST_TEXT,
}


@pytest.mark.parametrize("case", TOML)
@pytest.mark.parametrize("reader", READERS)
def test_hostile_toml_is_refused(tmp_path: Path, reader: str, case: str) -> None:
    file = tmp_path / "hostile.toml"
    file.write_text(TOML[case], encoding="utf-8")
    lines = _errors(lambda: READERS[reader](file))
    assert all("hostile.toml: " in line for line in lines)


def test_bytes_that_are_no_text_are_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b'region = "tiny"\nname = "\xe5"\n')
    assert _errors(lambda: read_toml(tmp_path / "a.toml")) == [f"{tmp_path / 'a.toml'}: line 2: not UTF-8"]


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "~nobody_at_all/x"])
def test_names_of_no_file(path: str) -> None:
    for read in (read_toml, read_lines, read_table, read_posterior):
        assert _errors(lambda read=read: read(Path(path)))  # type: ignore[misc]


def test_the_command_line_ends_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text(TOML["lists within lists"])
    ended = call("check", "deep.toml", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (2, "kretslopp: deep.toml: nested too deep, at most 20 levels\n")


# -- what is echoed


@pytest.mark.parametrize("text", ["x" * 10_000, "x " * 5_000, "\x1b[2J\x07\u202e\u200b\x00", "å" * 10_000])
def test_echoes_are_short_and_visible(text: str) -> None:
    assert len(shown(text)) <= max(SHOWN, 40)
    assert shown(text).isprintable()
    for line in (f"file: {text!r} is wrong", f"file: '{text}' is wrong", f"file: {text}: is wrong"):
        assert one_line(line).isprintable()
        assert len(one_line(line)) <= 1000
    for overrides in (
        [text],
        [f"{text}=1"],
        [f"{text}=1", f"{text}=2"],
        [f"facilitator.fte={text}"],
        [f"appraisal.rule={text}"],
    ):
        said = _errors(lambda overrides=overrides: load_scenario("tiny", parse_overrides(overrides)))  # type: ignore[misc]
        assert max(map(len, said)) < 350


def test_a_path_is_not_cut_short() -> None:
    path = "/home/" + "folder/" * 20 + "file.csv"
    assert one_line(f"{path}: no such file") == f"{path}: no such file"
    assert one_line("a\n b\t c") == "a b c"


# -- sizes


def test_tables_are_read_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "t.csv"
    file.write_text("date,a\n1996-01,1\n")
    monkeypatch.setattr(tablefile, "MOST_TABLE", 10)
    assert _errors(lambda: read_lines(file)) == [f"{file}: over 1e-05 MB, more than is read of such a file"]
    monkeypatch.setattr(tablefile, "MOST_TABLE", 17)
    assert len(read_lines(file).lines) == 2
    assert texts.MOST_TABLE == 64_000_000


# -- workbooks

SPREADSHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def _sheet(rows: str) -> str:
    return f"<worksheet {SPREADSHEET}><sheetData>{rows}</sheetData></worksheet>"


WORKBOOKS: dict[str, tuple[str, str]] = {
    "far cells": (
        "sheet1.xml",
        _sheet("".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 900))),
    ),
    "many cells": ("sheet1.xml", _sheet(f"<row>{'<c/>' * 100}</row>" * 1001)),
    "a wide row": ("sheet1.xml", _sheet(f"<row>{'<c/>' * 20_000}</row>")),
    "a far row": ("sheet1.xml", _sheet('<row r="99999999999"><c><v>1</v></c></row>')),
    "a row below the first": ("sheet1.xml", _sheet('<row r="-5"><c><v>1</v></c></row>')),
    "entities": ("sheet1.xml", ENTITIES + _sheet('<row><c t="inlineStr"><is><t>&b;</t></is></c></row>')),
    "styles": ("styles.xml", f"<styleSheet {SPREADSHEET}><cellXfs>{'<xf/>' * 10_001}</cellXfs></styleSheet>"),
    "no XML": ("sheet1.xml", "date,a"),
}


@pytest.mark.parametrize("case", WORKBOOKS)
def test_workbooks_that_unfold_are_refused_before_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    monkeypatch.setattr(workbook, "MOST_CELLS", 100_000)  # a tenth, for speed
    monkeypatch.setattr(workbook, "MOST_OTHER", 10_000)
    book = openpyxl.Workbook()
    book.active.append(["date", "Copper"])
    book.save(tmp_path / "sound.xlsx")
    part, content = WORKBOOKS[case]
    with zipfile.ZipFile(tmp_path / "sound.xlsx") as sound, zipfile.ZipFile(tmp_path / "h.xlsx", "w", 8) as hostile:
        for name in sound.namelist():
            hostile.writestr(name, content if name.endswith(part) else sound.read(name))
    tracemalloc.start()
    try:
        (line,) = _errors(lambda: read_table(tmp_path / "h.xlsx"))
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert line.startswith(f"{tmp_path / 'h.xlsx'}: {'cannot be read as XLSX' if case == 'no XML' else 'not read: '}")


def test_cells_with_a_style_and_nothing_in_them_do_no_harm(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["date", "Copper"], ["2000-01", 1.5]):
        book.active.append(row)
    book.active.cell(2, 300).number_format = "0.00"
    book.active.cell(5000, 1).number_format = "0.00"
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx").numbers("Copper").tolist() == [1.5]


def test_old_and_locked_workbooks_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600)
    (line,) = _errors(lambda: read_table(tmp_path / "a.xlsx"))
    assert "an old workbook (XLS), or one with a password; save it as XLSX or CSV UTF-8" in line


# -- rows of a region, in TOML and in CSV

ROW = {
    "name": '"Lillbyn"',
    "seat": '"Lillbyn"',
    "lat": "58.35",
    "lon": "15.30",
    "population": "6000",
    "land": "700",
    "maturity": "0",
}
PLANT = {
    "name": '"Storstad bakery"',
    "municipality": '"Storstad"',
    "lat": "58.41",
    "lon": "15.58",
    "sector": '"C10"',
    "employees": "120",
}
BOUNDS = [
    *((key, value) for key in ("lat", "lon") for value in ("400", "-400", "1e300", "nan", "inf")),
    *((key, value) for key in ("population", "land") for value in ("1e300", "1e308", "0", "-1", "inf", "nan")),
    *(("employees", value) for value in ("1e300", "2e6", "0", "-1", "inf", "nan")),
    ("maturity", "3"), ("maturity", "0.5"), ("maturity", "true"), ("population", "true"), ("lat", '"58.4"'),
]  # fmt: skip


def _region_in_toml(folder: Path, towns: list[dict[str, str]], plants: list[dict[str, str]]) -> Path:
    lines = ['title = "R"', 'country = "SE"']
    for key, rows in (("municipality", towns), ("anchor", plants)):
        for row in rows:
            lines += [f"[[{key}]]", *(f"{name} = {value}" for name, value in row.items()), 'source = "made up"']
    (folder / "region.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder / "region.toml"


def _region_in_csv(folder: Path, towns: list[dict[str, str]], plants: list[dict[str, str]]) -> Path:
    for name, rows in (("municipalities", towns), ("plants", plants)):
        lines = [",".join([*rows[0], "source"]), *(",".join([*row.values(), "made up"]) for row in rows)]
        (folder / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    text = 'title = "R"\ncountry = "SE"\nmunicipalities = "municipalities.csv"\nplants = "plants.csv"\n'
    (folder / "region.toml").write_text(text)
    return folder / "region.toml"


WAYS = {"toml": _region_in_toml, "csv": _region_in_csv}
STORSTAD = ROW | {"name": '"Storstad"', "seat": '"Storstad"', "lat": "58.4", "lon": "15.6"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("key", "value"), BOUNDS)
def test_bounds_hold_for_rows_in_toml_as_in_csv(tmp_path: Path, way: str, key: str, value: str) -> None:
    if (way, key, value) == ("csv", "lat", '"58.4"'):
        value = "58.4x"  # a text, too: quotes are no part of a cell
    row = (ROW if key in ROW and key != "employees" else PLANT) | {key: value}
    towns, plants = ([STORSTAD, row], [PLANT]) if row.get("seat") else ([STORSTAD], [row])
    lines = _errors(lambda: load_region(str(WAYS[way](tmp_path, towns, plants))))
    name = row["name"].strip('"')
    kind = "municipality" if "seat" in row else "anchor"
    table = "municipalities.csv: line 3" if "seat" in row else "plants.csv: line 2"
    where = f"region.toml: {kind} {name}: {key}: " if way == "toml" else f"{table}: {key}: "
    assert any(where in line for line in lines), lines


NAMES = {
    "empty": "", "spaces": "  ", "a space at the end": "Storby ", "a space before": " Storby",
    "no-break": "Stor\u00a0by",
    "direction": "Stor\u202eby", "no width": "Stor\u200bby", "control": "Stor\u0085by", "soft hyphen": "Stor\u00adby",
    "twice": "Växjö", "capitals": "VÄXJÖ", "decomposed": unicodedata.normalize("NFD", "Växjö"),
    "full width": "\uff36äxjö", "Cyrillic": "Växj\u043e",
}  # fmt: skip


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("kind", ["municipality", "anchor"])
def test_names_that_people_cannot_tell_apart_are_refused(tmp_path: Path, kind: str, case: str) -> None:
    name = f'"{NAMES[case]}"'
    towns = [STORSTAD, ROW | {"name": '"Växjö"'}]
    plants = [PLANT]
    (towns if kind == "municipality" else plants).append((ROW if kind == "municipality" else PLANT) | {"name": name})
    lines = _errors(lambda: load_region(str(_region_in_toml(tmp_path, towns, plants))))
    said = ("given twice",) if case in ("twice", "capitals", "decomposed", "full width") else ("name: ",)
    assert any(f"region.toml: {kind} " in line and any(one in line for one in said) for line in lines), lines


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SÅGEN", "name: 'SÅGEN' is 'Sågen' of line 2 in other letters"),
        ("Så\u200bgen", r"name: 'Så\u200bgen' holds a character that cannot be seen"),
        ("", "name: missing"),
    ],
)
def test_names_of_own_firms_too(tmp_path: Path, name: str, said: str) -> None:
    file = tmp_path / "firms.csv"
    head = "name,municipality,sector,employees\n"
    file.write_text(f"{head}Sågen,Storstad,C16,60\n{name},Storstad,C16,60\n", encoding="utf-8")
    assert said in _errors(lambda: read_firms(file, TINY))[0]


def test_seats_at_one_place_are_said_and_run(tmp_path: Path) -> None:
    """It happens (a town and the district around it have one seat), so it is odd, not wrong."""
    file = tmp_path / "mine.toml"
    text = (DATA / "regions" / "tiny.toml").read_text(encoding="utf-8")
    file.write_text(text.replace("lat = 58.50\nlon = 15.90", "lat = 58.40\nlon = 15.60"), encoding="utf-8")
    odd = region_check(load_scenario(str(file)))["odd"]
    assert "Storstad: its seat is at the same place as that of Mellanby" in odd
    assert "Mellanby: its seat is at the same place as that of Storstad" in odd


# -- work in proportion to the rows


def _steps(call: Callable[[], Any]) -> int:
    """Steps of the interpreter within the project while a call runs."""
    count, ours = 0, str(Path(texts.__file__).parent)

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(ours):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def _firms_file(folder: Path, rows: int, flaw: str) -> Path:
    file = folder / f"firms{rows}.csv"
    sector = {"": "C16", "flaw": "C1O"}[flaw]
    lines = [f"Firm {n},,58.4,15.6,{sector},50,wood_residues,supply,{100 + n % 50},t" for n in range(rows)]
    file.write_text("\n".join(["name,municipality,lat,lon,sector,employees,byproduct,side,quantity,unit", *lines]))
    return file


def _plants_file(folder: Path, rows: int, flaw: str) -> Path:
    town = {"": '"Storstad"', "flaw": '"Storstat"'}[flaw]
    return _region_in_csv(
        folder, [STORSTAD], [PLANT | {"name": f"Plant {n}", "municipality": town} for n in range(rows)]
    )


TABLES: dict[str, tuple[Callable[[Path, int, str], Path], Callable[[Path], Any]]] = {
    "firms": (_firms_file, lambda file: read_firms(file, TINY)),
    "plants": (_plants_file, lambda file: load_region(str(file))),
}


def _read_all(read: Callable[[Path], Any], file: Path, flaw: str) -> None:
    if not flaw:
        read(file)
        return
    lines = _errors(lambda: read(file))
    assert len(lines) == MOST_ERRORS + 1
    assert lines[-1].endswith(" more")


@pytest.mark.slow
@pytest.mark.parametrize("flaw", ["", "flaw"])
@pytest.mark.parametrize("kind", TABLES)
def test_work_grows_with_the_rows_not_with_their_square(tmp_path: Path, kind: str, flaw: str) -> None:
    """Steps counted, not time: four times the rows take four times the steps, at a square sixteen times."""
    write, read = TABLES[kind]
    small, large = (
        _steps(lambda rows=rows: _read_all(read, write(tmp_path, rows, flaw), flaw))  # type: ignore[misc]
        for rows in (150, 600)
    )
    assert small > 150 * 50  # it was counted
    assert large < 4.5 * small


def test_the_nearest_name_is_not_looked_for_in_thousands() -> None:
    assert nearest("Storstat", ["Storstad"]) == "; did you mean Storstad?"
    assert nearest("Storstat", [f"Stor{n}" for n in range(3000)]) == ""
    assert nearest("x" * 100_000, ["xx"]) == ""
