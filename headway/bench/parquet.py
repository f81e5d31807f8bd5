"""Records as Parquet, for pandas, DuckDB and Spark. Needs pyarrow: `pip install 'headway[bench]'`.

One column a field of Record, null where it is None; the run's own facts are in the metadata, so that this file too
recomputes its Summary alone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headway.bench.record import Record
from headway.errors import SpecError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MAGIC", "read", "require", "write"]

MAGIC = b"PAR1"
ROWS = 4096
"""Records that are in memory as columns at a time."""
_TAIL = b"headway_bench"
_HINT = "pip install 'headway[bench]', or use --records jsonl"


def require() -> None:
    """Raises UsageError where pyarrow is not installed: before a run, rather than after it."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError("records as Parquet need pyarrow, which is not installed", hint=_HINT)


def write(path: Path, records: Sequence[Record], tail: bytes) -> None:
    """Raises OSError."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = _schema()
    with pq.ParquetWriter(path, schema.with_metadata({_TAIL: tail}), compression="zstd") as file:
        for start in range(0, len(records), ROWS):
            rows = records[start : start + ROWS]
            columns = [pa.array([getattr(row, name) for row in rows], schema.field(name).type) for name in schema.names]
            file.write_batch(pa.record_batch(columns, schema=schema))


def read(path: Path) -> tuple[list[Record], bytes]:
    """The records, and what `write` was given as `tail`. Raises SpecError."""
    require()
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            tail = (file.schema_arrow.metadata or {}).get(_TAIL)
            if tail is None:
                raise SpecError("no records of headway bench", hint="it has not the run's facts", file=str(path))
            rows = [row for batch in file.iter_batches(ROWS) for row in batch.to_pylist()]
        return msgspec.convert(rows, list[Record]), tail
    except (pa.ArrowException, msgspec.ValidationError) as error:
        raise SpecError(f"cannot be read as Parquet ({error})", hint="was it cut short?", file=str(path)) from error


def _schema() -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415

    kinds: dict[Any, pa.DataType] = {
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        str: pa.string(),
        int | None: pa.int64(),
        float | None: pa.float64(),
        list[int]: pa.list_(pa.int64()),
    }
    return pa.schema([pa.field(each.name, kinds[each.type]) for each in msgspec.structs.fields(Record)])
