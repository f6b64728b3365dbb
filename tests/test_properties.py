"""The page on what moves exchanges: its differences are paired effects, and it has every row."""

from __future__ import annotations

from pathlib import Path

import pytest

from abm.interventions import INTERVENTIONS
from abm.scenario import load_scenario
from experiments.effect import paired_effect
from results import properties
from results.properties import ALONE, Ends, main


def test_differences_are_those_of_the_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(properties, "REGION", "tiny")
    monkeypatch.setattr(properties, "PAIRS", 6)
    found = Ends().difference("exchanges", ALONE, {"facilitator.fte": 4.0})
    effect = paired_effect(load_scenario("tiny", {"facilitator.fte": 4.0}), replicates=6, seed=properties.SEED)
    expected = effect["exchanges"]
    assert (found.mean, found.without, found.with_) == (expected.mean, expected.without, expected.with_)
    assert found.ci_low == pytest.approx(expected.ci_low)


@pytest.mark.slow
def test_page_has_every_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(properties, "PAIRS", 2)
    main(tmp_path / "page")
    text = (tmp_path / "page" / "README.md").read_text(encoding="utf-8")
    for name in INTERVENTIONS:
        assert f"| {name} |" in text
    kept = Path(properties.__file__).parent / "published" / "properties" / "README.md"
    first_cells = [
        [line.split("|")[1] for line in page.splitlines() if line.startswith("|")]
        for page in (text, kept.read_text(encoding="utf-8"))
    ]
    assert first_cells[0] == first_cells[1]
    assert len(first_cells[0]) > 30
