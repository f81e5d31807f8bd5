"""Every request of a run in a file, from which its Summary is computed again, to the last digit.

JSONL: one record a line, in batches as they come, and as the last line what the run tells of itself with its limits. A
file that ends early (a process killed, a disk full) is read as far as it goes, and that is said.

Parquet has no reader before its footer is written, so while a run goes on its records lie in FILE.jsonl beside it, and
become Parquet at the end. If that fails, the JSONL stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from headway.bench import parquet
from headway.bench.facts import RunFacts
from headway.bench.record import Record
from headway.bench.schema import Slo
from headway.errors import ResourceError, SpecError, UsageError

__all__ = ["FORMATS", "RecordWriter", "Recorded", "read_records"]

FORMATS = ("jsonl", "parquet")
BATCH = 256
"""Records that are written together: at a thousand requests a second, four times a second."""
_ENCODER = msgspec.json.Encoder()


class Tail(msgspec.Struct, tag="run", tag_field="headway_bench"):
    """The last line of a file: it is there only when the run was written to its end."""

    facts: RunFacts
    slo: list[Slo]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a file holds. `facts`: None when the file ends early; `notes`: what its reader should know."""

    path: Path
    records: list[Record]
    facts: RunFacts | None
    slo: list[Slo]
    notes: list[str] = field(default_factory=list)


class RecordWriter:
    """For one thread. `add` and `close` raise ResourceError at the first write that fails, and never again: what came
    before stays and can be read, what comes after is counted in `dropped`."""

    def __init__(self, path: Path, format: str = "jsonl") -> None:  # noqa: A002 (the option's own name)
        """Raises UsageError for a format that is unknown or needs what is not installed, ResourceError for a file that
        cannot be made."""
        if format not in FORMATS:
            raise UsageError(f"no such format of records: {format}", hint=f"use one of {', '.join(FORMATS)}")
        if format == "parquet":
            parquet.require()
        self.kept = self.dropped = 0
        self._goal = path
        self.path = path if format == "jsonl" else path.with_name(path.name + ".jsonl")
        """Where the records are now."""
        self._lines: list[bytes] = []
        self._broken = False
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        except OSError as error:
            raise _trouble(self.path, error, "") from error

    def add(self, record: Record) -> None:
        if self._broken:
            self.dropped += 1
            return
        self._lines.append(_ENCODER.encode(record))
        if len(self._lines) >= BATCH:
            self._flush()

    def close(self, facts: RunFacts, slo: Sequence[Slo] = ()) -> None:
        """Nothing is written after this. The file is on the disk when it returns."""
        try:
            if not self._broken:
                self._flush()
                self._write(_ENCODER.encode(Tail(facts, list(slo))) + b"\n")
                self._durable()
        finally:
            os.close(self._file)
        if not self._broken and self.path != self._goal:
            self._become_parquet()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._write(b"\n".join(lines) + b"\n")
        except ResourceError:
            self.dropped += len(lines)
            raise
        self.kept += len(lines)

    def _write(self, text: bytes) -> None:
        """All of it or nothing: a batch that does not fit is taken back, so that the file ends with a whole line."""
        begun = os.fstat(self._file).st_size
        try:
            rest = memoryview(text)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._broken = True
            os.ftruncate(self._file, begun)
            raise _trouble(self.path, error, self._told()) from error

    def _durable(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            self._broken = True
            raise _trouble(self.path, error, self._told()) from error

    def _become_parquet(self) -> None:
        read = read_records(self.path)
        assert read.facts is not None  # noqa: S101 (it was written a moment ago)
        tail = _ENCODER.encode(Tail(read.facts, read.slo))
        try:
            parquet.write(self._goal, read.records, tail)
        except OSError as error:
            self._broken = True
            self._goal.unlink(missing_ok=True)
            raise _trouble(self._goal, error, f"the records are in {self.path}") from error
        self.path.unlink()
        self.path = self._goal

    def _told(self) -> str:
        return f"the {self.kept} records before that are kept"


def read_records(path: Path) -> Recorded:
    """Parquet by its first bytes, else JSONL. Raises SpecError for a file that is not there or holds something else."""
    try:
        with path.open("rb") as file:
            if file.read(len(parquet.MAGIC)) == parquet.MAGIC:
                return _of_parquet(path)
            file.seek(0)
            return _of_lines(path, file)
    except OSError as error:
        hint = "name a records.jsonl or records.parquet"
        raise SpecError(error.strerror or str(error), hint=hint, file=str(path)) from error


def _of_lines(path: Path, lines: Iterator[bytes]) -> Recorded:
    decoder = msgspec.json.Decoder(Record)
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        try:
            if line.startswith(b'{"headway_bench":'):
                tail = msgspec.json.decode(line, type=Tail)
                return Recorded(path, records, tail.facts, tail.slo)
            records.append(decoder.decode(line))
        except msgspec.MsgspecError as error:
            if line.endswith(b"\n"):
                hint = "it is not what headway bench wrote"
                raise SpecError(f"no record of a request ({error})", hint=hint, file=str(path), line=number) from error
            note = f"{path}: its last line is cut short; the {len(records)} records before it were read"
            return Recorded(path, records, None, [], [note])
    note = f"{path}: it ends without the run's own facts, for the run did not end; {len(records)} records were read"
    return Recorded(path, records, None, [], [note])


def _of_parquet(path: Path) -> Recorded:
    records, tail = parquet.read(path)
    told = msgspec.json.decode(tail, type=Tail)
    return Recorded(path, records, told.facts, told.slo)


def _trouble(path: Path, error: OSError, kept: str) -> ResourceError:
    text = f"{path}: {error.strerror or error}" + (f"; {kept}" if kept else "")
    return ResourceError(text, hint="free some of that disk, or write elsewhere with --out")
