"""Imports run one way and are silent; no mechanism is longer than a screen; the compiled cache follows the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from abm.kernelcache import STAMP, source_stamp
from abm.scenario import load_scenario
from experiments.effect import WITH, WITHOUT, _one_replicate, without_centre
from experiments.runner import run_all

ROOT = Path(__file__).resolve().parent.parent
ORDER = ("abm", "experiments", "calibration", "results", "kretslopp")
SOURCES = [file for folder in ORDER for file in sorted((ROOT / folder).glob("*.py"))]
SCREEN = 60


def _imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_imports_run_one_way(file: Path) -> None:
    later = set(ORDER[ORDER.index(file.parent.name) + 1 :]) | {"tests", "benchmarks"}
    assert not _imported(file) & later


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_functions_fit_on_a_screen(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            docstring = len((ast.get_docstring(node) or "").splitlines())
            assert (node.end_lineno or 0) - node.lineno + 1 - docstring <= SCREEN, node.name


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_is_not_a_kernel_is_typed(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            decorators = {one.id for one in node.decorator_list if isinstance(one, ast.Name)}
            arguments = [one for one in node.args.args + node.args.kwonlyargs if one.arg not in ("self", "cls")]
            if not decorators & {"kernel", "mechanism", "event"}:
                assert node.returns is not None, node.name
                assert all(one.annotation is not None for one in arguments), node.name


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_mesa_stays_in_its_module(file: Path) -> None:
    """Only abm/model.py imports Mesa, and no other part of the model imports abm/model.py."""
    face = file == ROOT / "abm" / "model.py"
    assert ("mesa" in _imported(file)) == face
    assert face or file.parent.name != "abm" or "abm.model" not in file.read_text(encoding="utf-8")


def _modules_after(statement: str) -> tuple[set[str], str]:
    code = f"import sys; {statement}; print(*sorted(name for name in sys.modules if '.' not in name))"
    call = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    *said, modules = call.stdout.splitlines()
    return set(modules.split()), "\n".join(said) + call.stderr


def test_importing_the_package_is_light_and_silent() -> None:
    modules, said = _modules_after("import kretslopp")
    assert not modules & {"mesa", "matplotlib", "numba", "pandas", "numpy", "scipy"}
    assert said == ""


def test_a_run_needs_no_mesa_matplotlib_or_pandas() -> None:
    modules, said = _modules_after(
        "import kretslopp as kr; kr.simulate(kr.load_scenario('tiny', {'run.spin_up': 0}, months=1), 1)"
    )
    assert not modules & {"mesa", "matplotlib", "pandas"}
    assert said == ""


def test_a_worker_process_imports_only_what_it_runs() -> None:
    """A replicate of `effect` in a fresh process: what it imports besides the model, and the same digits."""
    scenario = load_scenario("tiny", {"run.spin_up": 0}, months=1)
    replicate = partial(_one_replicate, {WITHOUT: without_centre(scenario), WITH: scenario}, (WITH,), [0, 1], 1)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = run_all(replicate, [1, 2], executor=pool)
        modules = pool.submit(eval, "set(__import__('sys').modules)").result()
    assert "abm.simulate" in modules
    unneeded = {"mesa", "networkx", "SALib", "matplotlib", "jinja2", "pandas", "pyarrow", "typer", "rich"}
    assert not modules & unneeded
    assert not {name for name in modules if name.startswith(("kretslopp.", "results."))}
    for away, here in zip(there, map(replicate, (1, 2)), strict=True):
        np.testing.assert_array_equal(away.ends, here.ends)
        np.testing.assert_array_equal(away.monthly[WITH], here.monthly[WITH])
        assert set(away.networks) <= {WITHOUT, WITH}


def test_a_worker_of_a_sweep_imports_no_pandas(tmp_path: Path) -> None:
    """Running and writing a shard takes pyarrow, and nothing that only people look at."""
    code = (
        "from pathlib import Path; from dataclasses import replace; from abm.scenario import load_scenario; "
        "from experiments.designs import Design, Thinning; from experiments.sweep import _pilot; "
        "from experiments.shards import run_shard; "
        "design = Design('x', load_scenario('tiny', {'run.spin_up': 0}, months=2), {}, 1); "
        f"job = replace(_pilot(design, 0), folder=Path({str(tmp_path)!r}), trajectories=Thinning(('adoption',), 1)); "
        "run_shard(job)"
    )
    modules, said = _modules_after(code)
    assert "pyarrow" in modules
    assert not modules & {"pandas", "mesa", "matplotlib", "typer", "rich", "SALib"}
    assert said == ""


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['kretslopp', '--help']; from kretslopp.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print(*sorted(sys.modules), file=sys.stderr)"
    call = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "effect" in call.stdout
    assert not set(call.stderr.split()) & {
        "numpy",
        "numba",
        "pandas",
        "matplotlib",
        "scipy",
        "mesa",
        "rich",
        "pydantic",
    }


def test_stamp_follows_every_source_file(tmp_path: Path) -> None:
    assert source_stamp(ROOT / "abm") == STAMP
    (tmp_path / "one.py").write_text("a = 1\n")
    (tmp_path / "two.py").write_text("b = 1\n")
    before = source_stamp(tmp_path)
    (tmp_path / "two.py").write_text("b = 2\n")
    assert source_stamp(tmp_path) != before


def test_a_changed_callee_in_another_file_is_compiled_anew(tmp_path: Path) -> None:
    """What Numba's own cache gets wrong: it looks at the caller's file alone."""
    package = tmp_path / "abm"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("compiled.py", "kernelcache.py", "texts.py"):
        (package / name).write_text((ROOT / "abm" / name).read_text(encoding="utf-8"))
    (package / "callee.py").write_text("from abm.compiled import kernel\n@kernel\ndef inner(x):\n    return x + 1\n")
    (package / "caller.py").write_text(
        "from abm.compiled import kernel\nfrom abm.callee import inner\n"
        "@kernel\ndef outer(x):\n    return inner(x) * 2\n"
    )
    run = [sys.executable, "-c", "from abm.caller import outer; print(outer(1))"]
    outputs = []
    for body in ("x + 1", "x + 10", "x + 10"):
        text = f"from abm.compiled import kernel\n@kernel\ndef inner(x):\n    return {body}\n"
        (package / "callee.py").write_text(text)
        outputs.append(subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip())
    assert outputs == ["4", "22", "22"]
