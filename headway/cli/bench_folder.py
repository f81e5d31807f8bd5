"""The folder of a run: records as they come, then summary.json and report.html.

A disk that fills up costs the records that no longer fit, and not the run: what is there stays and can be read, the
run goes on, and its end says so.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from headway.bench.facts import RunFacts
from headway.bench.record import Record
from headway.bench.schema import Slo
from headway.errors import ResourceError, UsageError

if TYPE_CHECKING:
    from headway.bench.records import RecordWriter

__all__ = ["LLMD", "NOWHERE", "REPORT", "SUMMARY", "Folder", "folder_for"]

NOWHERE = "none"
FORMATS = ("jsonl", "parquet", "none")
SUMMARY, LLMD, REPORT = "summary.json", "llm-d.json", "report.html"


class Folder:
    """It is made at once, so that nothing is measured that cannot be written, and goes again when nothing was: use it
    as a context. `fault`: the first thing that could not be written."""

    def __init__(self, path: Path, records: str) -> None:
        self.path, self._format = path, records
        self.fault: ResourceError | None = None
        self._written: list[str] = []
        self._writer: RecordWriter | None = None
        self._runs = self._kept = 0
        self._made = not path.exists()
        if any((path / name).exists() for name in (SUMMARY, REPORT, "records.jsonl", "records.parquet")):
            raise UsageError(f"{path} holds a run already", hint="give another folder: --out DIR")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(f"{path}: {error.strerror or error}", hint="give another folder: --out DIR") from error

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """A run that raised has measured nothing: no server, a wrong model, a trace that cannot be read."""
        if kind is None or self._runs or self._kept:
            return
        with contextlib.suppress(OSError):
            if self._writer is not None:
                self._writer.path.unlink()
            if self._made:
                self.path.rmdir()

    def open_records(self, name: str = "records") -> None:
        """Raises UsageError or ResourceError."""
        if self._format == "none":
            return
        from headway.bench.records import RecordWriter  # noqa: PLC0415

        file = self.path / f"{name}.{self._format}"
        self._writer = RecordWriter(file, cast('Literal["jsonl", "parquet"]', self._format))
        self._written.append(file.name)

    def keep(self, record: Record) -> None:
        if self._writer is None or self.fault is not None:
            return
        try:
            self._writer.add(record)
            self._kept += 1
        except ResourceError as error:
            self.fault = error

    def close_records(self, facts: RunFacts, limits: list[Slo]) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close(facts, limits)
        except ResourceError as error:
            self.fault = self.fault or error
        self._writer = None

    def add_run(self, records: Sequence[Record], facts: RunFacts, limits: list[Slo]) -> None:
        """One of several, as a search has them: records-01, records-02, ..."""
        self._runs += 1
        try:
            self.open_records(f"records-{self._runs:02d}")
        except ResourceError as error:
            self.fault = self.fault or error
        for record in records:
            self.keep(record)
        self.close_records(facts, limits)

    def write(self, name: str, text: str | bytes) -> None:
        try:
            (self.path / name).write_bytes(text.encode() if isinstance(text, str) else text)
            self._written.append(name)
        except OSError as error:
            hint = "free some space, or write elsewhere: --out DIR"
            self.fault = self.fault or ResourceError(f"{self.path / name}: {error.strerror or error}", hint=hint)

    @property
    def told(self) -> str:
        names = list(self._written)
        if self._runs > 1:
            names = [name for name in names if not name.startswith("records-")] + [f"records of {self._runs} stages"]
        return f"{self.path}/ ({', '.join(names) or 'nothing'})"


def folder_for(out: str | None, workload: str, records: str) -> Folder | None:
    """None where nothing is to be written. Raises UsageError or ResourceError."""
    if records not in FORMATS:
        raise UsageError(f"--records: found {records!r}", hint=f"write one of {', '.join(FORMATS)}")
    if out == NOWHERE:
        return None
    if out is not None:
        return Folder(Path(out), records)
    name = f"bench-{workload}-{time.strftime('%Y%m%d-%H%M%S')}"
    return Folder(next(each for each in _names(name) if not each.exists()), records)


def _names(name: str) -> Iterator[Path]:
    """Two runs may begin in the same second."""
    yield Path(name)
    yield from (Path(f"{name}-{number}") for number in itertools.count(2))
