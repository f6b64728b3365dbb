"""Input is checked whole, before any run, one line an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.parameters import BY_NAME
from abm.scenario import ScenarioError, load_scenario, parse_overrides


def _errors(source: str | Path, overrides: dict[str, object] | None = None, **more: int) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(source, overrides, **more)  # type: ignore[arg-type]
    assert all("\n" not in line for line in caught.value.errors)
    return caught.value.errors


def test_defaults_then_region_then_file_then_overrides(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'region = "tiny"\nmonths = 24\n[parameters]\nprices.volatility = 0.5\n[parameters.transaction]\nwage = 800\n'
    )
    scenario = load_scenario(file, {"transaction.wage": 600})
    assert (scenario.name, scenario.region_name, scenario.months) == ("mine", "tiny", 24)
    assert scenario.values["population.firms"] == 30  # the region's own
    assert scenario.values["prices.volatility"] == 0.5
    assert scenario.values["transaction.wage"] == 600.0
    assert load_scenario(file, months=12).months == 12


def test_everything_wrong_is_said_at_once_with_the_nearest_name() -> None:
    errors = _errors(
        "tiny",
        {
            "prices.volatilty": 2.0,
            "facilitator.fte": -1,
            "worth.horizon": "long",
            "appraisal.rule": "nvp",
            "closing.attention": 1.5,
        },
        months=0,
    )
    assert len(errors) == 6
    assert "did you mean prices.volatility?" in errors[0]
    assert "0 to 10000" in errors[1]
    assert "not a number" in errors[2]
    assert "did you mean npv?" in errors[3]
    assert "whole number" in errors[4]
    assert "months" in errors[5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('region = "tinny"\n', "did you mean tiny?"),
        ('region = "tiny"\nmonth = 3\n', "did you mean months?"),
        ('region = "tiny"\nregion = "tiny"\n', "overwrite"),
        ('region = "tiny"\n[parameters]\nprices.volatility = 1\n[parameters.prices]\nvolatility = 2\n', ""),
        ("region = \n", "nvalid"),
        ("months = 3\n", "region"),
        ('region = "tiny"\nname = "../elsewhere"\n', "name"),
        ('region = "tiny"\nname = "<b>"\n', "name"),
        ('region = "tiny"\nparameters = 3\n', "table"),
    ],
)
def test_faulty_files(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(text)
    errors = _errors(file)
    assert expected in errors[0]


def test_missing_file() -> None:
    assert "no such file" in _errors("nowhere.toml")[0]


def test_shares_must_sum_to_one_and_dates_be_in_order() -> None:
    assert "sum to 1.8" in _errors("tiny", {"facilitator.shares.policy": 1.0})[0]
    assert "after facilitator.start" in _errors("tiny", {"facilitator.start": 20, "facilitator.stop": 10})[0]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a=1", "a=2"], "given twice"),
        (["novalue"], "name=value"),
        (["=3"], "name=value"),
    ],
)
def test_faulty_overrides(texts: list[str], expected: str) -> None:
    with pytest.raises(ScenarioError, match=expected):
        parse_overrides(texts)


def test_override_values_are_numbers_where_they_can_be() -> None:
    assert parse_overrides(["a=1", "b=2.5", "c=npv", "d= 1e3 "]) == {"a": 1, "b": 2.5, "c": "npv", "d": 1000.0}


@given(
    st.dictionaries(
        st.text(max_size=12), st.one_of(st.floats(), st.text(max_size=5), st.booleans(), st.none()), max_size=4
    )
)
def test_garbage_is_refused_never_crashes(changes: dict[str, object]) -> None:
    if set(changes) <= set(BY_NAME):  # nothing but an empty draw
        assert load_scenario("tiny", changes).months == 180  # type: ignore[arg-type]
    else:
        assert len(_errors("tiny", changes)) == len(changes)


def test_a_scenario_cannot_be_changed() -> None:
    scenario = load_scenario("tiny")
    with pytest.raises(TypeError):
        scenario.values["facilitator.fte"] = 1.0  # type: ignore[index]
    changed = scenario.with_values({"facilitator.fte": 1})
    assert scenario.values["facilitator.fte"] == 4.0
    assert changed.values["facilitator.fte"] == 1.0
