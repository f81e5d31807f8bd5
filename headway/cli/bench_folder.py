"""The folder of a run: records as they come, then summary.json and report.html.

A disk that fills up costs the records that no longer fit, and not the run: what is there stays and can be read, the run goes on, and
its end says so.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from headway.bench.facts import RunFacts
from headway.bench.record import Record
from headway.bench.schema import Slo
from headway.errors import ResourceError, UsageError

__all__ = ["NOWHERE", "Folder", "folder_for"]

NOWHERE = "none"
FORMATS = ("jsonl", "parquet", "none")
SUMMARY, REPORT = "summary.json", "report.html"


class Folder:
    """`records`: jsonl, parquet or none. The folder is made at once, so that a run is not measured for nothing."""

    def __init__(self, path: Path, records: str) -> None:
        from headway.bench.records import RecordWriter  # noqa: PLC0415

        self.path = path
        self.fault: ResourceError | None = None
        self._written: list[str] = []
        self._kept = self._dropped = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any((path / name).exists() for name in (SUMMARY, "records.jsonl", "records.parquet")):
                raise UsageError(f"{path} holds a run already", hint="give another folder: --out DIR")
            self._records = None if records == "none" else RecordWriter(path / f"records.{records}", records)
        except OSError as error:
            raise ResourceError(f"{path}: {error.strerror or error}", hint="give another folder: --out DIR") from error

    def keep(self, record: Record) -> None:
        if self._records is None or self.fault is not None:
            self._dropped += self._records is not None
            return
        try:
            self._records.add(record)
            self._kept += 1
        except OSError as error:
            self._dropped += 1
            self._broken(error)

    def close_records(self, facts: RunFacts, limits: list[Slo]) -> None:
        if self._records is None:
            return
        try:
            self._records.close(facts, limits)
            self._written.append(self._records.path.name)
        except OSError as error:
            self._broken(error)

    def write(self, name: str, text: str | bytes) -> None:
        try:
            (self.path / name).write_bytes(text.encode() if isinstance(text, str) else text)
            self._written.append(name)
        except OSError as error:
            if self.fault is None:
                self.fault = ResourceError(f"{self.path / name}: {error.strerror or error}", hint="free some space")

    @property
    def told(self) -> str:
        return f"{self.path}/ ({' '.join(self._written) or 'nothing'})"

    def _broken(self, error: OSError) -> None:
        if self.fault is not None or self._records is None:
            return
        self.fault = ResourceError(
            f"{self._records.path}: {error.strerror or error}; the records before that are kept",
            hint="free some space, or write elsewhere: --out DIR",
        )


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
