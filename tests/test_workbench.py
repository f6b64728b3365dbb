"""The EMA Workbench takes the frames of a sweep: its own tools run on them and find what is there."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.workbench import frames

pytest.importorskip("ema_workbench")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the workbench's own

RUNS = 400


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    """Rows as a sweep's folder has them: 32-bit integers, texts, each row in two arms with two replicates."""
    random = np.random.default_rng(5)
    row = np.arange(RUNS) // 4
    number, whole, rule = random.random(RUNS // 4), random.integers(0, 9, RUNS // 4), random.random(RUNS // 4) < 0.5
    frame = pd.DataFrame(
        {
            "row": row.astype(np.int32),
            "replicate": (np.arange(RUNS) % 2).astype(np.int32),
            "arm": pd.Categorical(np.where(np.arange(RUNS) // 2 % 2, "with", "without"), ["without", "with"]),
            "a.number": number[row],
            "a.whole": whole[row],
            "a.small": whole[row].astype(np.int32),
            "a.rule": np.where(rule, "npv", "real_option")[row],
        }
    )
    wanted = (frame["a.number"] > 0.6) & (frame["a.whole"] >= 3) & (frame["a.rule"] == "npv")
    return frame.assign(exchanges=wanted.astype(float), **{"adoption.sector.C17": random.random(RUNS)})


@pytest.fixture(scope="module")
def read(runs: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    return frames(runs, ["a.number", "a.whole", "a.small", "a.rule"], ["exchanges", "adoption.sector.C17"], "mine")


def test_columns_are_of_the_kinds_of_the_workbench(runs: pd.DataFrame, read: tuple[pd.DataFrame, dict]) -> None:
    experiments, outcomes = read
    kinds = {name: str(kind) for name, kind in experiments.dtypes.items()}
    numbers, texts = ("a.number", "a.whole", "a.small", "replicate"), ("a.rule", "scenario", "policy", "model")
    assert kinds == dict.fromkeys(numbers, "float64") | dict.fromkeys(texts, "category")
    for name in ("a.number", "a.whole", "a.small", "a.rule", "replicate"):
        assert experiments[name].tolist() == runs[name].tolist()
    assert experiments["scenario"].tolist() == runs["row"].tolist()
    assert experiments["policy"].tolist() == runs["arm"].tolist()
    assert set(experiments["model"]) == {"mine"}
    assert all(values.dtype == float and values.shape == (RUNS,) for values in outcomes.values())


def test_prim_and_cart_find_the_box(read: tuple[pd.DataFrame, dict[str, np.ndarray]]) -> None:
    from ema_workbench.analysis.cart import CART
    from ema_workbench.analysis.prim import Prim

    experiments, outcomes = read
    inputs, wanted = experiments.drop(columns=["replicate", "a.small"]), outcomes["exchanges"] > 0.5
    asked = {"threshold": 0.5} if "threshold" in inspect.signature(Prim).parameters else {}
    box = Prim(inputs, wanted, **asked).find_box()
    limits = box.box_lims[-1]
    assert limits["a.rule"][0] == {"npv"}
    assert 0.5 < limits["a.number"][0] < 0.7
    assert 2.0 < limits["a.whole"][0] <= 3.0
    assert limits["policy"][0] == {"with", "without"}
    assert (box.density, box.coverage) == (1.0, pytest.approx(1.0, abs=0.3))
    tree = CART(inputs, wanted, mass_min=0.05)
    tree.build_tree()
    # of the mirrored columns that it makes of two categories its tree takes either, by chance
    assert any(len(one["a.rule"][0]) == 1 and one["a.number"][0] > 0.5 for one in tree.boxes)


def test_results_are_saved_and_loaded(tmp_path: Path, read: tuple[pd.DataFrame, dict[str, np.ndarray]]) -> None:
    from ema_workbench import load_results, save_results

    file = str(tmp_path / "mine.tar.gz")
    save_results(read, file)
    experiments, outcomes = load_results(file)
    for name in experiments:
        assert experiments[name].tolist() == pytest.approx(read[0][name].tolist())
        assert experiments[name].dtype.kind == read[0][name].dtype.kind
    assert set(outcomes) == set(read[1])
    for name, values in outcomes.items():
        np.testing.assert_allclose(np.ravel(values), read[1][name])
