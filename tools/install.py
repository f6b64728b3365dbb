"""Install into the environment of this Python, with uv where that can be had and otherwise with pip.

    .venv/bin/python tools/install.py --constraint constraints.txt --editable .

Arguments are those of `pip install`. uv is the one on the PATH, else one installed beside this Python; it does the
same as pip in a tenth of the time, but does not read pip's configuration: packages must come from where pip is told to
take them, so what pip knows of that is handed on, and what cannot be handed on leaves the work to pip.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"  # names the version of uv, too
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
OF_INSTALL = ("global", "install", ":env:")  # sections of pip's configuration, the last one counts

# How uv is told the same, in its environment: lists are separated by white space for both, unless said otherwise.
TOLD = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",  # separated by commas
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
# What changes nothing about where packages come from and which are taken.
OF_NO_MATTER = {
    "cache-dir",
    "config-file",
    "disable-pip-version-check",
    "no-cache-dir",
    "no-color",
    "no-input",
    "no-warn-script-location",
    "prefer-binary",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
    "verbose",
}
BY_ARGUMENT = "constraint"  # in the environment it would yield to ours


def pip_settings(listed: str) -> dict[str, str]:
    """What `pip config list` says that holds for installing, by name of the option."""
    found: dict[str, dict[str, str]] = {section: {} for section in OF_INSTALL}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in found:
            found[section][option] = str(ast.literal_eval(value))
    return {option: value for section in OF_INSTALL for option, value in found[section].items()}


def uv_settings(settings: Mapping[str, str]) -> dict[str, str] | None:
    """The same as environment variables of uv, or None where there is something that uv cannot be told."""
    if not settings.keys() <= TOLD.keys() | OF_NO_MATTER | {BY_ARGUMENT}:
        return None
    told = {TOLD[option]: " ".join(value.split()) for option, value in settings.items() if option in TOLD}
    if "UV_FIND_LINKS" in told:
        told["UV_FIND_LINKS"] = told["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX" in told:  # pip takes the best version of all indexes, uv by default that of the first index
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return told


def uv_program() -> str | None:
    """Path of uv, installed with pip if need be, or None where it cannot be had."""
    beside = Path(sys.executable).with_name("uv")
    if found := shutil.which("uv"):
        return found
    if not beside.exists():
        subprocess.run([*PIP, "install", "--quiet", "--constraint", str(CONSTRAINTS), "uv"], stderr=subprocess.DEVNULL)
    return str(beside) if beside.exists() else None


def installed_by_uv(arguments: list[str]) -> bool:
    """Whether uv did it."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True)
    settings = pip_settings(listed.stdout)
    told = uv_settings(settings)
    program = uv_program() if told is not None and listed.returncode == 0 else None
    if told is None or program is None:
        return False
    pinned = [*(word for file in settings.get(BY_ARGUMENT, "").split() for word in ("--constraint", file))]
    command = [program, "pip", "install", "--quiet", "--python", sys.executable, *pinned, *arguments]
    try:
        return subprocess.run(command, env={**told, **os.environ}).returncode == 0
    except OSError:  # found, but not for this machine
        return False


def main(arguments: list[str]) -> int:
    """Exit code of the installation."""
    if installed_by_uv(arguments):
        return 0
    print("uv cannot do it here: installing with pip, which takes a minute or two", file=sys.stderr)
    return subprocess.run([*PIP, "install", "--quiet", *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
