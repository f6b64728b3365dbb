"""A design as it is run: what it says in full, its rows under their numbers, and the shards that they make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from experiments.designs import Design
from experiments.identity import content_id, description, draw_id, library_versions, model_version
from experiments.shardfile import numbering
from experiments.shards import Draw, draws_per_shard, place_of_draw, shard_name
from experiments.sweepmanifest import FREE


def design_content(design: Design) -> dict[str, Any]:
    """All that a design says, as the manifest keeps it, but for the rows themselves."""
    thinned = design.trajectories
    return {
        "name": design.name,
        **description(design.scenario),
        "rule_files": design.rule_files,
        "layout": json.loads(json.dumps(design.layout)),
        "swept": list(design.columns),
        "rows": design.rows,
        "replicates": design.replicates,
        "arms": {name: dict(arm) for name, arm in design.arms.items()},
        "seed": design.seed,
        "seeds": "by luck" if design.luck is not None else "common" if design.common else "independent",
        "indicators": list(design.kept),
        "trajectories": thinned and {"indicators": list(thinned.indicators), "every": thinned.every},
        "model": model_version(),
        "libraries": library_versions(),
    }


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Where two contents differ: 'parameters.prices.volatility: 1.0, now 2.0'."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if not where and key in FREE:
                continue
            yield from differences(old.get(key), new.get(key), f"{where}.{key}".lstrip("."))
    elif old != new:
        yield f"{where}: {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


class Plan:
    """A design as it stands in its folder: rows numbered as there, and the shards they make, worked out when asked."""

    def __init__(self, design: Design) -> None:
        self.design, self.size = design, draws_per_shard(design)
        self.rule_files, self.row_keys = design.rule_files, design.row_keys()
        self.content = content_id(design.scenario, design.arms, self.rule_files)
        self.draws = design.rows * design.replicates
        self._common = design.seeds(0, self.row_keys[0]) if design.common and design.luck is None else None

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.draws // self.size)

    def draws_of(self, number: int) -> range:
        """Places of a shard's draws in the order of all."""
        return range(number * self.size, min((number + 1) * self.size, self.draws))

    def shard(self, number: int) -> tuple[Draw, ...]:
        """The draws of one shard."""
        places = [place_of_draw(place, self.design.rows, self.design.replicates) for place in self.draws_of(number)]
        rows = {row: self._common or self.design.seeds(row, self.row_keys[row]) for row in dict(places)}
        return tuple(
            Draw(row, replicate, rows[row][replicate], draw_id(self.content, self.row_keys[row], rows[row][replicate]))
            for row, replicate in places
        )

    def name(self, number: int) -> str:
        """Name of a shard's file."""
        return shard_name(draw.identity for draw in self.shard(number))

    def numbering(self, rows: Iterable[int]) -> str:
        """What a shard says of the numbers of its rows."""
        return numbering(rows, self.row_keys)

    def numbering_of(self, number: int) -> str:
        """The same of a shard by its number."""
        draws = (place_of_draw(place, self.design.rows, self.design.replicates) for place in self.draws_of(number))
        return self.numbering(row for row, _ in draws)
