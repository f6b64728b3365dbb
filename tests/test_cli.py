"""The command line as a user meets it: exit codes, one-line errors, JSON alone on stdout, whole files."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from experiments.files import whole, write_json
from tests.processes import KRETSLOPP, Start, call


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "ostergotland", "--set", "prices.volatilty=2"], "prices.volatility"),
        (["run", "missing.toml"], "no such file"),
        (["effect", "ostergotland", "--fte", "-1"], "facilitator.fte"),
        (["effect", "ostergotland", "--fte", "many"], "--fte"),
        (["run", "ostergotland", "--set", "facilitator.fte=many"], "facilitator.fte"),
        (["run", "nowhere"], "ostergotland"),
        (["run", "tiny", "--replicates", "0"], "--replicates"),
        (["run", "tiny", "--replicates", "1000000000000"], "--replicates"),
        (["run", "tiny", "--seed", str(2**64)], "--seed"),
        (["run", "./"], "directory"),
        (["run", "tiny", "--months", "0"], "months"),
        (["run", "tiny", "--set", "facilitator.fte=1", "--set", "facilitator.fte=2"], "given twice"),
        (["effect", "tiny", "--fte", "1", "--set", "facilitator.fte=2"], "given twice"),
        (["run"], "REGION"),
        (["run", "tiny", "--sett", "x=1"], "--set"),
        (["run", "tiny", "--panel", "exchange"], "did you mean exchanges?"),
        (["run", "tiny", "--panel", ""], "known: participants, exchanges"),
        (["run", "tiny", "--panel", "exchanges,exchanges"], "given twice"),
        (["run", "tiny", "--panel", "exchanges", "--every", "2"], "--every"),
        (["run", "tiny", "--panel", "participants", "--every", "181"], "180 months"),
        (["list", "parameter"], "parameters"),
        (["run", "tiny", "--set", "appraisal.rule=mine.py:own"], "mine.py: no such file"),
        (["run", "tiny", "--set", "appraisal.mix=nvp@0.3"], "did you mean npv?"),
        (["study", "tiny", "--small", "exchange=10"], "did you mean exchanges?"),
        (["effect", "tiny", "--small", "exchanges=1", "--posterior", "p.csv"], "--small"),
        (["study", "tiny", "--out", os.devnull], "--out"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(tmp_path: Path, arguments: list[str], expected: str) -> None:
    ended = call(*arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert expected in ended.stderr
    assert ended.stdout == ""
    assert list(tmp_path.rglob("*")) == []  # nothing was started


def test_several_errors_are_several_lines(tmp_path: Path) -> None:
    ended = call("run", "tiny", "--set", "a.b=1", "--set", "facilitator.fte=-2", cwd=tmp_path)
    assert (ended.returncode, len(ended.stderr.strip().splitlines())) == (2, 2)


@pytest.mark.slow
def test_a_rule_file_from_anywhere(tmp_path: Path) -> None:
    """Named from outside the project's folder, relative to where the command runs; the report and manifest tell it."""
    example = Path(__file__).resolve().parent.parent / "docs" / "examples" / "prospect_theory.py"
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.py").write_text(example.read_text())
    setting = "appraisal.mix=rules/mine.py:prospect_theory@0.5, npv@C24"
    ended = call("study", "tiny", "--replicates", "3", "--months", "24", "--set", setting, "--out", "o", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    assert list(manifest["rule_files"]) == [str(tmp_path / "rules" / "mine.py")]
    report = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert "Exceptions, 0.5: “mine.py:prospect_theory” (Prospect theory: join if" in report
    assert sorted(file.name for file in (tmp_path / "rules").iterdir()) == ["mine.py"]  # nothing cached beside it


def test_rules_are_listed_with_their_sources(tmp_path: Path) -> None:
    rows = json.loads(call("list", "rules", "--json", cwd=tmp_path).stdout)
    assert [row["name"] for row in rows] == ["npv", "payback", "real_option", "planned_behaviour", "satisficing"]
    assert all(row["meaning"] and row["source"] for row in rows)
    assert "appraisal.aspiration" in rows[-1]["parameters"]


def test_effect_json(tmp_path: Path) -> None:
    ended = call("effect", "tiny", "--fte", "4", "--replicates", "12", "--months", "60", "--json", cwd=tmp_path)
    assert ended.returncode == 0
    result = json.loads(ended.stdout)
    adoption = result["indicators"]["adoption"]
    assert set(adoption) >= {"mean", "ci_low", "ci_high", "pairs", "pairing_gain", "pairing_gain_ci"}
    assert (adoption["pairs"], result["months"], result["seed"]) == (12, 60, 1)
    assert adoption["ci_low"] <= adoption["mean"] <= adoption["ci_high"]
    assert "12 of 12" in ended.stderr
    again = call("effect", "tiny", "--fte", "4", "--replicates", "12", "--months", "60", "--json", cwd=tmp_path)
    assert again.stdout == ended.stdout


def test_one_pair_has_no_interval_but_valid_json(tmp_path: Path) -> None:
    ended = call("effect", "tiny", "--replicates", "1", "--months", "3", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr

    def refuse(name: str) -> None:
        raise AssertionError(name)

    adoption = json.loads(ended.stdout, parse_constant=refuse)["indicators"]["adoption"]
    assert adoption["ci_low"] is None
    assert adoption["pairing_gain"] is None


def test_run_writes_trajectories_and_manifest(tmp_path: Path) -> None:
    ended = call("run", "tiny", "--replicates", "3", "--months", "24", "--out", "out", cwd=tmp_path)
    assert ended.returncode == 0
    frame = pd.read_parquet(tmp_path / "out" / "trajectories.parquet")
    assert list(frame.columns[:3]) == ["replicate", "month", "adoption"]
    assert (len(frame), frame["month"].min(), frame["month"].max()) == (72, 1, 24)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["parameters"]["facilitator.fte"] == 4.0
    assert manifest["seed"] == 1
    assert {"commit", "command", "versions", "months", "region"} <= set(manifest)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["manifest.json", "trajectories.parquet"]


@pytest.mark.parametrize(
    "what", [pytest.param("regions", marks=pytest.mark.slow), "parameters", "byproducts", "rules", "indicators"]
)
def test_lists(what: str) -> None:
    rows = json.loads(call("list", what, "--json").stdout)
    assert len(rows) >= 2
    text = call("list", what).stdout
    assert len(text.splitlines()) == len(rows) + 1
    expected = {
        "parameters": {"name", "default", "low", "high", "unit", "meaning", "source"},
        "indicators": {"name", "unit", "meaning"},
    }
    assert expected.get(what, set()) <= set(rows[0])


@pytest.mark.slow
def test_interrupting_leaves_no_half_written_file(start: Start, tmp_path: Path) -> None:
    process = start([*KRETSLOPP, "study", "ostergotland", "--replicates", "400", "--out", "out"], tmp_path)
    assert process.stderr is not None
    while "40 of 400" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130
    assert error.strip().splitlines()[-1].startswith("kretslopp: interrupted")
    assert "Traceback" not in error
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_file_is_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    file.write_text("old")

    def half_written() -> None:
        with whole(file) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_written()
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.txt"]
    assert file.read_text() == "old"
    with pytest.raises(ValueError, match=r"Out of range"):
        write_json(file, {"x": float("nan")})
    assert file.read_text() == "old"
