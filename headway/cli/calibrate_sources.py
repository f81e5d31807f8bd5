"""What `headway perf calibrate` is given -> Seen: the records of `headway bench`, or a gateway's request log."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from headway.bench.record import Record
from headway.bench.records import read_records
from headway.errors import SpecError, UsageError
from headway.gateway.record import Record as Logged
from headway.perf.live.seen import Seen
from headway.wire.traces.request_log import MAGIC

__all__ = ["Read", "read_sources"]

KEPT = 0.9
"""Of a gateway's requests that its log must have: neighbours that are not there cannot be reckoned with."""
_FILES = ("records.jsonl", "records.parquet", "requests.db")
_QUERY = (
    "SELECT at, model, status, ttft, duration, prompt_tokens, cached_tokens, completion_tokens, record FROM requests"
)


@dataclass(slots=True)
class Read:
    """`seen`: by the name that callers used for the Model; `left_out`: how many, by why; `latest`: when the last one
    was measured, Unix time; `cpu`: cores' worth of time that load generators took, the most in any source."""

    seen: dict[str, list[Seen]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    latest: float = 0.0
    cpu: float = 0.0

    @property
    def day(self) -> str:
        return datetime.fromtimestamp(self.latest, UTC).strftime("%Y-%m-%d")

    def add(self, model: str, seen: Seen) -> None:
        self.seen.setdefault(model, []).append(seen)


def read_sources(paths: Sequence[Path]) -> Read:
    """Raises SpecError for a file that is neither, UsageError for a log that has too few of the requests."""
    read = Read()
    for number, path in enumerate(_opened(paths)):
        if _begins(path) == MAGIC:
            _of_log(path, number, read)
        else:
            _of_bench(path, number, read)
    return read


def _begins(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC))
    except OSError as error:
        hint = "give what headway bench --out wrote, or a gateway's requests.db"
        raise SpecError(error.strerror or str(error), hint=hint, file=str(path)) from error


def _opened(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = next((path / name for name in _FILES if (path / name).is_file()), None)
        if found is None:
            raise SpecError("a folder without records", hint="give what headway bench --out wrote", file=str(path))
        yield found


# headway bench


def _of_bench(path: Path, number: int, read: Read) -> None:
    recorded = read_records(path)
    read.notes += recorded.notes
    begun = recorded.facts.started_at if recorded.facts else path.stat().st_mtime
    for record in recorded.records:
        why = _unusable(record)
        if why:
            read.left_out[why] += 1
            continue
        read.latest = max(read.latest, begun + (record.last or 0.0))
        read.add(record.model, _seen(record, number))
    if recorded.facts:
        lasted = max(recorded.facts.ended, 1.0)
        read.cpu = max(read.cpu, sum(each.cpu for each in recorded.facts.generators) / lasted)
    if recorded.records and not any(each.replica for each in recorded.records):
        read.notes.append(f"{path}: no replica is named in it: reckoned as one")


def _unusable(record: Record) -> str:
    if record.error or not 200 <= record.status < 300:
        return "not answered whole"
    if record.sent is None or record.first is None or record.last is None or not record.stream:
        return "not streamed"
    if not record.prompt_tokens or not record.output_tokens:
        return "without counts of tokens"
    return ""


def _seen(record: Record, number: int) -> Seen:
    return Seen(
        f"{number}/{record.replica}",
        record.sent or 0.0,
        record.first or 0.0,
        record.last or 0.0,
        record.prompt_tokens or 1,
        record.cached_tokens or 0,
        record.output_tokens or 1,
        record.planned_prompt,
    )


# a gateway's log


def _of_log(path: Path, number: int, read: Read) -> None:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as log:
            rows = log.execute(f"{_QUERY} ORDER BY seq").fetchall()
    except sqlite3.Error as error:
        raise SpecError(
            f"cannot be read as a request log: {error}", hint="give a gateway's requests.db", file=str(path)
        ) from error
    decode = msgspec.json.Decoder(Logged).decode
    found = [(row, decode(row[-1])) for row in rows]
    share = _kept([logged for _, logged in found])
    if found and share < KEPT:
        raise UsageError(
            f"{path}: the log kept {share:.0%} of the requests, and a fit needs their neighbours",
            hint="start the gateway with --sample 100%, or give records of headway bench",
        )
    for (at, model, status, ttft, duration, prompt, cached, output, _), logged in found:
        if not 200 <= status < 300 or not logged.attempts or logged.cache in ("hit", "partial"):
            read.left_out["not answered whole by an engine"] += 1
        elif not logged.stream or ttft is None:
            read.left_out["not streamed"] += 1
        elif not prompt or not output:
            read.left_out["without counts of tokens"] += 1
        else:
            last = logged.attempts[-1]
            read.latest = max(read.latest, at + duration)
            read.add(
                model,
                Seen(
                    f"{number}/{last.endpoint}", at + last.at, at + ttft, at + duration, prompt, cached or 0, output
                ),
            )  # fmt: skip


def _kept(logged: Sequence[Logged]) -> float:
    """The gateway numbers its requests; a number that falls is of a gateway that began anew."""
    numbered = first = 0
    last = 0
    for each in logged:
        if each.seq <= last or not first:
            numbered += last - first + 1 if first else 0
            first = each.seq
        last = each.seq
    numbered += last - first + 1 if first else 0
    return len(logged) / numbered if numbered else 1.0
