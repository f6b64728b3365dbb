"""The rows of many files in the order of a design, each file read once, few held at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.shardfile import Damaged, table_of

if TYPE_CHECKING:
    import pyarrow as pa


def in_order(
    files: Sequence[Path],
    keys: Sequence[str],
    arms: Sequence[str],
    opened: Callable[[Path], Any],
    *,
    columns: Sequence[str] | None,
    step: int,
) -> Iterator[pa.Table]:
    """Tables of whole rows of the design, about `step` of them at a time, sorted by `keys`; each run once.

    Heads of all files are read first, for the rows that are in each; `opened` gives a checked `ParquetFile`. What is
    held is what has rows of the next table: of a design with many replicates, all of these.
    """
    spans, schema = _spans(files, columns)
    place = {name: number for number, name in enumerate(arms)}
    held: list[pa.Table] = []
    given: float = 0  # rows below this are given out
    for number, (_, file) in enumerate(spans):
        held.append(table_of(opened(file), columns).replace_schema_metadata().cast(schema))
        following = spans[number + 1][0] if number + 1 < len(spans) else math.inf
        if following >= given + step:
            table, held = _split(held, following)
            if table.num_rows:
                yield _sorted(table, keys, place)
            given = following


def _spans(files: Sequence[Path], columns: Sequence[str] | None) -> tuple[list[tuple[int, Path]], Any]:
    """The first row in each file that has any, rising, and the schema that holds them all."""
    import pyarrow as pa
    from pyarrow import parquet

    spans: list[tuple[int, Path]] = []
    schemas: dict[Any, None] = {}
    for file in files:
        try:
            with parquet.ParquetFile(file) as found:
                schema, first = found.schema_arrow.remove_metadata(), _first_row(found.metadata)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise Damaged(f"{file.parent.name}/{file.name}: cannot be read ({reason})") from None
        if first is not None:
            spans.append((first, file))
            schemas[schema] = None
    schema = pa.unify_schemas(list(schemas), promote_options="permissive") if schemas else pa.schema([])
    if columns is not None and schemas:
        schema = pa.schema([schema.field(name) for name in columns])
    return sorted(spans), schema


def _first_row(metadata: Any) -> int | None:
    """Least row of the design in a file, of the statistics in its footer; None where it has no rows."""
    firsts, place = [], metadata.schema.names.index("row")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.num_rows:
            firsts.append(group.column(place).statistics.min)
    return min(firsts, default=None)


def _split(held: Sequence[pa.Table], limit: float) -> tuple[pa.Table, list[pa.Table]]:
    """All rows below a limit, and tables of those that are not."""
    import pyarrow as pa

    table = pa.concat_tables(held)
    if limit == math.inf:
        return table, []
    below = table["row"].to_numpy() < limit
    rest = table.filter(pa.array(~below))
    return table.filter(pa.array(below)), [rest.combine_chunks()] if rest.num_rows else []


def _sorted(table: pa.Table, names: Sequence[str], place: Mapping[str, int]) -> pa.Table:
    """In order, and each run once: the same run in two files has the same digits."""
    table = table.unify_dictionaries().combine_chunks()
    arm = table["arm"].chunk(0)
    places = np.array([place[name] for name in arm.dictionary.to_pylist()])[arm.indices.to_numpy()]
    keys = [places if name == "arm" else table[name].to_numpy() for name in reversed(names)]
    order = np.lexsort(keys)
    sorted_keys = np.column_stack(keys)[order]
    first = np.ones(len(order), bool)
    first[1:] = np.any(sorted_keys[1:] != sorted_keys[:-1], axis=1)
    return _relabelled(table.take(order[first]), place)


def _relabelled(table: pa.Table, place: Mapping[str, int]) -> pa.Table:
    """Arms in their places and other labels by the alphabet: shards have them as their runs came, other every day."""
    import pyarrow as pa

    for number, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            labels = table[number].combine_chunks()
            called = labels.dictionary.to_pylist()
            by_rank = sorted(
                range(len(called)), key=lambda one: place[called[one]] if field.name == "arm" else called[one]
            )
            rank = pa.array(np.argsort(by_rank).astype(np.int32))
            names = labels.dictionary.take(pa.array(by_rank, pa.int32()))
            table = table.set_column(number, field, pa.DictionaryArray.from_arrays(rank.take(labels.indices), names))
    return table
