"""Records as JSON, one a line: of a gateway (`GET /records` on its socket) or of a run of `headway bench`.

A gateway's have `at` and `path`, a run's `due` and `operation`; lines with none of them (a run's own facts) are
passed by. A gateway's requests that were not answered whole are passed over and counted; a run's are sent again as
they were planned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import msgspec

from headway.perf.traffic.planned import Operation
from headway.perf.traffic.trace import Call
from headway.wire.openai import MESSAGES, OPERATIONS
from headway.wire.traces.lines import Lines
from headway.wire.traces.request_log import operation_of

__all__ = ["read"]


class _Record(msgspec.Struct):
    """The fields that matter of both; `session` is a number in a run's."""

    at: float | None = None
    path: str = ""
    due: float | None = None
    operation: str = ""
    model: str = ""
    tenant: str = ""
    status: int = 0
    duration: float = 0.0
    ended: float | None = None
    session: int = -1
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    planned_prompt: int = 0
    wanted_tokens: int = 0


_DECODER = msgspec.json.Decoder(_Record)
_BY_PATH = {**OPERATIONS, MESSAGES.path: MESSAGES}
_OF_RUNS: dict[str, Operation] = {each: each for each in get_args(Operation)}
_FORM = "a line is to be one record of a gateway or of headway bench"


def read(lines: Lines) -> Iterator[Call | None]:
    for text in lines:
        if not text.strip():
            continue
        try:
            record = _DECODER.decode(text)
        except msgspec.MsgspecError as error:
            raise lines.fault(f"not a record: {error}", _FORM) from None
        if record.due is not None:
            yield _of_run(record, record.due)
        elif record.at is not None and record.path:
            yield _of_gateway(record, record.at)


def _of_gateway(record: _Record, at: float) -> Call | None:
    operation = _BY_PATH.get(record.path)
    kind = operation_of(operation.name) if operation is not None else None
    answered = 200 <= record.status < 300 and record.prompt_tokens
    if kind is None or not answered or not (record.completion_tokens or kind == "embedding"):
        return None
    return Call(
        at,
        record.prompt_tokens or 1,
        record.completion_tokens or 0,
        answer=record.duration,
        model=record.model,
        tenant=record.tenant,
        operation=kind,
    )


def _of_run(record: _Record, due: float) -> Call | None:
    kind = _OF_RUNS.get(record.operation)
    if kind is None or record.planned_prompt < 1:
        return None
    return Call(
        due,
        record.planned_prompt,
        record.wanted_tokens,
        session=str(record.session) if record.session >= 0 else "",
        answer=None if record.ended is None else max(record.ended - due, 0.0),
        model=record.model,
        tenant=record.tenant,
        operation=kind,
    )
