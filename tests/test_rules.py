"""Decision rules at their known limits; every rule of the registry compiles to what its plain function says."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm import chance
from abm.catalogue import catalogue
from abm.chance import uniform
from abm.month import months
from abm.parameters import BY_NAME
from abm.rulefiles import RuleFailed
from abm.rules import PROSPECT, RULES, compiled
from abm.ruleset import SLOTS, rule_set, slots
from abm.scenario import Scenario, ScenarioError, load_scenario
from abm.simulate import build, simulate
from experiments.files import manifest
from experiments.runner import run_all
from tests.conftest import horizon, runs, t_value

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "examples" / "prospect_theory.py"
MUNICIPAL = [sector.id for sector in catalogue().sectors if sector.municipal]
TRAITS = {"attitude": 0.5, "peers": 0.0, "control": 0.6, "threshold": 0.46, "aspiration": 2.5}
WEIGHTS = {"weight_attitude": 0.39 / 1.1, "weight_norm": 0.27 / 1.1, "weight_control": 0.44 / 1.1}


@numba.njit
def _call(rule: Any, prospects: np.ndarray) -> bool:
    return rule(prospects[0])  # type: ignore[no-any-return]


def _prospect(**values: float) -> np.ndarray:
    row = {
        "value": 2.0,
        "cost": 1.0,
        "priced": 1.0,
        "waiting": 0.4,
        "volatility": 0.2,
        "rate": 0.04,
        "annuity": 8.0,
        "payback": 2.0,
    }
    prospects = np.zeros(1, PROSPECT)
    for name, value in (row | TRAITS | WEIGHTS | values).items():
        prospects[name] = value
    return prospects


@given(st.floats(0.1, 10.0), st.floats(0.0, 3.0), st.floats(0.0, 0.99))
def test_real_option_asks_for_more_the_more_moves_and_the_more_it_pays_to_wait(
    cost: float, priced: float, waiting: float
) -> None:
    left = 1.0 - priced * waiting
    if left <= 0.0:  # no value is enough
        assert not _call(
            compiled("real_option"), _prospect(value=1e9 * cost, cost=cost, priced=priced, waiting=waiting)
        )
        return
    known = {"cost": cost, "priced": priced, "waiting": waiting}
    assert _call(compiled("real_option"), _prospect(value=cost / left * 1.000001, **known))
    assert not _call(compiled("real_option"), _prospect(value=cost / left * 0.999999, **known))


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
def test_compiled_rule_is_the_plain_one(name: str, data: st.DataObject) -> None:
    positive = st.floats(1e-3, 1e3)
    prospects = _prospect(**{field: data.draw(positive) for field in PROSPECT.names or ()})
    plain = RULES[name].decide(prospects.view(np.recarray)[0])
    assert _call(compiled(name), prospects) == plain


@pytest.mark.parametrize("name", RULES)
def test_every_rule_joins_when_it_costs_nothing_and_says_what_it_does(name: str) -> None:
    assert _call(compiled(name), _prospect(cost=0.0))
    assert RULES[name].meaning
    assert RULES[name].source
    assert set(RULES[name].parameters) <= set(BY_NAME)


def test_payback_limit() -> None:
    assert _call(compiled("payback"), _prospect(value=8.0, cost=2.0))  # 8 over 8 years: 1 a year, 2 years
    assert not _call(compiled("payback"), _prospect(value=8.0, cost=2.1))


def test_real_option_without_volatility_is_npv_bit_for_bit(tiny: Scenario) -> None:
    results = [
        simulate(tiny.with_values({"prices.volatility": 0.0, "appraisal.rule": rule}), 3).values
        for rule in ("real_option", "npv")
    ]
    assert np.array_equal(results[0], results[1], equal_nan=True)


def test_rules_differ_when_prices_move(region: Scenario) -> None:
    talks = [simulate(region.with_values({"appraisal.rule": rule}), 3)["talks"] for rule in RULES]
    assert len({tuple(path) for path in talks}) == len(RULES)


# -- rules of bounded rationality


def test_planned_behaviour_at_known_values() -> None:
    """A = 0.5 + 0.75 - 0.5 at value over cost 3; then 0.3545 A + 0.2455 N + 0.4 C against the threshold."""
    intention = (0.39 * 0.75 + 0.27 * 0.2 + 0.44 * 0.6) / 1.1
    known = {"value": 3.0, "cost": 1.0, "peers": 0.2}
    assert _call(compiled("planned_behaviour"), _prospect(**known, threshold=intention - 1e-9))
    assert not _call(compiled("planned_behaviour"), _prospect(**known, threshold=intention + 1e-9))


@pytest.mark.parametrize("cost", [0.0, -1.0])
def test_planned_behaviour_of_what_costs_nothing(cost: float) -> None:
    """x/(1 + x) = 1, and A never leaves 0..1; who is not able to still says no."""
    intention = 0.39 / 1.1
    able = {"cost": cost, "attitude": 0.9, "control": 0.0}
    assert _call(compiled("planned_behaviour"), _prospect(**able, threshold=intention - 1e-9))
    assert not _call(compiled("planned_behaviour"), _prospect(**able, threshold=intention + 1e-9))


def test_planned_behaviour_of_a_bad_attitude_is_bounded_below() -> None:
    held = {"attitude": 0.0, "cost": 100.0, "control": 1.0, "value": 1.0}
    assert _call(compiled("planned_behaviour"), _prospect(**held, threshold=0.4 - 1e-9))
    assert not _call(compiled("planned_behaviour"), _prospect(**held, threshold=0.4 + 1e-9))


def test_satisficing_at_known_values() -> None:
    assert _call(compiled("satisficing"), _prospect(value=2.6, cost=1.0))
    assert not _call(compiled("satisficing"), _prospect(value=2.5, cost=1.0))
    assert _call(compiled("satisficing"), _prospect(value=1.1, cost=1.0, aspiration=1.0))


def test_satisficing_without_aspiration_is_npv_bit_for_bit(region: Scenario) -> None:
    changes = ({"appraisal.rule": "npv"}, {"appraisal.rule": "satisficing", "appraisal.aspiration": 1.0})
    results = [simulate(region.with_values(change), 3).values for change in changes]  # type: ignore[arg-type]
    assert np.array_equal(results[0], results[1], equal_nan=True)


def test_aspiration_that_is_given_up_at_the_first_no_lets_more_through(region: Scenario) -> None:
    ends = [
        horizon(runs(region, 20, {"appraisal.rule": "satisficing", "appraisal.aspiration_decay": decay}), "exchanges")
        for decay in (0.0, 1.0)
    ]
    assert t_value(ends[1] - ends[0]) > 3


# -- who follows which rule


def _rules(scenario: Scenario, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """The participants, and the name of the rule of each."""
    people = build(scenario, seed)[0].participants
    return people, np.array(rule_set(scenario.values).rules)[people["rule"]]


def test_mixed_population_is_as_asked(region: Scenario) -> None:
    mix = "payback@0.3, npv@C24, satisficing@0.2"
    people, rules = _rules(region.with_values({"appraisal.mix": mix}))
    steel = people["sector"] == catalogue().sector_index("C24")
    assert set(rules[steel]) == {"npv"}
    assert set(rules[~people["firm"]]) == {"real_option"}
    firms = people["firm"] & ~steel
    draws = np.array([uniform(np.uint64(3), chance.RULE, key, 0) for key in people["key"][firms]])
    expected = np.where(draws < 0.3, "payback", np.where(draws < 0.5, "satisficing", "real_option"))
    assert np.array_equal(rules[firms], expected)
    for rule, share in (("payback", 0.3), ("satisficing", 0.2), ("real_option", 0.5)):
        assert np.mean(rules[firms] == rule) == pytest.approx(share, abs=3 * np.sqrt(0.25 / firms.sum()))


def test_a_larger_share_keeps_who_followed_before(region: Scenario) -> None:
    few, many = (_rules(region.with_values({"appraisal.mix": f"npv@{share}"}))[1] == "npv" for share in (0.3, 0.6))
    assert np.all(many[few])
    assert many.sum() > few.sum() > 0


def test_utilities_follow_the_default_unless_their_sector_is_named(region: Scenario) -> None:
    people, rules = _rules(region.with_values({"appraisal.mix": f"npv@{MUNICIPAL[0]}, payback@1"}))
    named = people["sector"] == catalogue().sector_index(MUNICIPAL[0])
    assert set(rules[named]) == {"npv"}
    assert set(rules[~people["firm"] & ~named]) <= {"real_option"}
    assert set(rules[people["firm"]]) == {"payback"}


@pytest.mark.parametrize("rule", RULES)
def test_a_share_of_all_is_the_pure_rule_bit_for_bit(tiny: Scenario, rule: str) -> None:
    other = next(name for name in RULES if name != rule)
    utilities = "".join(f", {rule}@{sector}" for sector in MUNICIPAL)
    mixed = tiny.with_values({"appraisal.rule": other, "appraisal.mix": f"{rule}@1.0{utilities}"})
    assert np.array_equal(
        simulate(mixed, 5).values, simulate(tiny.with_values({"appraisal.rule": rule}), 5).values, equal_nan=True
    )


def test_ten_tenths_are_all(tiny: Scenario) -> None:
    mix = ", ".join(["npv@0.1"] * 10)
    people, rules = _rules(tiny.with_values({"appraisal.mix": mix}))
    assert set(rules[people["firm"]]) == {"npv"}


@pytest.mark.slow
def test_a_mix_lies_between_its_rules(region: Scenario) -> None:
    mixes = ("", "payback@0.5", "payback@1.0")
    ends = [horizon(runs(region, 20, {"appraisal.mix": mix}), "exchanges") for mix in mixes]
    assert t_value(ends[0] - ends[1]) > 3
    assert t_value(ends[1] - ends[2]) > 3


def test_months_compile_once_whatever_the_rules(tiny: Scenario) -> None:
    simulate(tiny, 1)
    before = list(months.signatures)  # type: ignore[attr-defined]
    for changes in ({"appraisal.rule": "npv"}, {"appraisal.mix": "payback@0.5, satisficing@C24"}):
        simulate(tiny.with_values(changes), 1)  # type: ignore[arg-type]
    assert months.signatures == before  # type: ignore[attr-defined]


def _errors(**values: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("tiny", {f"appraisal.{name}": value for name, value in values.items()})
    assert all("\n" not in line for line in caught.value.errors)
    return caught.value.errors


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ("nvp@0.3", "no rule nvp; known: npv, payback, real_option, planned_behaviour, satisficing; did you mean npv?"),
        ("npv@C42", "no sector C42"),
        ("npv@C42", "did you mean"),
        ("npv@1.2", "the share 1.2 is not from 0 to 1"),
        ("npv@-0.1", "the share -0.1 is not from 0 to 1"),
        ("npv@nan", "the share nan is not from 0 to 1"),
        ("npv@0.6, payback@0.5", "the shares sum to 1.1, more than 1"),
        ("npv@C24, payback@C24", "sector C24 is given twice"),
        ("npv", "'npv' is not rule@sector or rule@share"),
        ("npv@", "'npv@' is not rule@sector or rule@share"),
        ("npv@0.1,, payback@C24", "', payback@C24' is not rule@sector or rule@share"),
        ("npv@0.1, payback", "'payback' is not rule@sector or rule@share"),
        ("npv@a@b", "is not rule@sector or rule@share"),
        ("a@b.py:f", "no sector b.py:f"),
    ],
)
def test_faulty_mixes(mix: str, expected: str) -> None:
    assert any(expected in line for line in _errors(mix=mix))


def test_faults_of_a_mix_are_told_together() -> None:
    assert len(_errors(mix="nvp@C24, npv@C42, payback@7")) == 3


def test_weights_are_not_all_zero() -> None:
    zero = {f"appraisal.weight_{part}": 0.0 for part in ("attitude", "norm", "control")}
    with pytest.raises(ScenarioError, match="weights must be above 0"):
        load_scenario("tiny", zero)


# -- rules of the user's own

FILE = """
import math
import numba
LIMIT = 1.0

@numba.njit
def ratio(prospect):
    return prospect.value / prospect.cost

def helper(x):
    return x > 1

def own(prospect):
    "Own rule: as npv."
    return prospect.value > LIMIT * prospect.cost

@numba.njit
def decorated(prospect):
    return ratio(prospect) > LIMIT

def two(prospect, limit): return prospect.value > limit
def none(): return True
def any_number(*prospects): return True
def field(prospect): return prospect.valeu > prospect.cost
def number(prospect): return prospect.value - prospect.cost
def nothing(prospect): pass
def sometimes(prospect):
    if prospect.value > 1.0:
        return True
def text(prospect): return prospect.value + "a" > 1
def missing(prospect): return absent(prospect)
def plain_call(prospect): return helper(prospect.value)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(FILE)
    return file


@pytest.mark.parametrize("name", ["own", "decorated"])
def test_own_rule_that_says_what_npv_says_is_npv_bit_for_bit(region: Scenario, mine: Path, name: str) -> None:
    results = [simulate(region.with_values({"appraisal.rule": rule}), 3).values for rule in (f"{mine}:{name}", "npv")]
    assert np.array_equal(results[0], results[1], equal_nan=True)


def test_own_rule_in_a_mix(tiny: Scenario, mine: Path) -> None:
    results = [
        simulate(tiny.with_values({"appraisal.mix": f"{rule}@0.5, payback@C24"}), 3).values
        for rule in (f"{mine}:own", "npv")
    ]
    assert np.array_equal(results[0], results[1], equal_nan=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two", "two takes 2 arguments (prospect, limit), a rule takes one: prospect"),
        ("none", "none takes 0 arguments (none), a rule takes one: prospect"),
        ("any_number", "any_number takes 1 arguments (*prospects), a rule takes one: prospect"),
        ("field", "a prospect has no field valeu; did you mean value?; it has value, cost, priced"),
        ("number", "returns float64, a rule returns True or False"),
        ("nothing", "returns none, a rule returns True or False"),
        ("sometimes", "a rule returns True or False on every path"),
        ("text", "add(float64, Literal[str](a))"),
        ("missing", "name 'absent' is not defined"),
        ("plain_call", "decorate what a rule calls with numba.njit"),
        ("onw", "no function onw; did you mean own?"),
        ("LIMIT", "LIMIT is not a plain function"),
    ],
)
def test_faulty_own_rules(mine: Path, name: str, expected: str) -> None:
    for values in ({"rule": f"{mine}:{name}"}, {"mix": f"npv@C24, {mine}:{name}@0.5"}):
        (line,) = _errors(**values)
        assert expected in line
        assert str(mine) in line


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file"),
        ("def own(prospect:\n", "does not load: SyntaxError"),
        ("import absent_module\n", "does not load: ModuleNotFoundError: No module named 'absent_module'"),
        ("import sys\nsys.exit(3)\n", "does not load: SystemExit"),
    ],
)
def test_faulty_rule_files(tmp_path: Path, content: str | None, expected: str) -> None:
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    assert _errors(rule=f"{file}:own")[0].startswith(f"{file}: {expected}")


@pytest.mark.parametrize("rule", ["mine.py", "mine.py:", ":own", "mine:own", "nvp"])
def test_what_is_no_rule_at_all(rule: str) -> None:
    assert "nor file.py:function" in _errors(rule=rule)[0]


def test_paths_start_at_the_scenario_file_or_the_working_directory(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text('region = "tiny"\n[parameters.appraisal]\nrule = "mine.py:own"\nmix = "mine.py:decorated@C24"\n')
    scenario = load_scenario(file)
    assert scenario.values["appraisal.rule"] == f"{mine}:own"
    assert scenario.values["appraisal.mix"] == f"{mine}:decorated@C24"
    (tmp_path / "elsewhere, far").mkdir()
    (tmp_path / "elsewhere, far" / "mine.py").write_text(FILE)
    monkeypatch.chdir(tmp_path / "elsewhere, far")
    changed = scenario.with_values({"appraisal.mix": "mine.py:own@C24, npv@0.1"})
    assert changed.values["appraisal.mix"] == f"{tmp_path}/elsewhere, far/mine.py:own@C24, npv@0.1"
    assert len(rule_set(changed.values).rules) == 3


def test_no_file_is_run_that_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "npv.py").write_text("raise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    load_scenario("tiny", {"appraisal.rule": "npv", "appraisal.mix": "npv@0.5"})


def test_a_changed_file_counts_from_the_next_load(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def own(prospect): return prospect.value > 1.0 * prospect.cost\n")
    before = load_scenario("tiny", {"appraisal.rule": f"{file}:own"})
    first = simulate(before, 1).values
    file.write_text("def own(prospect): return prospect.value > 9.0 * prospect.cost\n")
    assert np.array_equal(simulate(before.with_values({"facilitator.fte": 4.0}), 1).values, first, equal_nan=True)
    assert not np.array_equal(
        simulate(load_scenario("tiny", {"appraisal.rule": f"{file}:own"}), 1).values, first, equal_nan=True
    )


def test_the_manifest_says_which_content_ran(mine: Path) -> None:
    scenario = load_scenario("tiny", {"appraisal.rule": f"{mine}:own"})
    mine.write_text("# changed\n")
    digest = hashlib.sha256(FILE.encode()).hexdigest()
    assert manifest(scenario, "run", seed=1, replicates=1)["rule_files"] == {str(mine): digest}


def test_more_distinct_rules_than_places(mine: Path) -> None:
    content = "".join(f"def rule_{n}(prospect): return prospect.value > {n}.0 * prospect.cost\n" for n in range(SLOTS))
    mine.write_text(content)
    mix = [f"{mine}:rule_{n}@0.05" for n in range(SLOTS)]
    assert load_scenario("tiny", {"appraisal.mix": ", ".join(mix[:-1])})
    assert "9 distinct rules with the default, at most 8" in _errors(mix=", ".join(mix))[0]


def test_prospect_theory_of_the_manual_at_known_values(tmp_path: Path) -> None:
    """A gain counts 2.25 times less than a loss: joins from 2.25^(1/0.88) = 2.513 times the cost."""
    scenario = load_scenario("tiny", {"appraisal.rule": f"{EXAMPLE}:prospect_theory"})
    (rule,) = set(slots(scenario.values, scenario.rule_files))
    assert _call(rule, _prospect(value=2.52, cost=1.0))
    assert not _call(rule, _prospect(value=2.50, cost=1.0))
    assert _call(rule, _prospect(value=1.0, cost=-1.0))


@pytest.mark.slow
def test_more_loss_aversion_means_fewer_exchanges(region: Scenario, tmp_path: Path) -> None:
    ends = []
    for aversion in ("1.0", "2.25", "4.0"):
        file = tmp_path / f"averse_{aversion}.py"
        file.write_text(EXAMPLE.read_text().replace("LOSS_AVERSION = 2.25", f"LOSS_AVERSION = {aversion}"))
        ends.append(horizon(runs(region, 20, {"appraisal.rule": f"{file}:prospect_theory"}), "exchanges"))
    assert t_value(ends[0] - ends[1]) > 3
    assert t_value(ends[1] - ends[2]) > 3


FAILING = """
import numba

@numba.njit
def looked_up(x):
    if x > 0.0:
        raise ValueError("no such row")
    return 1.0

def failing(prospect): return prospect.value > looked_up(prospect.value)

@numba.njit
def place(values, n):
    return values[n]

def beyond(prospect):
    values = [1.0]
    return values[int(prospect.value) + 10] > 0.0
"""


@pytest.mark.parametrize(("name", "said"), [("failing", "ValueError: no such row"), ("beyond", "IndexError")])
def test_a_rule_that_fails_in_a_run_ends_it_and_gives_no_result(
    tiny: Scenario, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    """Compiled code has nobody to raise to: the answer would be no, and the run would go on as if it were meant."""
    file = tmp_path / "failing.py"
    file.write_text(FAILING)
    scenario = tiny.with_values({"appraisal.rule": f"{file}:{name}"})
    with pytest.raises(RuleFailed, match=said):
        simulate(scenario, 3)
    with pytest.raises(RuleFailed, match=said):
        run_all(partial(simulate, scenario), [1, 2, 3])
    assert capfd.readouterr().err == ""
    assert simulate(tiny.with_values({"appraisal.rule": "npv"}), 3)["exchanges"].max() > 0
