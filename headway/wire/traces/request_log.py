"""Headway's request log (`requests.db`, see store.request_log): what a gateway kept of the requests it served.

`headway` reads every row, for whatever reason it was kept; `headway-sampled` only those that chance alone chose
(`sampled` = 1), which are like all traffic, though `fraction` of it. Rows that were not answered whole (a status that
is not 2xx, or no count of tokens) are passed over and counted.

A row's blocks are hashes of the prompt's bytes; how many tokens a block has is reckoned from the log's own bytes for a
token, one figure for all of it, so that equal beginnings stay equal.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from headway.perf.traffic.planned import Operation
from headway.perf.traffic.trace import Block, Call
from headway.policy.prefix import BOUNDARIES
from headway.wire.traces.lines import fault

__all__ = ["MAGIC", "operation_of", "read"]

MAGIC = b"SQLite format 3\0"
BYTES_PER_TOKEN = 4.0
"""Where no row tells: what English text takes with the tokenisers of today."""

_RATIO = (
    "SELECT SUM(prompt_bytes) * 1.0 / SUM(prompt_tokens) FROM requests WHERE prompt_tokens > 0 AND prompt_bytes > 0"
)
_ROWS = (
    "SELECT at, model, tenant, operation, status, duration, prompt_tokens, completion_tokens, session, blocks, epoch"
    " FROM requests WHERE sampled >= ? ORDER BY at, seq"
)
_HINT = "give the requests.db of a Headway gateway (its --requests FILE)"


def read(path: Path, *, sampled: bool) -> Iterator[Call | None]:
    """The log may be written to meanwhile."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as log:
            ratio = log.execute(_RATIO).fetchone()[0] or BYTES_PER_TOKEN
            sizes = [max(1, round(end / ratio) - round(begin / ratio)) for begin, end in pairwise(BOUNDARIES)]
            for row in log.execute(_ROWS, (int(sampled),)):
                yield _call(row, sizes)
    except sqlite3.Error as error:
        raise fault(path, 0, f"cannot be read as a request log: {error}", _HINT) from error


def operation_of(name: str) -> Operation | None:
    """Of OpenTelemetry's names; None: one that no schedule has."""
    known: dict[str, Operation] = {
        "chat": "chat",
        "messages": "chat",
        "text_completion": "completion",
        "embeddings": "embedding",
    }
    return known.get(name)


def _call(row: tuple[Any, ...], sizes: list[int]) -> Call | None:
    at, model, tenant, name, status, duration, prompt, output, session, blocks, epoch = row
    operation = operation_of(name)
    answered = 200 <= status < 300 and prompt and (output or operation == "embedding")
    if operation is None or not answered:
        return None
    hashes = (int.from_bytes(blocks[place : place + 8]) for place in range(0, len(blocks), 8))
    found: list[Block] = list(zip(hashes, sizes, strict=False))
    return Call(
        at,
        prompt,
        output or 0,
        tuple(found),
        session=f"{epoch.hex()}/{session.hex()}" if session else "",
        answer=duration,
        model=model,
        tenant=tenant,
        operation=operation,
    )
