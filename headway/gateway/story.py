"""One request told whole: its Record, and what follows from it, for `headway explain REQUEST-ID`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from headway.gateway.record import Record
from headway.gateway.settings import Settings
from headway.policy.budget import Limit
from headway.store.request_log import RequestLog

__all__ = ["Found", "LimitSeen", "Story", "from_log", "inter_token_seconds", "story"]


class LimitSeen(msgspec.Struct):
    """One of its tenant's limits as it stood when the request came. Money in millionths."""

    limit: str
    size: int
    left: int
    refused: bool = False


class Story(msgspec.Struct):
    """`found`: in a worker's memory of its last requests, or in the request log. `deadline`: seconds it had. `itl`:
    mean seconds between two tokens of its answer."""

    record: Record
    found: Literal["worker", "log"]
    deadline: float
    itl: float | None = None
    limits: list[LimitSeen] = []


class Found(msgspec.Struct):
    """The answer of `GET /explain?id=ID`."""

    story: Story | None


USUAL_DEADLINE = Settings().deadline_seconds


def from_log(path: Path, request_id: str) -> Story | None:
    """When no hub answers. Raises HeadwayError when the file cannot be read."""
    if not path.exists():
        return None
    kept = RequestLog(path)
    try:
        found = kept.find(request_id)
    finally:
        kept.close()
    return story(msgspec.json.decode(found, type=Record), "log") if found else None


def story(record: Record, found: Literal["worker", "log"], usual_deadline: float = USUAL_DEADLINE) -> Story:
    return Story(
        record,
        found,
        record.deadline if record.deadline is not None else usual_deadline,
        inter_token_seconds(record),
        _limits(record),
    )


def inter_token_seconds(record: Record) -> float | None:
    """Known of a stream that ended: what its first and last byte are apart, shared among its tokens but the first."""
    tokens = record.completion_tokens
    if not record.stream or record.ttft is None or tokens is None or tokens < 2:
        return None
    return max(0.0, record.duration - record.ttft) / (tokens - 1)


def _limits(record: Record) -> list[LimitSeen]:
    charge = record.charge
    if charge is None or not charge.left:
        return []
    return [
        LimitSeen(name, size, min(size, charge.left[Limit[name.upper()]]), refused=name == charge.refused_by)
        for name, size in zip(charge.limits, charge.sizes, strict=True)
    ]
