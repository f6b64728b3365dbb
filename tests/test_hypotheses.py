"""Hypotheses: the error holds however often one looks, verdicts follow their intervals, and the set that is shipped."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import experiments.sweep
from abm.scenario import ScenarioError
from abm.simulate import simulate
from experiments.claims import Claim, Finding, Term
from experiments.hypotheses import (
    Hypotheses,
    contrasts,
    limited,
    load_hypotheses,
    put_to_test,
    study_names,
)
from experiments.runner import replicate_seeds
from experiments.sequences import half_widths, interval, prior_precision
from experiments.store import Store
from experiments.sweep import Report, SweepError
from results.verdicts import counted, expected, found, verdicts_text, write_verdicts
from tests.processes import call

TEXT = """
region = "tiny"
months = 60
seed = 3
error = 0.1
[pairs]
first = 20
step = 10
most = 40
[parameters]
run.spin_up = 3
[cells]
none = { facilitator.fte = 0.0 }
four = { facilitator.fte = 4.0 }
[[hypothesis]]
name = "it helps"
statement = "A centre helps"
source = "made up"
[[hypothesis.claim]]
text = "more exchanges start in the last two years"
indicator = "started"
direction = "above"
smallest = 0.0
terms = [{ cell = "four", weight = 1, since = 36 }, { cell = "none", weight = -1, since = 36, month = 48 }]
[[hypothesis.claim]]
text = "and the public pays next to nothing"
indicator = "public_outlay"
direction = "within"
smallest = 0.5
terms = [{ cell = "four", weight = 1 }, { cell = "none", weight = -1 }]
"""


def _load(folder: Path, text: str = TEXT) -> Hypotheses:
    file = folder / "mine.toml"
    file.write_text(text)
    return load_hypotheses(file)


# -- the confidence sequence


def _ever_wrong(samples: np.ndarray, mean: float, error: float, first: int = 2, step: int = 1) -> float:
    """Share of sequences, shape (sequences, n), whose interval ever leaves out the mean."""
    n = np.arange(first, samples.shape[1] + 1, step)
    total, square = np.cumsum(samples, axis=1)[:, n - 1], np.cumsum(samples**2, axis=1)[:, n - 1]
    cube = np.cumsum(samples**3, axis=1)[:, n - 1]
    average, variance = total / n, np.maximum(square / n - (total / n) ** 2, 1e-12)
    skew = (cube / n - 3.0 * average * square / n + 2.0 * average**3) / variance**1.5
    t = (average - mean) / np.sqrt(variance / (n - 1))
    g = skew / np.sqrt(n)
    statistic = t + g * t**2 / 3.0 + g**2 * t**3 / 27.0 + g / 6.0  # Hall's transform
    return float((np.abs(statistic) > half_widths(n, error) * np.sqrt(n)).any(axis=1).mean())


@pytest.mark.parametrize("law", ["exponential", "lognormal"])
@pytest.mark.parametrize("error", [0.05, 0.0038])
def test_skewed_observations_do_not_break_it(law: str, error: float) -> None:
    """4,000 sequences of up to 1,000, looked at as hypotheses are; the plain t of lognormal ones errs .079 and .025."""
    random = np.random.default_rng(5)
    samples = np.exp(random.normal(size=(4000, 1000))) if law == "lognormal" else random.exponential(size=(4000, 1000))
    mean = math.exp(0.5) if law == "lognormal" else 1.0
    assert _ever_wrong(samples, mean, error, 50, 25) <= error + 3 * math.sqrt(error / 4000)
    for sample in samples[:3]:  # what is measured is what is used
        low, high = interval(sample[:200], error)[1:]
        for edge, inside in ((low, 1e-6), (high, -1e-6)):
            assert _ever_wrong(sample[None, :200], edge + inside, error, 200) == 0.0
            assert _ever_wrong(sample[None, :200], edge - inside, error, 200) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("error", [0.05, 0.0038])
def test_it_is_ever_wrong_at_its_error_at_most(error: float) -> None:
    """4,000 normal sequences looked at after every observation up to 1,000."""
    samples = np.random.default_rng(5).normal(0.7, 3.0, (4000, 1000))
    share = _ever_wrong(samples, 0.7, error)
    assert share <= error + 3 * math.sqrt(error / 4000)
    assert share > 0.1 * error  # and not by being idle


def test_a_fixed_interval_is_not_for_looking_again() -> None:
    """What the sequence is for: the usual 95 % interval, looked at after every observation, misses far more often."""
    samples = np.random.default_rng(5).normal(0.0, 1.0, (1000, 1000))
    n = np.arange(20, 1001)
    mean = np.cumsum(samples, axis=1)[:, n - 1] / n
    error = np.sqrt((np.cumsum(samples**2, axis=1)[:, n - 1] / n - mean**2) / (n - 1))
    assert (np.abs(mean) > stats.t.ppf(0.975, n - 1) * error).any(axis=1).mean() > 0.25


def test_the_interval_is_sharpest_where_it_is_meant_to_be() -> None:
    n = np.arange(20, 2000)
    widths = half_widths(n, 0.01) * np.sqrt(n)
    assert 120 < n[widths.argmin()] < 500
    assert np.isinf(half_widths(np.array([2]), 0.01))[0]
    assert prior_precision(0.01) > 0
    mean, low, high = interval(np.array([1.0]), 0.05)
    assert (mean, low, high) == (1.0, -math.inf, math.inf)


@pytest.mark.slow
def test_the_models_own_contrasts_are_normal_enough(tmp_path: Path) -> None:
    """Sequences drawn from 1,500 replicates of tiny, whose contrasts are few whole numbers, looked at from 20 on."""
    asked = limited(_load(tmp_path), 40)
    wide = asked.design(1500)
    from tests.sweeps import serially

    serially(wide, tmp_path / "runs")
    sample = contrasts(asked, Store(tmp_path / "runs"), 1500)[0]
    assert len(set(sample)) < 40
    drawn = np.random.default_rng(1).choice(sample, (4000, 400))
    for error in (0.05, 0.0038):
        assert _ever_wrong(drawn, sample.mean(), error, 20, 10) <= error + 3 * math.sqrt(error / 4000)


@pytest.mark.slow
def test_what_is_rare_is_not_taken_for_nothing() -> None:
    """A sample that has seen nothing move says nothing; one in ten that does, once it has been seen ten times."""
    rare = np.zeros(60)
    assert interval(rare, 0.05) == (0.0, -math.inf, math.inf)
    rare[:9] = 1.0
    assert math.isinf(interval(rare, 0.05)[1])
    rare[9] = 1.0
    assert not math.isinf(interval(rare, 0.05)[1])
    generator = np.random.default_rng(3)
    wrong = 0
    for _ in range(500):  # true mean 0.1; looked at from 20 to 400
        sample = (generator.random(400) < 0.1).astype(float)
        looks = [interval(sample[:n], 0.05) for n in range(20, 401, 10)]
        wrong += any(not low <= 0.1 <= high for _, low, high in looks)
    assert wrong / 500 < 0.05 + 3 * math.sqrt(0.05 / 500)


# -- verdicts


@pytest.mark.parametrize(
    ("direction", "low", "high", "verdict"),
    [
        ("above", 1.5, 3.0, "supported"),
        ("above", 0.5, 3.0, "undecided"),
        ("above", -1.0, 0.9, "rejected"),
        ("below", -3.0, -1.5, "supported"),
        ("below", -3.0, -0.5, "undecided"),
        ("below", -0.9, 1.0, "rejected"),
        ("within", -0.9, 0.9, "supported"),
        ("within", 0.5, 1.5, "undecided"),
        ("within", 1.1, 1.5, "rejected"),
        ("within", -1.5, -1.1, "rejected"),
    ],
)
def test_a_verdict_follows_the_interval(direction: str, low: float, high: float, verdict: str) -> None:
    claim = Claim(text="x", indicator="adoption", direction=direction, smallest=1.0, terms=(Term(cell="a", weight=1),))
    assert claim.decide(low, high) == verdict


def test_a_decision_stands() -> None:
    claim = Claim(text="x", indicator="exchanges", direction="above", smallest=0.0, terms=(Term(cell="a", weight=1),))
    finding = Finding(claim)
    high, low = np.random.default_rng(1).normal(5.0, 1.0, 50), np.full(200, -50.0)
    finding.look(high, 0.05)
    assert (finding.verdict, finding.decided_at) == ("supported", 50)
    finding.look(np.concatenate((high, low)), 0.05)
    assert (finding.verdict, finding.decided_at) == ("supported", 50)
    assert finding.shown[0] == 50
    assert len(finding.looks) == 2


# -- put to the model


@pytest.mark.slow
def test_contrasts_are_sums_of_runs(tmp_path: Path) -> None:
    asked = _load(tmp_path)
    result = put_to_test(asked, tmp_path / "runs", workers=2)
    samples = contrasts(asked, Store(tmp_path / "runs"), 20)
    with_, without = (asked.scenario.with_values({"facilitator.fte": fte}) for fte in (4.0, 0.0))
    for replicate, seed in enumerate(replicate_seeds(3, 20)[:3]):
        ends = [simulate(one, seed)["started"] for one in (with_, without)]
        assert samples[0][replicate] == (ends[0][-1] - ends[0][35]) - (ends[1][47] - ends[1][35])
    (hypothesis, findings), *_ = result.findings
    assert asked.error_each == 0.05
    assert findings[1].verdict == "rejected"  # four persons and their co-finance cost more than half a million
    assert result.verdict(findings) == "rejected"
    again = put_to_test(asked, tmp_path / "runs", workers=2)  # nothing is run anew, and looks are the same
    assert [one.looks for one in again.findings[0][1]] == [one.looks for one in findings]
    text = verdicts_text(result)
    assert text.startswith(f"REJECTED   {hypothesis.statement}")
    assert expected(findings[1].claim) == "within 0.5 of zero"
    assert found(findings[1]) in " ".join(text.split())
    write_verdicts(result, tmp_path / "page")
    assert {"verdicts.csv", "verdicts.md", "verdicts.png", "verdicts.svg", "looks.csv"} == {
        file.name for file in (tmp_path / "page").iterdir()
    }


RATIO = """
[[hypothesis]]
name = "proportion"
statement = "More than a tenth is added"
source = "made up"
[[hypothesis.claim]]
text = "exchanges that start over those without"
indicator = "started"
direction = "above"
smallest = 0.1
terms = [{ cell = "four", weight = 1, over = "none" }, { cell = "none", weight = -1, over = "none" }]
"""


@pytest.mark.slow
def test_a_ratio_is_taken_in_each_replicate(tmp_path: Path) -> None:
    """Where nothing starts without the centre the ratio is not defined: left out and counted, never 0."""
    asked = _load(tmp_path, TEXT.replace("months = 60", "months = 48") + RATIO)
    result = put_to_test(asked, tmp_path / "runs", workers=2)
    sample = contrasts(asked, Store(tmp_path / "runs"), result.pairs)[2]
    with_, without = (asked.scenario.with_values({"facilitator.fte": fte}) for fte in (4.0, 0.0))
    for number, seed in enumerate(replicate_seeds(3, result.pairs)):
        ends = [simulate(one, seed)["started"][-1] for one in (with_, without)]
        expected_ratio = ends[0] / ends[1] - 1.0 if ends[1] else math.nan
        assert sample[number] == pytest.approx(expected_ratio, nan_ok=True)
    missing = int(np.isnan(sample).sum())
    look = result.findings[1][1][0].looks[-1]
    assert look.left_out == missing
    assert look.mean == pytest.approx(np.nanmean(sample))
    row = result.rows()[2]
    assert (row["unit"], row["left_out"]) == ("share", result.findings[1][1][0].shown.left_out)


def _claim(direction: str = "above", smallest: float = 0.0) -> Claim:
    return Claim(
        text="x|y", indicator="adoption", direction=direction, smallest=smallest, terms=(Term(cell="a", weight=1),)
    )


def test_what_is_not_defined_is_left_out_and_counted() -> None:
    finding = Finding(_claim())
    sample = np.random.default_rng(1).normal(5.0, 1.0, 60)
    sample[::3] = math.nan
    finding.look(sample, 0.05)
    assert finding.looks[0][1:4] == interval(sample[~np.isnan(sample)], 0.05)
    assert (finding.verdict, finding.shown.left_out) == ("supported", 20)
    assert counted(finding) == "60 replicates, 20 left out as not defined"
    nothing = Finding(_claim())
    nothing.look(np.full(20, math.nan), 0.05)
    assert (nothing.verdict, nothing.shown.left_out) == ("undecided", 20)
    assert found(nothing) == "not defined in any replicate"


def test_a_tie_is_called_a_tie() -> None:
    finding = Finding(_claim("within", 0.01))
    finding.look(np.zeros(500), 0.05)
    assert finding.verdict == "undecided"
    assert found(finding).startswith("0 pp in every replicate: nothing differs")
    finding.look(np.concatenate((np.ones(3), np.zeros(500))), 0.05)
    assert "no bound: fewer than 10 replicates differ" in found(finding)


@pytest.mark.slow
def test_a_page_of_what_never_differs(tmp_path: Path) -> None:
    """One month: nothing has moved, no interval has a bound, and the figure is drawn all the same."""
    text = TEXT.split("[[hypothesis.claim]]")[0].replace("months = 60", "months = 1").replace("most = 40", "most = 20")
    text += """[[hypothesis.claim]]
text = "more exchanges | in a month"
indicator = "exchanges"
direction = "above"
smallest = 0.0
terms = [{ cell = "four", weight = 1 }, { cell = "none", weight = -1 }]
"""
    result = put_to_test(_load(tmp_path, text), tmp_path / "runs", workers=2)
    assert verdicts_text(result).startswith("UNDECIDED  A centre helps")
    assert "found 0 in every replicate" in " ".join(verdicts_text(result).split())
    write_verdicts(result, tmp_path / "page")
    page = (tmp_path / "page" / "verdicts.md").read_text(encoding="utf-8")
    assert "1 month, replicates of seed 3" in page
    assert "more exchanges \\| in a month" in page


@pytest.mark.slow
def test_cells_in_another_order_are_the_same_cells(tmp_path: Path) -> None:
    """In a folder whose rows are numbered as before, and beside a new one."""
    first = put_to_test(_load(tmp_path), tmp_path / "runs", workers=2)
    swapped = TEXT.replace("none = { facilitator.fte = 0.0 }\nfour = { facilitator.fte = 4.0 }",
                           "eight = { facilitator.fte = 8.0 }\nfour = { facilitator.fte = 4.0 }\n"
                           "none = { facilitator.fte = 0.0 }")  # fmt: skip
    again = put_to_test(_load(tmp_path, swapped), tmp_path / "runs", workers=2)
    assert [one.looks for one in again.findings[0][1]] == [one.looks for one in first.findings[0][1]]


@pytest.mark.slow
def test_runs_that_are_missing_are_no_ground_for_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _load(tmp_path)
    done = experiments.sweep.run_sweep

    def undone(*args: Any, **more: Any) -> Report:
        report = done(*args, **more)
        report.done -= 1
        return report

    monkeypatch.setattr("experiments.hypotheses.run_sweep", undone)
    with pytest.raises(SweepError, match="1 runs could not be done"):
        put_to_test(asked, tmp_path / "runs", workers=2)


def test_the_shipped_set() -> None:
    """The facilitation hypotheses (h) to (j) of the specification and six more; every claim has terms that cancel."""
    assert "facilitation" in study_names()
    asked = load_hypotheses("facilitation")
    assert len(asked.hypotheses) == 9
    assert asked.error_each * len(asked.claims) == pytest.approx(0.05)
    for claim in asked.claims:
        assert sum(term.weight for term in claim.terms) == pytest.approx(0.0), claim.text
    proportion = next(one for one in asked.hypotheses if one.name == "high cost, in proportion")
    assert all(claim.relative and claim.unit == "share" for claim in proportion.claim)
    doubles = next(one for one in asked.hypotheses if one.name == "active municipality").claim[0]
    assert sorted(term.weight for term in doubles.terms) == [-2, -1, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('cell = "four", weight = 1 }', 'cell = "for", weight = 1 }', "did you mean four?"),
        ('indicator = "started"', 'indicator = "start"', "did you mean started?"),
        ("facilitator.fte = 4.0", "facilitator.ftes = 4.0", "did you mean facilitator.fte?"),
        ("facilitator.fte = 4.0", "facilitator.fte = -4.0", "not allowed"),
        ("since = 36 }, {", "since = 61 }, {", "month 61 is after the end"),
        ('direction = "above"', 'direction = "over"', "direction"),
        ("smallest = 0.5", "smallest = 0.0", "nothing is within 0"),
        ("error = 0.1", "error = 1.0", "error"),
        ('region = "tiny"', 'region = "tiney"', "did you mean tiny?"),
        ("seed = 3", "sead = 3", "sead"),
        ("weight = 1, since", "weight = nan, since", "weight"),
        (
            'cell = "four", weight = 1 }',
            'cell = "four", weight = 1, over = "none" }',
            "a ratio and a value have no sum",
        ),
        ("weight = -1, since = 36, month = 48", "weight = -1, since = 36, month = 24", "not before month 24"),
        ("facilitator.fte = 0.0 }\nfour = { facilitator.fte = 4.0 }", "}\nfour = { }", "none of them changes"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, old: str, new: str, line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        _load(tmp_path, TEXT.replace(old, new))
    assert any(line in text for text in error.value.errors), error.value.errors


def test_a_ratio_to_an_unknown_cell_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no cell 'noone'; did you mean none"):
        _load(tmp_path, TEXT + RATIO.replace('over = "none"', 'over = "noone"'))


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TEXT)
    ended = call("hypotheses", "mine.toml", "--out", "out", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert '"claim_verdict": "rejected"' in ended.stdout
    early = call("hypotheses", "mine.toml", "--out", "early", "--most", "10", cwd=tmp_path)
    assert early.returncode == 0, early.stderr
    assert "no bound" in early.stdout
    assert call("hypotheses", "mine.toml", "--most", "50", cwd=tmp_path).returncode == 2
    missing = call("hypotheses", "nothing", cwd=tmp_path)
    assert missing.returncode == 2
    assert "known: facilitation" in missing.stderr
