"""What is compiled is kept, found again, and never taken for what it is not; where it cannot be kept the model runs.

A stand-in of two functions in two files has the project's own decorators and cache: it compiles in a second.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numba
import pytest

from abm import kernelcache
from abm.kernelcache import ABOUT, FOLDERS, KEPT, LOG, SUFFIX, UNFINISHED, CompilerError, KernelCache

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("__init__", "compiled", "kernelcache", "texts")  # of the model, that the stand-in needs
CALLEE = "from abm.compiled import kernel\n@kernel\ndef inner(x):\n    return x + {}\n"
CALLER = (
    "from abm.compiled import kernel\nfrom abm.callee import inner\n@kernel\ndef outer(x):\n    return inner(x) * 2\n"
)
BOTH = ["abm.callee.inner", "abm.caller.outer"]
GENERIC = {"NUMBA_CPU_NAME": "generic"}


class StandIn:
    """A folder with a small model, its callee adding a number, and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.log = folder, folder / "home", folder / "log"
        self.package = folder / "abm"
        self.ready = self.package / "ready"
        if self.package.exists():
            return
        self.package.mkdir()
        self.home.mkdir()
        for name in MODULES:
            shutil.copy(ROOT / "abm" / f"{name}.py", self.package)
        self.write(1)
        (self.package / "caller.py").write_text(CALLER)

    def copied(self, folder: Path) -> StandIn:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return StandIn(folder)

    def write(self, added: int) -> None:
        (self.package / "callee.py").write_text(CALLEE.format(added))

    @property
    def kept(self) -> list[Path]:
        return sorted(self.folder.glob(f"**/{FOLDERS}*/*{SUFFIX}"))

    def environment(self, **changes: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))}
        return {**clean, "HOME": str(self.home), "PYTHONPATH": str(self.folder), LOG: str(self.log), **changes}

    def start(self, limit: int | None = None, **changes: str) -> subprocess.Popen[str]:
        """A run as a process; `limit`: bytes that a file can have."""

        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        self.log.unlink(missing_ok=True)
        if limit is not None:  # Python keeps its own byte code even where its end was not written
            changes["PYTHONDONTWRITEBYTECODE"] = "1"
        return subprocess.Popen(
            [sys.executable, "-c", "from abm.caller import outer; print(outer(1))"],
            cwd=self.folder,
            env=self.environment(**changes),
            preexec_fn=limited,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, limit: int | None = None, **changes: str) -> tuple[str, list[str], list[str]]:
        """What a run printed, the functions it compiled, and the lines it said."""
        process = self.start(limit, **changes)
        printed, said = process.communicate()
        assert process.returncode == 0, said
        compiled = self.log.read_text().splitlines() if self.log.exists() else []
        return printed.strip(), sorted(compiled), said.splitlines()


@pytest.fixture
def model(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """One that has run once."""
    model = StandIn(tmp_path_factory.mktemp("filled"))
    assert model.run() == ("4", BOTH, [])
    return model


@pytest.fixture(scope="module")
def filled_ready(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """One whose kernels, for any processor, are where a wheel has them."""
    model = StandIn(tmp_path_factory.mktemp("ready"))
    model.run(NUMBA_CPU_NAME="generic")
    model.kept[0].parent.rename(model.ready)
    code = "from abm.kernelcache import READY, describe; describe(READY)"
    subprocess.run([sys.executable, "-c", code], cwd=model.folder, env=model.environment(), check=True)
    return model


@pytest.fixture
def copy(filled: StandIn, tmp_path: Path) -> StandIn:
    return filled.copied(tmp_path)


@pytest.fixture
def ready(filled_ready: StandIn, tmp_path: Path) -> StandIn:
    return filled_ready.copied(tmp_path)


def test_a_second_run_compiles_nothing_wherever_the_files_are(copy: StandIn) -> None:
    assert len(copy.kept) == 2
    assert copy.run() == ("4", [], [])


def test_an_edited_source_is_compiled_anew_and_the_old_one_found_again(copy: StandIn) -> None:
    """What Numba's own cache gets wrong: it looks at the caller's file alone."""
    copy.write(10)
    assert copy.run() == ("22", BOTH, [])
    assert copy.run() == ("22", [], [])
    copy.write(1)
    assert copy.run() == ("4", [], [])


def damaged(content: bytes) -> Iterator[bytes]:
    for place in (0, 20, len(content) // 3, len(content) // 2, len(content) - 1):
        yield content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
    yield from (content[:length] for length in (0, 1, 16, 17, len(content) // 2, len(content) - 1))
    yield from (content + b"\0", content + content, b"garbage", b"\0" * 5000, b"\x80\x04N.")


def test_a_damaged_file_is_as_good_as_none(copy: StandIn) -> None:
    """Each damage is seen before anything of the file is used; with the last of them, the model runs."""
    for file in copy.kept:
        for content in damaged(file.read_bytes()):
            file.write_bytes(content)
            assert not kernelcache._read(file)
    assert copy.run() == ("4", BOTH, [])
    assert copy.run() == ("4", [], [])
    assert len(copy.kept) == 2


def test_a_file_that_cannot_be_used_though_it_is_whole(copy: StandIn) -> None:
    for file in copy.kept:
        kernelcache._write(file.parent, file.name, b"not what Numba kept")
    assert copy.run() == ("4", BOTH, [])
    assert copy.run() == ("4", [], [])


def said_once(lines: list[str], reason: str) -> None:
    assert len(lines) == 1, lines
    assert reason in lines[0]
    assert "NUMBA_CACHE_DIR" in lines[0]


def close(model: StandIn) -> None:
    """Let nothing be written beside the source nor at home, also by root: files stand where folders would be."""
    shutil.rmtree(model.package / "__pycache__", ignore_errors=True)
    (model.package / "__pycache__").write_text("")
    model.home.rmdir()
    model.home.write_text("")


def test_nowhere_to_write(model: StandIn) -> None:
    close(model)
    for _ in range(2):
        printed, compiled, lines = model.run()
        assert (printed, compiled) == ("4", BOTH)
        said_once(lines, "Not a directory")
    assert model.run(NUMBA_CACHE_DIR=str(model.folder / "own")) == ("4", BOTH, [])
    assert model.run(NUMBA_CACHE_DIR=str(model.folder / "own")) == ("4", [], [])


def test_a_read_only_installation_uses_the_home(model: StandIn) -> None:
    (model.package / "__pycache__").write_text("")
    assert model.run() == ("4", BOTH, [])
    assert model.run() == ("4", [], [])
    assert all(file.is_relative_to(model.home) for file in model.kept)


def test_a_folder_of_choice_that_cannot_be_written(model: StandIn) -> None:
    (model.folder / "file").write_text("")
    printed, compiled, lines = model.run(NUMBA_CACHE_DIR=str(model.folder / "file"))
    assert (printed, compiled) == ("4", BOTH)
    said_once(lines, str(model.folder / "file"))


def test_what_is_kept_is_used_where_nothing_can_be_written(copy: StandIn) -> None:
    """As in the image of a container, or an installation by an administrator."""
    assert copy.run(limit=0) == ("4", [], [])


def test_a_full_disk(model: StandIn) -> None:
    printed, compiled, lines = model.run(limit=1000)  # the system then refuses what is longer, like a disk without room
    assert (printed, compiled) == ("4", BOTH)
    said_once(lines, "File too large")
    assert not list(model.folder.glob(f"**/*{UNFINISHED}"))
    assert model.run() == ("4", BOTH, [])
    assert model.run() == ("4", [], [])


def test_whether_another_process_can_have_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for places, can in (([tmp_path / "file" / "a"], False), ([tmp_path / "file" / "a", tmp_path / "b"], True)):
        monkeypatch.setattr(kernelcache, "folders", lambda places=places: places)
        assert kernelcache.can_keep() == can
    assert list((tmp_path / "b").iterdir()) == []
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, usual[1]))
    try:
        assert not kernelcache.can_keep()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_cache_of_another_processor(copy: StandIn) -> None:
    assert copy.run(**GENERIC) == ("4", BOTH, [])
    assert copy.run(**GENERIC) == ("4", [], [])
    assert copy.run() == ("4", [], [])
    assert len(copy.kept) == 4


def twice(x: float) -> float:
    return 2 * x


def test_names_of_files_differ_in_all_that_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, types = ("x86_64-unknown-linux-gnu", "skylake", "+avx2"), (numba.types.int64,)

    def name(sig: tuple[object, ...] = types, processor: tuple[str, ...] = machine, options: str = "") -> str:
        return KernelCache(twice, options)._file(sig, processor)

    assert name() == name()
    names = {name(), name((numba.types.int32,)), name(options="[('nogil', True)]")}
    names |= {name(processor=("aarch64", *machine[1:])), name(processor=(machine[0], "generic", ""))}
    names.add(name(processor=(*machine[:2], "+avx2,+fma")))
    for part in kernelcache.made_with():
        with monkeypatch.context() as changed:
            other = {**kernelcache.made_with(), part: "other"}
            changed.setattr(kernelcache, "made_with", lambda other=other: other)
            names.add(name())
    for attribute, value in (("STAMP", "other"), ("_own_stamp", lambda _: "other")):
        with monkeypatch.context() as changed:
            changed.setattr(kernelcache, attribute, value)
            names.add(name())
    for setting in kernelcache.SETTINGS:
        with monkeypatch.context() as changed:
            changed.setattr(numba.config, setting, "other", raising=False)
            names.add(name())
    assert len(names) == 6 + len(kernelcache.made_with()) + 2 + len(kernelcache.SETTINGS)


def test_killed_while_it_compiles(model: StandIn) -> None:
    chance = random.Random(1)
    for _ in range(3):
        process = model.start()
        time.sleep(chance.uniform(0.2, 2.0))
        process.kill()
        process.communicate()
        assert all(kernelcache._read(file) for file in model.kept)
    assert model.run()[0::2] == ("4", [])
    assert model.run() == ("4", [], [])


def test_killed_while_it_writes(tmp_path: Path) -> None:
    """A file is there whole or not at all."""
    code = (
        "import itertools; from pathlib import Path; from abm.kernelcache import _write\n"
        "for each in itertools.count():\n"
        "    _write(Path('kernels-1'), 'a.kernel', bytes([each % 256]) * 5_000_000); print(each)"
    )
    for delay in (0.0, 0.003, 0.01, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        content = kernelcache._read(tmp_path / "kernels-1" / "a.kernel")
        assert content is not None
        assert content == content[:1] * 5_000_000


def test_processes_that_compile_at_once(model: StandIn) -> None:
    processes = [model.start() for _ in range(2)]
    assert [process.communicate() for process in processes] == [("4\n", "")] * 2
    assert len(model.kept) == 2
    assert model.run() == ("4", [], [])


def test_what_older_sources_left_goes(copy: StandIn) -> None:
    place = copy.package / "__pycache__"
    older = [place / f"{FOLDERS}{number}" for number in range(KEPT + 2)]
    for number, folder in enumerate(older):
        folder.mkdir()
        (folder / "a.kernel").write_text("")
        os.utime(folder, (number, number))
    (place / "a.py311.nbi").write_text("")
    (place / "a.cpython-311.pyc").write_text("")
    assert copy.run() == ("4", [], [])  # nothing is new
    assert all(folder.exists() for folder in older)
    copy.write(10)
    assert copy.run() == ("22", BOTH, [])
    left = [folder for folder in place.glob(f"{FOLDERS}*") if folder in older]
    assert len(list(place.glob(f"{FOLDERS}*"))) == KEPT + 1
    assert sorted(left) == older[-KEPT + 1 :]
    assert not (place / "a.py311.nbi").exists()
    assert (place / "a.cpython-311.pyc").exists()


def test_ready_kernels(ready: StandIn) -> None:
    assert ready.run() == ("4", [], [])
    assert not ready.kept
    for file in ready.ready.glob(f"*{SUFFIX}"):
        file.write_bytes(file.read_bytes()[:-1])
    assert ready.run() == ("4", BOTH, [])


@pytest.mark.parametrize("name", ["callee", "texts"])
def test_ready_kernels_of_another_source_are_never_run(ready: StandIn, name: str) -> None:
    ready.write(10 if name == "callee" else 1)
    result = "22" if name == "callee" else "4"
    file = ready.package / f"{name}.py"
    file.write_text(file.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    printed, compiled, lines = ready.run()
    assert (printed, compiled) == (result, BOTH)
    assert len(lines) == 1
    assert "kernels that came with kretslopp are for source" in lines[0]
    assert ready.run() == (result, [], [])


def test_ready_kernels_of_another_numba(ready: StandIn) -> None:
    about = ready.ready / ABOUT
    about.write_text(about.read_text().replace(numba.__version__, "0.1.2"))
    for file in ready.ready.glob(f"*{SUFFIX}"):
        file.rename(ready.ready / f"{file.stem}0{SUFFIX}")  # as one of another digest
    printed, compiled, lines = ready.run()
    assert (printed, compiled) == ("4", BOTH)
    assert len(lines) == 1
    assert f"are for Numba 0.1.2, here {numba.__version__}: the model is compiled, once on this machine" in lines[0]
    assert ready.run() == ("4", [], [])


def test_another_way_of_keeping_what_is_compiled() -> None:
    known = SimpleNamespace(_cache=None, py_func=twice)
    assert kernelcache.kept(known)._cache.name == "tests.test_kernelcache.twice"
    with pytest.raises(CompilerError, match=r"^Numba \S+ keeps compiled code in a way that kretslopp does not know"):
        kernelcache.kept(SimpleNamespace(py_func=twice))


def test_one_place_knows_how_numba_keeps_it() -> None:
    for folder in ("abm", "experiments", "calibration", "results", "kretslopp"):
        for file in (ROOT / folder).glob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert ("core.caching" in text) == ("._cache" in text) == (file.name == "kernelcache.py"), file
            assert "cache=True" not in text, file
