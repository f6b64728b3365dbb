"""The library speaks of its arguments, the command line of its options; seeds are checked the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abm.model import SymbiosisModel
from abm.scenario import Scenario, ScenarioError, load_scenario
from abm.simulate import simulate, simulate_arms, spun_up
from calibration.posterior import posterior_effect, read_posterior
from experiments import sensitivity
from experiments.comparison import compare
from experiments.designfile import load_design
from experiments.designs import Design
from experiments.effect import Difference, PairedEffect, Ratio, paired_effect, run_arms
from experiments.hypotheses import load_hypotheses
from experiments.limits import LARGEST_SEED
from experiments.options import parse_options
from kretslopp.typed import as_typed

NO_SEEDS = ("100", 1.0, -1, LARGEST_SEED + 1, 2**70, True, None, np.float64(1), np.bool_(True))
PROBLEM = {"num_vars": 1, "names": ["x"], "bounds": [[0.0, 1.0]]}


@pytest.fixture(scope="module")
def short() -> Scenario:
    return load_scenario("tiny", {"run.spin_up": 0}, months=1)


@pytest.fixture(scope="module")
def draws(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file = tmp_path_factory.mktemp("posterior") / "posterior.csv"
    file.write_text("discovery.finds\n" + "0.1\n0.2\n" * 5)
    return read_posterior(file)


@pytest.mark.parametrize("seed", NO_SEEDS, ids=repr)
def test_what_is_no_seed_is_said_in_one_line(short: Scenario, draws: Any, seed: Any) -> None:
    asked: list[Callable[[], object]] = [
        lambda: simulate(short, seed),
        lambda: simulate_arms([short], seed),
        lambda: spun_up(short, seed),
        lambda: paired_effect(short, replicates=2, seed=seed),
        lambda: compare(short, parse_options("grant"), 1.0, replicates=3, seed=seed),
        lambda: posterior_effect(short, draws, draws=10, seed=seed),
        lambda: Design("x", short, {}, 1, seed=seed),
        lambda: sensitivity.sobol(lambda x, seed, treated: 0.0, PROBLEM, 32, 2, seed),
    ]
    for ask in asked:
        with pytest.raises(ValueError, match=r"^seed: .* is not a whole number from 0 to 2\*\*63 - 1$"):
            ask()
    if seed is not None:  # of None Mesa's models draw a seed
        with pytest.raises(ScenarioError, match=r"^rng: .* is not a whole number from 0 to 2\*\*63 - 1$"):
            SymbiosisModel(short, rng=seed)


def test_what_numpy_makes_no_random_numbers_of_is_said_in_one_line(short: Scenario) -> None:
    for rng in ({"a": 1}, [-1], ["a"], object()):
        with pytest.raises(ScenarioError, match=r"^rng: .*, None or a numpy Generator$"):
            SymbiosisModel(short, rng=rng)


@pytest.mark.parametrize("seed", [0, 7, np.int32(7), np.uint64(7), LARGEST_SEED])
def test_whole_numbers_of_any_kind_are_seeds(short: Scenario, seed: Any) -> None:
    model = SymbiosisModel(short, rng=seed)
    model.run_model()
    assert model.replicate_seed == int(seed)
    np.testing.assert_array_equal(model.trajectory().values, simulate(short, seed).values)


def test_numpy_may_draw_the_seed(short: Scenario) -> None:
    made = [SymbiosisModel(short, rng=np.random.default_rng(3)).replicate_seed for _ in range(2)]
    assert made[0] == made[1]
    for rng in (None, [1, 2], np.random.SeedSequence(3)):
        assert 0 <= SymbiosisModel(short, rng=rng).replicate_seed < 2**63


@pytest.mark.parametrize("seed", ["1.0", "true", '"1"', "-1", str(2**63), "[1]"])
def test_seeds_of_files(tmp_path: Path, seed: str) -> None:
    design = tmp_path / "design.toml"
    design.write_text(f'region = "tiny"\nkind = "factorial"\nseed = {seed}\n[ranges]\ndiscovery.finds = [0.1]\n')
    with pytest.raises(ScenarioError, match=r"design.toml: .*seed"):
        load_design(design)
    asked = tmp_path / "asked.toml"
    asked.write_text(
        f'region = "tiny"\nseed = {seed}\n[cells.a]\nfacilitator.fte = 0.0\n[[hypothesis]]\nname = "h"\n'
        'statement = "s"\nsource = "s"\n[[hypothesis.claim]]\ntext = "t"\nindicator = "exchanges"\n'
        'direction = "above"\nsmallest = 1.0\nterms = [{ cell = "a", weight = 1 }]\n'
    )
    with pytest.raises(ScenarioError, match=r"asked\.toml: seed"):
        load_hypotheses(asked)


def test_misspelt_names_are_told_the_nearest(short: Scenario, draws: Any) -> None:
    trajectory = simulate(short, 1)
    one = Difference("share", 0.0, 1.0, 1.0, 0.5, 1.5, 0.2, 1.8, 30, 0, None, None)
    none = Ratio("SEK", None, None, None, 3)
    effect = PairedEffect("tiny", 1, 3, 1, {"adoption": one}, {}, none, none, none)
    arms = run_arms({"without": short, "with": short}, replicates=1, seed=1, monthly=["with"], kept=["adoption"])
    over = posterior_effect(short, draws, draws=10)
    for ask in (
        lambda: trajectory["adoptoin"],
        lambda: effect["adoptoin"],
        lambda: over["adoptoin"],
        lambda: arms.end("with", "adoptoin"),
        lambda: arms.series("with", "adoptoin"),
        lambda: arms.difference("adoptoin"),
    ):
        with pytest.raises(KeyError, match="no indicator adoptoin; did you mean adoption"):
            ask()
    with pytest.raises(KeyError, match="no arm wiht; did you mean with"):
        arms.end("wiht", "adoption")
    with pytest.raises(KeyError, match="no arm whose months were kept without; did you mean with"):
        arms.series("without", "adoption")
    assert arms.end("with", "adoption").shape == arms.series("with", "adoption")[:, 0].shape == (1,)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"facilitator.ft": 1}, "no parameter facilitator.ft; did you mean facilitator.fte?"),
        ({"facilitator.fte": "many"}, "facilitator.fte: 'many' is not a number"),
    ],
)
def test_the_library_knows_no_options(short: Scenario, changes: dict[str, Any], line: str) -> None:
    keywords = {name.replace(".", "__"): value for name, value in changes.items()}
    for ask in (
        lambda: load_scenario("tiny", changes),
        lambda: short.with_values(changes),
        lambda: SymbiosisModel("tiny", rng=1, **keywords),
        lambda: SymbiosisModel(short, rng=1, overrides=changes),
    ):
        with pytest.raises(ScenarioError) as caught:
            ask()
        assert caught.value.errors == [line]


def test_overrides_of_a_batch_are_mappings(short: Scenario) -> None:
    with pytest.raises(ScenarioError, match=r"^overrides: 'facilitator.fte': expected values by parameter"):
        SymbiosisModel(short, rng=1, overrides="facilitator.fte")  # what batch_run makes of a mapping that is no list


def test_months_of_a_file_are_told_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('region = "tiny"\nmonths = 0\n')
    with pytest.raises(ScenarioError, match=r"mine.toml: months: 0"):
        load_scenario(file)
    with pytest.raises(ScenarioError, match=r"^months: -1"):
        load_scenario(file, months=-1)


def test_no_line_of_the_library_names_an_option() -> None:
    """Texts of errors are written in the library's own words; kretslopp/typed.py puts the options in."""
    root = Path(__file__).resolve().parent.parent
    for folder in ("abm", "experiments", "calibration"):
        for file in sorted((root / folder).glob("*.py")):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                assert '"--' not in line, f"{file.name}: {number}"


@pytest.mark.parametrize(
    ("line", "words", "said"),
    [
        ("runs 100: too few", ["--runs", "100"], "--runs 100: too few"),
        ("runs 100: too few", ["--runs=100"], "--runs 100: too few"),
        ("runs 100: too few", ["tiny"], "runs 100: too few"),
        ("runs/a.toml: no such file", ["--runs", "1"], "runs/a.toml: no such file"),
        ("months: 0 is none", ["--months", "0"], "--months: 0 is none"),
        ("mine.toml: months: 0 is none", ["--months", "0"], "mine.toml: months: 0 is none"),
        ("start spring: expected a year", ["--from", "spring"], "--from spring: expected a year"),
        ("draws 4: at least 10", ["--replicates", "4"], "--replicates 4: at least 10"),
        ("ci_width: goes with method sobol", ["--ci-width", "1"], "--ci-width: goes with method sobol"),
        ("a.toml: 9 runs, more than max_runs 4", ["--max-runs", "4"], "a.toml: 9 runs, more than --max-runs 4"),
        ("no parameter a.b; did you mean c?", ["--set", "a.b=1"], "--set: no parameter a.b; did you mean c?"),
        ("no parameter a.b; did you mean c?", ["--set=a.b=1"], "--set: no parameter a.b; did you mean c?"),
        ("no parameter a.b; did you mean c?", ["x.toml"], "no parameter a.b; did you mean c?"),
        ("a.b: 'x' is not a number", ["--set", "a.b=x"], "--set a.b: 'x' is not a number"),
        ("a.b: 'x' is not a number", ["--fte", "x"], "a.b: 'x' is not a number"),
        ("foo: expected name=value", ["--set", "foo"], "--set foo: expected name=value"),
    ],
)
def test_lines_are_said_in_the_words_typed(line: str, words: list[str], said: str) -> None:
    assert as_typed(line, words) == said
