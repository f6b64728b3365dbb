"""The first screen: plain sentences, numbers that recompute from each other, one public cost, doubt said as it is."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from abm.scenario import load_scenario
from experiments.breakeven import PATHS, BreakEven, benefit
from experiments.effect import OUTLAY, WITH, WITHOUT, paired_effect
from experiments.risk import read_small
from results.answer import Beyond, answer, answer_text
from results.drawing import Study
from results.report import command, dose_rows, report_html, step_rows, study_answer
from results.study import run_study, study_text, write_study
from results.tables import OPTION, effect_table

pytestmark = pytest.mark.slow
PAIRS = 30
LONGEST = 35  # words


@pytest.fixture(scope="module")
def study() -> Study:
    scenario = load_scenario("tiny", months=180)
    small = read_small(["exchanges=12"], ["exchanges"])
    return run_study(scenario, replicates=PAIRS, seed=2, quick=True, small=small)


@pytest.fixture(scope="module")
def terminal(study: Study) -> str:
    return " ".join(study_text(study).split())


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    """Words of report.html as they are read."""
    body = report_html(study, {}).split("<body>")[1]
    text = unescape(re.sub(r"<[^>]+>", " ", body)).replace("₂", "2")
    return re.sub(r"\s+([.,;])", r"\1", " ".join(text.replace("\u00a0", " ").split()))


def _bounds(text: str) -> tuple[float, float]:
    """What a printed number of three digits may have been before it was rounded."""
    value = float(text.replace(" ", "").replace("+", ""))
    half = 0.5001 * 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    return value - half, value + half


def _is_ratio(upper: str, lower: str, ratio: str, scale: float = 1e6) -> bool:
    (a, b), (c, d), (low, high) = _bounds(upper), _bounds(lower), _bounds(ratio)
    return low <= scale * b / c and scale * a / d <= high


NUMBER = r"(\d[\d ]*(?:\.\d+)?)"


@pytest.mark.parametrize("where", ["terminal", "page"])
def test_tonnes_money_and_cost_recompute_from_each_other(where: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(where)
    patterns = {
        "tonnes": rf"Emissions avoided rise by {NUMBER} t CO2e",
        "money": rf"The centre costs the public {NUMBER} MSEK",
        "staff": rf"in all: {NUMBER} for staff",
        "paid": rf"{NUMBER} paid to firms",
        "average": rf"average public cost of {NUMBER} SEK/t",
        "exchange": rf"living exchange is {NUMBER} SEK",
        "exchanges": rf"without one: {NUMBER} more",
    }
    said = {name: re.search(pattern, text)[1] for name, pattern in patterns.items()}  # type: ignore[index]
    assert _is_ratio(said["money"], said["tonnes"], said["average"])
    assert _is_ratio(said["money"], said["exchanges"], said["exchange"])
    parts = [_bounds(said[name]) for name in ("staff", "paid")]
    low, high = _bounds(said["money"])
    assert low <= sum(part[1] for part in parts)
    assert sum(part[0] for part in parts) <= high
    # the table below says the same numbers
    assert re.search(rf"Public cost in all[, MSEK]* 0 {re.escape(said['money'])} ", text)
    assert f"+{said['tonnes']} (" in text
    assert f"+{said['exchanges']} (" in text


def test_only_steps_in_size_are_marginal(study: Study) -> None:
    sentences = [one for one in " ".join(study_answer(study)).split(". ") if "arginal" in one]
    assert len(sentences) == 1
    assert "steps between sizes" in sentences[0]
    assert "arginal" not in f"{effect_table(study.centre)}{json.dumps(study.centre.as_dict())}{dose_rows(study)}"
    assert all("marginal cost, SEK/t CO2e" in row for row in step_rows(study))


def test_sizes_and_steps_recompute_too(study: Study) -> None:
    rows = [(row, "average cost") for row in dose_rows(study)] + [(row, "marginal cost") for row in step_rows(study)]
    checked = 0
    for row, cost in rows:
        said = {name: cell.split(" (")[0] for name, cell in row.items()}
        for added, kind in (("emissions avoided, t CO2e", "SEK/t CO2e"), ("living exchanges", "SEK per exchange")):
            if said[f"{cost}, {kind}"].startswith("no"):  # not defined, no bounded interval
                continue
            assert _is_ratio(said["public cost, MSEK"], said[added], said[f"{cost}, {kind}"]), row
            checked += 1
    assert checked >= 12


def test_steps_add_up_to_the_sizes(study: Study, tmp_path: Path) -> None:
    write_study(study, tmp_path)
    table = pd.read_csv(tmp_path / "increments.csv")
    assert list(table["fte_from"]) == [0, 1, 2, 4, 8]
    assert list(table["fte_to"]) == list(study.doses)
    for name in ("exchanges", "carbon", OUTLAY):
        for total, size in zip(table[name].cumsum(), study.doses, strict=True):
            assert total == pytest.approx(study.doses[size][name].mean)
    first, one = study.increments[0], study.doses[1.0]
    assert first.marginal_cost == one.average_cost
    assert (tmp_path / "figures" / "increments.png").stat().st_size > 400
    assert not (tmp_path / "unmeasured.csv").exists()
    assert len(step_rows(study)) == 5


def test_breaking_even_is_that_of_the_trajectories(study: Study) -> None:
    ends = [study.arms.end(WITH, name) - study.arms.end(WITHOUT, name) for name in PATHS]
    months = [study.arms.series(WITH, name) - study.arms.series(WITHOUT, name) for name in PATHS]
    net, found = benefit(study.scenario, np.stack(months, axis=-1), study.arms.seed)
    value = float(study.scenario.values["worth.carbon_value"])
    saving, carbon, *costs = (one.mean() for one in ends)
    assert net[1, -1] == pytest.approx(saving + value * carbon / 1e6 - sum(costs))
    assert study.break_even == found
    assert (found.year < math.inf) == (net[1, -1] >= 0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (BreakEven(5.5, 4.75, 7.0), "from year 5.5 on (95 % interval 4.8 to 7.0)"),
        (BreakEven(9.0, 8.0, math.inf), "(95 % interval 8.0 to beyond the 15 years)"),
        (BreakEven(math.inf, 13.5, math.inf), "within 15 years; the 95 % interval begins at year 13.5."),
        (BreakEven(math.inf, math.inf, math.inf), "within 15 years."),
    ],
)
def test_breaking_even_in_words(study: Study, found: BreakEven, said: str) -> None:
    assert said in " ".join(study_answer(replace(study, break_even=found)))


def test_sentences_are_short_and_the_answer_comes_first(study: Study) -> None:
    paragraphs = study_answer(study)
    assert paragraphs[0].startswith("After 15 years, Tiny (made up) has ")
    for paragraph in paragraphs:
        for sentence in re.split(r"(?<=[.:]) (?=[A-Z])", paragraph):
            together = re.sub(r"(?<=\d) (?=\d{3})", "", sentence)
            assert len(together.split()) < LONGEST, sentence
    assert "nan" not in " ".join(paragraphs).replace("finance", "")
    assert max(map(len, answer_text(paragraphs).splitlines())) <= 100


def test_risk_is_said_in_words(study: Study, terminal: str) -> None:
    effects = study.arms.end(WITH, "exchanges") - study.arms.end(WITHOUT, "exchanges")
    below = 100 * np.mean(effects < 12)
    assert re.search(rf"The chance of less than 12 further exchanges is {below:.2g}\S* % \(", terminal)
    assert f"{OPTION} says that this is little" in terminal
    assert "that this is little is judgement" in terminal  # of participants
    assert "in nine of ten the difference is between" in terminal
    assert "was left out (--quick)" in terminal
    assert "judged to reach" in terminal
    words = command(study)
    assert "--quick" in words
    assert f"{OPTION}=exchanges=12" in words


@pytest.mark.parametrize(("alone", "close"), [(1.0, True), (4.0, False)])
def test_close_to_staff_times_reach_only_where_it_is(study: Study, alone: float, close: bool) -> None:
    exchanges = study.centre["exchanges"]
    one = replace(exchanges, mean=alone * exchanges.mean / study.fte, ci_low=0.1)
    text = " ".join(answer(study.centre, study.scenario, Beyond(one, None, None)))
    assert ("is close to staff times" in text) == close
    assert text.count("nobody has measured") == 2  # the reach, and what was left out
    assert f"{one.mean:.1f} further exchanges" in text


def test_effect_says_the_same_and_where_the_rest_is() -> None:
    scenario = load_scenario("tiny", months=24)
    effect = paired_effect(scenario, replicates=4, small=read_small(["exchanges=0"], ["exchanges"]))
    text = " ".join(answer(effect, scenario))
    assert "cannot be told from 4 pairs of runs: it takes 19 at least" in text
    assert "`kretslopp study`" in text
    assert "Private saving" not in text
    content: dict[str, Any] = json.loads(json.dumps(effect.as_dict(), allow_nan=False))
    assert content["indicators"]["exchanges"]["risk"]["small"] == 0.0
    assert content["indicators"]["exchanges"]["future_low"] is None
    assert content["indicators"][OUTLAY]["risk"] is None
