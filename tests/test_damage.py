"""A sweep's folder that is not as it was written: seen by `status` and by the same sweep command, which mends it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import experiments.inorder
import experiments.shards
import experiments.store
from abm.scenario import ScenarioError
from experiments.shardfile import SIGN, Damaged, read_bytes
from experiments.store import Store
from experiments.sweep import Report, SweepError
from tests.processes import call
from tests.sweeps import TEXT, assert_same, design, runs, serially, shards

REPLICATES = 30  # five replicates in a second block: 24 rows of the design in each of two


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of some shards, run undisturbed, beside its design."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as small:
        small.setattr(experiments.shards, "MOST", 48)
        serially(design(folder, REPLICATES), folder / "out")
    assert len(shards(folder / "out")) > 10
    return folder / "out"


@pytest.fixture
def out(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, to be damaged."""
    monkeypatch.setattr(experiments.shards, "MOST", 48)
    shutil.copytree(whole, tmp_path / "out")
    return tmp_path / "out"


def _again(out: Path) -> Report:
    return serially(design(out.parent, REPLICATES), out)


def _flip(file: Path, byte: int, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[byte] ^= 1 << bit
    file.write_bytes(content)


# -- shards


@pytest.mark.parametrize("kind", ["runs", "trajectories"])
def test_any_flipped_bit_is_seen(out: Path, kind: str) -> None:
    """Wherever it is: in pages, between them, in the footer, in the checksum itself."""
    file = sorted((out / kind).glob("*.parquet"))[0]
    content, chance = file.read_bytes(), random.Random(1)
    at = content.rindex(SIGN)
    places = {0, 3, at, at + len(SIGN), at + len(SIGN) + 31, len(content) - 9, len(content) - 1}
    places |= {chance.randrange(len(content)) for _ in range(300)}
    for place in places:
        _flip(file, place, chance.randrange(8))
        with pytest.raises(Damaged):
            read_bytes(file)
        file.write_bytes(content)
    assert read_bytes(file) == content


def test_each_damaged_shard_is_named_and_mended(out: Path, whole: Path) -> None:
    first, second, third, fourth, fifth, *_ = shards(out)
    _flip(first, 2000, 3)
    second.write_bytes(second.read_bytes()[:-100])
    months = out / "trajectories"
    _flip(months / third.name, 700, 0)
    (months / fourth.name).unlink()
    pd.read_parquet(fifth).drop(columns=["adoption"]).to_parquet(fifth)  # by another program
    status = Store(out).status()
    assert [line.split(":")[0] for line in status.damaged] == [
        f"{kind}/{file.name}"
        for kind, file in zip(("runs", "runs", "trajectories", "trajectories", "runs"), shards(out)[:5], strict=True)
    ]
    assert 0 < status.done < status.total
    with pytest.raises(ScenarioError, match=r"runs/\w+\.parquet: .*the same sweep command mends it"):
        Store(out).frame()
    report = _again(out)
    assert report.left == 0
    assert report.done == status.total - status.done
    assert len(report.damaged) == 4  # one was not there at all
    assert all("put aside in damaged/" in line for line in report.damaged)
    assert len(list((out / "damaged").iterdir())) == 4
    assert Store(out).status().damaged == ()
    assert_same(out, whole)


@pytest.mark.slow
def test_a_shard_from_another_place_is_put_aside(out: Path, whole: Path, tmp_path: Path) -> None:
    other = TEXT.replace("seed = 5", "seed = 6")
    serially(design(tmp_path, 1, other), tmp_path / "other")
    (tmp_path / "more").mkdir()
    serially(design(tmp_path / "more", REPLICATES + 10), tmp_path / "more" / "out")
    larger = next(file for file in shards(tmp_path / "more" / "out") if not (out / "runs" / file.name).exists())
    foreign, (first, second, *_) = shards(tmp_path / "other")[0], shards(out)
    for kind in ("runs", "trajectories"):
        shutil.copy(tmp_path / "other" / kind / foreign.name, out / kind)
        shutil.copy(tmp_path / "more" / "out" / kind / larger.name, out / kind)
    shutil.copy(first, second)
    said = Store(out).status().damaged
    assert f"runs/{second.name}: a copy of runs/{first.name}" in said
    assert any(f"{foreign.name}: of another design" in line for line in said)
    report = _again(out)
    said = tuple(sorted(report.damaged))
    assert sum("of another design" in line for line in said) == 2
    assert sum("of a larger design" in line for line in said) == 2
    assert not {foreign.name, larger.name} & {file.name for file in shards(out)}
    assert_same(out, whole)


def test_a_shard_of_rows_under_other_numbers_is_put_aside(tmp_path: Path) -> None:
    """A folder that has grown numbers its rows otherwise than one of the larger design from the start."""
    wide = TEXT.replace("[0.5, 1.0, 2.0]", "[0.25, 0.5, 1.0, 2.0]")
    for name, texts in (("grown", (TEXT, wide)), ("afresh", (wide,))):
        for text in texts:
            serially(design(tmp_path, 2, text), tmp_path / name)
    plan = design(tmp_path, 2, wide)
    expected = runs(tmp_path / "afresh")
    for kind in ("runs", "trajectories"):
        for file in (tmp_path / "grown" / kind).glob("*.parquet"):
            shutil.copy(file, tmp_path / "afresh" / kind)
    report = serially(plan, tmp_path / "afresh")
    assert report.damaged
    assert all("rows have other numbers" in line for line in report.damaged)
    pd.testing.assert_frame_equal(runs(tmp_path / "afresh"), expected, check_exact=True)


# -- the manifest and the design


def _edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        content = json.loads(text)
        change(content)
        return json.dumps(content)

    return edit


DAMAGES = {
    "cut": lambda text: text[:200],
    "empty": lambda text: "",
    "no text": lambda text: "\x00" * 50,
    "deep": lambda text: "[" * 100_000,
    "a number": lambda text: "17",
    "a list": lambda text: "[]",
    "only the kind": lambda text: '{"kind": "sweep"}',
    "no jobs": _edited(lambda content: content.pop("jobs")),
    "jobs a list": _edited(lambda content: content.update(jobs=[1])),
    "a job a number": _edited(lambda content: content.update(jobs={"a": 1})),
    "rows a text": _edited(lambda content: content["design"].update(rows="many")),
    "arms a list": _edited(lambda content: content["design"].update(arms=["with"])),
    "a seed another": _edited(lambda content: content["design"].update(seed=6)),
    "replicates others": _edited(lambda content: content["design"].update(replicates=31)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_is_one_line_and_mended(out: Path, whole: Path, damage: str) -> None:
    file = out / "manifest.json"
    file.write_text(DAMAGES[damage](file.read_text()))
    with pytest.raises(ScenarioError) as seen:
        Store(out)
    (line,) = seen.value.errors
    assert f"{file}: damaged (" in line
    assert "the same sweep command mends it" in line
    report = _again(out)
    assert report.done == 0
    assert [line.split(" (")[0] for line in report.damaged] == ["manifest.json: damaged"]
    assert Store(out).status().damaged == ()
    assert_same(out, whole)


def test_a_manifest_that_is_gone_is_written_anew(out: Path, whole: Path) -> None:
    (out / "manifest.json").unlink()
    with pytest.raises(ScenarioError, match=r"the same sweep command writes manifest\.json anew"):
        Store(out)
    assert _again(out).damaged == ["manifest.json: gone; written anew from the design, without the core-hours so far"]
    assert_same(out, whole)


def test_a_damaged_manifest_does_not_give_the_runs_to_another_design(out: Path) -> None:
    (out / "manifest.json").write_text("")
    plan = design(out.parent, REPLICATES, TEXT.replace("seed = 5", "seed = 6"))
    with pytest.raises(ScenarioError, match="is of another design"):
        serially(plan, out)
    assert not (out / "damaged").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "another's", "gone", "by another program"])
def test_damaged_rows_are_seen_and_written_anew(out: Path, whole: Path, damage: str) -> None:
    file = out / "design.parquet"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:500])
    elif damage == "flipped":
        _flip(file, file.stat().st_size // 2, 5)
    elif damage == "gone":
        file.unlink()
    elif damage == "another's":
        serially(design(out.parent, 1, TEXT.replace("seed = 5", "seed = 6")), out.parent / "other")
        shutil.copy(out.parent / "other" / "design.parquet", file)
    else:
        pd.read_parquet(file).astype({"transaction.multiplier": str}).to_parquet(file)
    (said,) = Store(out).status().damaged
    assert said.startswith("design.parquet: ")
    with pytest.raises(ScenarioError, match=r"design\.parquet: .*the same sweep command mends it"):
        Store(out).rows()
    report = _again(out)
    assert report.done == 0
    (line,) = report.damaged
    assert line.endswith("written anew from the design")
    assert_same(out, whole)


def test_rows_of_a_grown_folder_are_done_again_where_their_numbers_are_lost(tmp_path: Path) -> None:
    wide = TEXT.replace("[0.5, 1.0, 2.0]", "[0.25, 0.5, 1.0, 2.0]")
    for text in (TEXT, wide):
        plan = design(tmp_path, 2, text)
        serially(plan, tmp_path / "out")
    (tmp_path / "out" / "design.parquet").unlink()
    report = serially(plan, tmp_path / "out")
    assert report.left == 0
    serially(plan, tmp_path / "afresh")
    pd.testing.assert_frame_equal(runs(tmp_path / "out"), runs(tmp_path / "afresh"), check_exact=True)


def test_the_command_names_what_it_mends(tmp_path: Path) -> None:
    serially(design(tmp_path, 2), tmp_path / "out")
    (file,) = shards(tmp_path / "out")
    _flip(file, 1000, 1)
    told = call("status", "out", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert f"damaged: runs/{file.name}: its bytes are not those that were written" in told.stdout
    assert "mends what is damaged" in told.stdout
    merged = call("merge", "out", cwd=tmp_path)
    assert merged.returncode == 2
    assert len(merged.stderr.splitlines()) == 1
    mended = call("sweep", "design.toml", "--out", "out", "--workers", "1", cwd=tmp_path)
    assert mended.returncode == 0, mended.stderr
    assert f"kretslopp: runs/{file.name}: its bytes" in mended.stderr
    assert json.loads(call("status", "out", "--json", cwd=tmp_path).stdout)["damaged"] == []


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_manifest_that_is_lost_while_the_sweep_runs_ends_it_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    out, simulate = tmp_path / "out", experiments.shards.simulate_arms

    def losing(arms: Any, seed: int) -> Any:
        if damage == "gone":
            (out / "manifest.json").unlink(missing_ok=True)
        else:
            (out / "manifest.json").write_text('{"kind": ')
        return simulate(arms, seed)

    monkeypatch.setattr(experiments.shards, "simulate_arms", losing)
    with pytest.raises(SweepError) as ended:
        serially(design(tmp_path, 2), out)
    assert "manifest.json: " in str(ended.value)
    assert "same" in str(ended.value)
    monkeypatch.undo()
    assert serially(design(tmp_path, 2), out).left == 0
    assert len(runs(out)) == 48


# -- reading


def test_each_shard_is_read_once(out: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of tables that the rows come in."""
    read: list[str] = []
    check = experiments.store.check

    def counting(file: Path, owner: str, name: str) -> Any:
        read.append(name)
        return check(file, owner, name)

    monkeypatch.setattr(experiments.store, "check", counting)
    expected = sorted(f"runs/{file.name}" for file in shards(out))
    for step in (1, 5, 200):
        read.clear()
        tables = list(Store(out).tables(["adoption"], step=step))
        assert sorted(read) == expected
        rows = [table["row"].to_pylist() for table in tables]
        assert sum(map(len, rows)) == Store(out).total
        assert all(max(one) < min(other) for one, other in pairwise(rows))
        assert (len(tables) > 3) == (step == 1)
    read.clear()
    _, merged = Store(out).merge()
    assert sorted(read) == expected
    assert merged == Store(out).total
    pd.testing.assert_frame_equal(pd.read_parquet(out / "merged.parquet"), runs(whole), check_exact=True)


def test_few_shards_are_held_at_a_time(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a design of many rows, those whose rows come next: here a few of each of the two blocks."""
    held: list[int] = []
    split = experiments.inorder._split

    def watching(tables: Any, limit: float) -> Any:
        held.append(sum(table.num_rows for table in tables))
        return split(tables, limit)

    monkeypatch.setattr(experiments.inorder, "_split", watching)
    total = sum(table.num_rows for table in Store(out).tables(["adoption"], step=1))
    assert total == Store(out).total
    assert max(held) < total / 3
