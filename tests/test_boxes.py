"""Boxes of scenario discovery: none in noise, the true one where there is one, as good as the EMA Workbench's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from experiments import boxes
from experiments.boxes import LEVEL, Space, find_box, judge
from experiments.discovery import lowest


def _mixed(random: np.random.Generator, rows: int) -> list[np.ndarray]:
    """An input of each domain: real, whole, truth value, name, and one that does not vary."""
    rules = np.array(["npv", "payback", "real_option"])
    return [
        random.random(rows), random.random(rows), random.integers(1, 7, rows), random.random(rows) < 0.5,
        rules[random.integers(0, 3, rows)], np.full(rows, 2.0),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("ties", [False, True])
def test_on_noise_there_is_no_box(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to find a box is called one in 5 % of samples; without the test it is in two of three."""
    monkeypatch.setattr(boxes, "PERMUTATIONS", 39)
    samples, called, peeled = 60, 0, 0
    for number in range(samples):
        random = np.random.default_rng(number)
        columns = _mixed(random, 60)
        interest, _ = lowest(random.integers(0, 5, 60).astype(float) if ties else random.random(60))
        found = judge(Space.of(columns), interest, number)
        called += found.survives
        peeled += bool(found.box.peels)
    assert called / samples <= LEVEL + 3.0 * math.sqrt(LEVEL * (1.0 - LEVEL) / samples)
    assert peeled > 0.6 * samples  # the test is what keeps them out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("places", "inside"),
    [
        ((0, 2), lambda columns: (columns[0] < 0.5) & (columns[2] >= 4)),
        ((3, 4), lambda columns: columns[3] & (columns[4] != "payback")),
    ],
)
def test_the_true_box_is_found(
    places: tuple[int, int], inside: Callable[[list[np.ndarray]], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes, "PERMUTATIONS", 39)
    samples, exactly = 12, 0
    for number in range(samples):
        random = np.random.default_rng(number)
        columns = _mixed(random, 120)
        y = np.where(inside(columns), 0.0, 1.0) + 0.8 * random.random(120)
        found = judge(Space.of(columns), lowest(y)[0], number)
        assert found.survives
        exactly += found.holding == places
        right = inside(columns)[found.box.inside].mean()
        assert right > 0.8
    assert exactly >= 10  # an inert input slips in in one of twenty


def test_a_box_is_as_good_as_that_of_the_ema_workbench() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of the workbench that are not used
        from ema_workbench.analysis import prim as discovery

        for number in range(2):
            random = np.random.default_rng(number)
            x = random.random((300, 4))
            y = np.where((x[:, 0] < 0.5) & (x[:, 1] > 0.4), 0.0, 0.8) + random.random(300)
            interest, _ = lowest(y)
            ours = find_box(Space.of(list(x.T)), interest)
            box = discovery.Prim(pd.DataFrame(x, columns=list("abcd")), interest, threshold=0.1, peel_alpha=0.1)
            steps = box.find_box().peeling_trajectory
            assert ours.score == pytest.approx((steps["coverage"] * steps["density"]).max(), abs=0.05)
            assert ours.restricted == (0, 1)


@pytest.mark.parametrize(
    ("y", "count", "text"),
    [
        (np.arange(100.0), 25, "less than 24.8"),
        (np.repeat([0.0, 1.0], [95, 5]), 95, "0 or less"),
        (np.repeat([-1.0, 0.0], [20, 80]), 20, "less than 0"),
        (np.repeat([-1.0, 0.0, 1.0], [24, 5, 71]), 24, "less than 0"),
        (np.repeat([-1.0, 0.0, 1.0], [10, 20, 70]), 30, "0 or less"),
        (np.zeros(50), 50, "0 or less"),
    ],
)
def test_the_lowest_quarter_where_rows_tie(y: np.ndarray, count: int, text: str) -> None:
    interest, said = lowest(y)
    assert interest.sum() == count
    assert said == text or count == 25
