"""Install kretslopp in fresh environments and see that it compiles when it must, and never again.

    .venv/bin/python tools/installs.py            # with one other Python of this machine, pinned versions
    .venv/bin/python tools/installs.py --all      # with every one, pinned and newest versions

From the tree, with a cache of its own, the second `kretslopp effect tiny` compiles nothing. From a wheel that carries
kernels the first compiles nothing and ends within seconds; all of them print the same digits. An environment takes a
minute or two, nearly all of it compiling. Exit code 1 where one differs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED = ("--constraint", str(ROOT / "constraints.txt"))
MINORS = range(11, 15)  # of Python 3
QUICK = 5.0  # seconds of one processor for the first run from a wheel; on an idle machine, of the clock
EFFECT = ("effect", "tiny", "--replicates", "2", "--json")
VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def version(python: str) -> str:
    """Major and minor, empty where it does not run."""
    try:
        return subprocess.run([python, "-c", VERSION], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def pythons() -> dict[str, str]:
    """Path by version of those on the PATH, or among pyenv's."""
    found = {}
    for minor in MINORS:
        kept = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
        for python in (f"python3.{minor}", *map(str, kept)):
            if version(python) == f"3.{minor}":
                found[f"3.{minor}"] = python
    return found


def processor_time() -> float:
    """Seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Environment:
    """A fresh environment, with what is compiled in it kept by itself."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder, self.python, self.log = folder, str(folder / "venv" / "bin" / "python"), folder / "compiled"
        self.seconds = 0.0
        subprocess.run([python, "-m", "venv", str(folder / "venv")], check=True)

    def install(self, *words: str) -> None:
        """As `pip install` has it."""
        subprocess.run([self.python, str(ROOT / "tools" / "install.py"), *words], cwd=ROOT, check=True)

    def run(self, command: tuple[str, ...], **told: str) -> str:
        """What a command of this Python prints; the processor time it takes is in `seconds`."""
        began = processor_time()
        settings = {**os.environ, "NUMBA_CACHE_DIR": str(self.folder / "kept"), **told}
        done = subprocess.run(
            [self.python, *command], cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True, check=True
        )
        self.seconds = processor_time() - began
        return done.stdout

    def effect(self) -> tuple[str, int]:
        """The digits of an effect, and how many functions were compiled for it."""
        self.log.unlink(missing_ok=True)
        code = f"import sys; sys.path.remove(''); from kretslopp.cli import main; sys.argv[1:] = {EFFECT}; main()"
        printed = self.run(("-c", code), KRETSLOPP_COMPILED=str(self.log))
        return printed, len(self.log.read_text().splitlines()) if self.log.exists() else 0


def from_the_tree(folder: Path, python: str, pins: tuple[str, ...]) -> tuple[Environment, str, list[str]]:
    """The environment, the digits, and what is wrong."""
    tree = Environment(folder, python)
    tree.install(*pins, "--editable", ".", "hatchling")
    (digits, first), (again, second) = tree.effect(), tree.effect()
    print(f"  tree: {first} functions compiled, then {second}", flush=True)
    wrong = [] if second == 0 < first else [f"from the tree {first} functions are compiled, then {second}"]
    return tree, digits, wrong if again == digits else [*wrong, "the digits of the second run from the tree differ"]


def from_a_wheel(tree: Environment, folder: Path, python: str, pins: tuple[str, ...], digits: str) -> list[str]:
    """What is wrong."""
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    tree.run(("-m", "pip", "wheel", *options, str(ROOT)), KRETSLOPP_READY_KERNELS="1")
    (wheel,) = folder.glob("*.whl")
    installed = Environment(folder, python)
    installed.install(*pins, str(wheel))
    (first, compiled), seconds = installed.effect(), installed.seconds
    print(f"  wheel: {compiled} functions compiled, first run {seconds:.1f} s of a processor", flush=True)
    wrong = [f"from the wheel {compiled} functions are compiled"] if compiled else []
    wrong += [f"the first run from the wheel takes {seconds:.1f} s"] if seconds > QUICK else []
    return wrong + (["the digits from the wheel differ"] if first != digits else [])


def main(arguments: list[str]) -> int:
    """Number of environments where something is wrong, at most 1."""
    own = version(sys.executable)
    chosen = {name: python for name, python in pythons().items() if arguments == ["--all"] or name != own}
    if not chosen:
        print(f"no Python beside {own} on this machine: not tried with another")
    bad = 0
    for name, python in list(chosen.items()) if arguments == ["--all"] else list(chosen.items())[:1]:
        for pins in (PINNED, ()) if arguments == ["--all"] else (PINNED,):
            print(f"Python {name}, {'pinned' if pins else 'newest'} versions", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                tree, digits, wrong = from_the_tree(Path(folder, "tree"), python, pins)
                wrong += from_a_wheel(tree, Path(folder, "wheel"), python, pins, digits)
            for line in wrong:
                print(f"  WRONG: {line}")
            bad += bool(wrong)
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
