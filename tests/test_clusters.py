"""The scripts of docs/clusters.md: an array of jobs run with bash in SLURM's place, and MPI where it is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from experiments.store import Store
from tests.processes import Start, environment
from tests.sweeps import assert_same, design, gone, serially, shards, until, workers_of, write_design

ROOT = Path(__file__).resolve().parent.parent
PAGE, EXAMPLES = ROOT / "docs" / "clusters.md", ROOT / "docs" / "examples"
REPLICATES = 125  # 12 shards: four for each of three jobs


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep, run undisturbed in one process."""
    folder = tmp_path_factory.mktemp("reference")
    serially(design(folder, REPLICATES), folder / "out")
    return folder / "out"


@pytest.fixture
def login_node(tmp_path: Path) -> dict[str, str]:
    """An environment with `kretslopp` on the path and kernels that are compiled already: those beside the source."""
    program = tmp_path / "bin" / "kretslopp"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from kretslopp.cli import main; main()" "$@"\n')
    program.chmod(0o755)
    known = environment()
    return {"NUMBA_CACHE_DIR": "", **known, "PATH": f"{program.parent}{os.pathsep}{known['PATH']}"}


def _job(start: Start, cwd: Path, env: Mapping[str, str], number: int, of: int) -> subprocess.Popen[str]:
    """One job of an array, as SLURM starts it."""
    slurm = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": str(of), "SLURM_CPUS_PER_TASK": "1"}
    return start(["bash", str(EXAMPLES / "sweep.slurm"), "design.toml", "out"], cwd, {**env, **slurm})


def _core_hours(folder: Path) -> float:
    """What the page's lines print for a folder."""
    (block,) = re.findall(r"```python\n(import json\n.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    code = block.replace("runs/centre", str(folder))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(ended.stdout)


def test_the_page_shows_the_job_script() -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert block == (EXAMPLES / "sweep.slurm").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_array_of_jobs(start: Start, tmp_path: Path, login_node: dict[str, str], reference: Path) -> None:
    write_design(tmp_path, REPLICATES)
    for job in [_job(start, tmp_path, login_node, number, 3) for number in (1, 2, 3)]:
        _, said = job.communicate(timeout=300)
        assert job.returncode == 0, said
    assert_same(tmp_path / "out", reference)
    jobs = Store(tmp_path / "out").manifest["jobs"].values()
    assert sorted((job["part"], job["workers"], job["done"]) for job in jobs) == [
        (f"{number}/3", 1, 1000) for number in (1, 2, 3)
    ]
    assert _core_hours(tmp_path / "out") == pytest.approx(Store(tmp_path / "out").status().core_hours) != 0


@pytest.mark.slow
def test_a_job_out_of_time_ends_in_order_and_another_array_goes_on(
    start: Start, tmp_path: Path, login_node: dict[str, str], reference: Path
) -> None:
    write_design(tmp_path, REPLICATES)
    job = _job(start, tmp_path, login_node, 1, 1)
    until(lambda: 0 < len(shards(tmp_path / "out")) < 8, job)
    workers = workers_of(job)
    job.terminate()  # the shell's process, as --signal=B
    _, said = job.communicate(timeout=120)
    assert job.returncode == 143, said
    assert "the same command goes on" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert gone(workers)
    store = Store(tmp_path / "out")
    assert 0 < store.counts()[0] < store.total
    assert [one["ended"] is None for one in store.manifest["jobs"].values()] == [False]
    for number in (1, 2):
        job = _job(start, tmp_path, login_node, number, 2)
        _, said = job.communicate(timeout=300)
        assert job.returncode == 0, said
    assert_same(tmp_path / "out", reference)


def test_a_single_number_of_an_array_is_refused(start: Start, tmp_path: Path, login_node: dict[str, str]) -> None:
    write_design(tmp_path, REPLICATES)
    job = _job(start, tmp_path, login_node, 7, 1)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 2
    assert "--shard 7/1" in said
    assert not (tmp_path / "out").exists()


# -- MPI


@pytest.fixture
def sweep_mpi() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("sweep_mpi", EXAMPLES / "sweep_mpi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("arguments", [[], ["design.toml"], ["design.toml", "out", "more"]])
def test_the_mpi_script_says_how_it_is_used(sweep_mpi: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="usage: mpiexec"):
        sweep_mpi.main(arguments)


@pytest.fixture
def mpiexec() -> str:
    """The launcher, where there is one with mpi4py."""
    pytest.importorskip("mpi4py")
    found = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("needs mpiexec")
    return found


@pytest.mark.slow
def test_mpi_processes_give_the_bits_of_one_process(tmp_path: Path, mpiexec: str, reference: Path) -> None:
    write_design(tmp_path, REPLICATES)
    open_mpi = {  # more processes than processors, and as root: 5.0, and before it
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    words = [mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", str(EXAMPLES / "sweep_mpi.py")]
    ended = subprocess.run(
        [*words, "design.toml", "out"],
        env={**environment(), **open_mpi},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert "done=3000" in ended.stdout
    (job,) = Store(tmp_path / "out").manifest["jobs"].values()
    assert job["workers"] == 2
    assert_same(tmp_path / "out", reference)
