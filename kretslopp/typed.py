"""What is wrong in the words of who typed it: the library speaks of arguments, the command line of options."""

from __future__ import annotations

import re
from collections.abc import Sequence

CALLED = {"--from": "start", "--to": "end", "--replicates": "draws"}  # options whose argument has another name
SET = "--set"


def as_typed(line: str, words: Sequence[str]) -> str:
    """A line of the library's with the name of each option that stands among the typed `words` in front.

    'runs 100: too few' -> '--runs 100: too few' where `--runs` was typed, else as it is; the same for a parameter
    given by `--set`. Names of several words (max_runs) are found anywhere in the line.
    """
    for option in dict.fromkeys(word.partition("=")[0] for word in words if word.startswith("--")):
        name = option.removeprefix("--").replace("-", "_")
        if "_" in name:
            line = re.sub(rf"(?<![\w.-]){name}\b", option, line)
        for called in (name, CALLED.get(option, name)):
            if re.match(rf"{re.escape(called)}[: ]", line):
                return option + line.removeprefix(called)
    for setting in _settings(words):
        name = setting.partition("=")[0].strip()
        if line.startswith((f"{setting}: ", f"{name}: ")):
            return f"{SET} {line}"
        if re.match(rf"no parameter {re.escape(name)}(;|$)", line):
            return f"{SET}: {line}"
    return line


def _settings(words: Sequence[str]) -> list[str]:
    """The texts after `--set`."""
    apart = [words[place + 1] for place, word in enumerate(words[:-1]) if word == SET]
    return apart + [word.removeprefix(f"{SET}=") for word in words if word.startswith(f"{SET}=")]
