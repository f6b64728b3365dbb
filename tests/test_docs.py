"""What the manual says is so: its tables are current, its commands run, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.processes import call

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "MODEL.md", *sorted((ROOT / "docs").glob("*.md"))]
sys.path.insert(0, str(ROOT / "docs"))
from tables import pages  # noqa: E402

COMMANDS = sorted(
    {
        line.split("#")[0].strip()
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
        for line in block.splitlines()
        if line.startswith("kretslopp ") and "tcp://" not in line  # a scheduler: tests/test_sweep.py
    }
)
LONG = ("calibrate", "compare", "effect", "hypotheses", "run", "sensitivity", "study", "sweep", "validate")
ON_SWEEPS = ("sweep", "status", "merge")
FEW_RUNS = {"12": "9400", "functions": "124", "map": "200"}  # the 12 that matter: a screening of all needs a fifth
SMALLEST = ("--points", "20", "--replicates", "2", "--inputs", "2", "--waves", "1", "--particles", "20")
LARGE = ("sweden", "bergslagen", "national-nodes", "one-place")
DESIGN = ROOT / "docs" / "examples" / "centre.toml"


@pytest.mark.parametrize("name", pages())
def test_tables_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages()[name], "run: make docs"


def _marked(command: str) -> Any:
    return pytest.param(command, marks=pytest.mark.slow) if command.split()[1] in LONG else command


@pytest.mark.parametrize("command", [_marked(command) for command in COMMANDS])
def test_commands_run(command: str, tmp_path: Path) -> None:
    """Each command of the manual, on the small region (a large one: with few firms) and few replicates."""
    words = [word.replace("ostergotland", "tiny") for word in shlex.split(command)[1:]]
    words = [str(ROOT / word) if word.startswith("docs/") else word for word in words]
    if words[0] in ON_SWEEPS:
        words = _small_sweep(words, tmp_path)
    elif words[0] == "calibrate":
        words = [*("1" if word == "20" else word for word in words), "--targets", "cluster_streams", *SMALLEST]
    elif words[0] == "validate":
        words += ["--replicates", "4"]
    elif words[0] == "hypotheses":
        words += ["--most", "20"]
    elif words[0] == "sensitivity":
        few = next((runs for name, runs in FEW_RUNS.items() if name in words), "2000")
        words += ["--months", "130", "--runs", few]  # the last one counts
    elif words[0] not in ("list", "prices", "new-region", "check", "export"):
        few = "10" if "--posterior" in words else "4"
        words = ["0.03" if word == "0.01" else word for word in words]  # a ninth of the pairs
        words += ["--months", "130"] + ([] if "auto" in words else ["--replicates", few])
    if any(name in word for word in words for name in LARGE):  # all municipalities, with few firms for speed
        words += ["--set", "population.firms=300"]
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    if any("Norrbygden/" in word for word in words):
        _call(["new-region", "Norrbygden"], tmp_path)
    if "--posterior" in words:
        file = tmp_path / words[words.index("--posterior") + 1]
        file.parent.mkdir(parents=True)
        file.write_text("discovery.finds\n" + "0.3\n0.4\n" * 5, encoding="utf-8")
    _call(words, tmp_path)


def _call(words: list[str], folder: Path) -> None:
    ended = call(*words, cwd=folder)
    assert ended.returncode == 0, ended.stderr


def _small_sweep(words: list[str], folder: Path) -> list[str]:
    """The command on a design as small as the other commands; `status` and `merge` find a folder that is done."""
    design = Path(words[1]) if words[0] == "sweep" else DESIGN
    text = design.read_text(encoding="utf-8").replace("ostergotland", "tiny")
    small = folder / "design.toml"
    small.write_text(re.sub(r"^replicates = \d+", "replicates = 2", text, flags=re.M), encoding="utf-8")
    if words[0] == "sweep":
        return ["sweep", str(small), *words[2:]]
    _call(["sweep", str(small), "--out", words[1], "--workers", "1"], folder)
    return words


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/policies.md", "docs/sweeps.md", "docs/sensitivity.md"])
def test_python_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)  # some write into runs/
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    for block in blocks:
        exec(compile(block.replace("ostergotland", "tiny").replace("=100", "=4"), page, "exec"), {})


@pytest.mark.slow
def test_notebook_runs() -> None:
    notebook = nbformat.read(ROOT / "docs" / "mesa.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "clear the outputs"
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert any(cell.outputs for cell in code)


def test_example_of_a_rule_is_the_file() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "user-rules.md").read_text(encoding="utf-8"), re.S)
    assert block == (ROOT / "docs" / "examples" / "prospect_theory.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_mechanism_is_in_the_model_description() -> None:
    text = (ROOT / "MODEL.md").read_text(encoding="utf-8")
    for file in sorted((ROOT / "abm").glob("*.py")):
        if file.name != "__init__.py":
            assert f"abm/{file.name}" in text, file.name
