"""A Record of a traced request as spans, in the JSON form of OTLP: the request, each of its waits, each of its tries.

Names and attributes are those of the OpenTelemetry GenAI and HTTP conventions; what they have no word for begins with
`headway.`. OTLP's JSON writes ids in hex and 64-bit integers as strings (opentelemetry.io/docs/specs/otlp, "JSON
Protobuf Encoding"). There is no content in a Record, so there is none here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from headway.gateway.record import Attempt, Record, Trace, Wait
from headway.gateway.table import Endpoint
from headway.wire.openai import OPERATIONS, OTHER

__all__ = ["batch", "count", "spans"]

INTERNAL, SERVER, CLIENT = 1, 2, 3
ERROR = 2
Span = dict[str, Any]
_PORTS = {"http": 80, "https": 443}


def count(record: Record) -> int:
    return 1 + len(record.waits) + sum(1 for each in record.attempts if each.span)


def spans(record: Record, endpoints: Mapping[str, Endpoint]) -> Iterator[Span]:
    """Nothing of a request that is not traced."""
    trace = record.trace
    if trace is None:
        return
    yield _request(record, trace)
    for wait in record.waits:
        yield _wait(record, trace, wait)
    tries = [each for each in record.attempts if each.span]
    for attempt in tries:
        yield _try(record, trace, attempt, endpoints.get(attempt.endpoint), answered=attempt is tries[-1])


def _request(record: Record, trace: Trace) -> Span:
    span = _span(record, trace, trace.span, trace.parent, _name(record), kind=SERVER, begin=0.0, end=record.duration)
    attributes = {
        "http.request.method": "POST",
        "url.path": record.path,
        "http.response.status_code": record.status,
        **_asked(record, trace),
        **_answered(record),
        "headway.request.id": record.id,
        "headway.tenant": record.tenant or None,
        "headway.priority": record.priority or None,
        "headway.cache": record.cache or None,
        "headway.cost": None if record.micros is None else record.micros / 1e6,
        "headway.worker": record.worker,
        "headway.table_version": record.table,
        "error.type": record.error or (str(record.status) if record.status >= 500 else None),
    }
    span["attributes"] = _attributes(attributes)
    if trace.state:
        span["traceState"] = trace.state
    _add_first_token(span, record)
    if record.status >= 500 or (record.status == 200 and record.error):
        span["status"] = {"code": ERROR, "message": record.message or record.error}
    return span


def _wait(record: Record, trace: Trace, wait: Wait) -> Span:
    end = wait.at + wait.seconds
    own = secrets.token_hex(8)
    span = _span(record, trace, own, trace.span, f"wait {wait.where}", kind=INTERNAL, begin=wait.at, end=end)
    span["attributes"] = _attributes({"headway.line.ahead": wait.ahead, "headway.line.waiting": wait.waiting})
    return span


def _try(record: Record, trace: Trace, attempt: Attempt, endpoint: Endpoint | None, *, answered: bool) -> Span:
    end = record.duration if attempt.ended is None else attempt.ended
    span = _span(record, trace, attempt.span, trace.span, _name(record), kind=CLIENT, begin=attempt.at, end=end)
    attributes: dict[str, Any] = {**_asked(record, trace), **_server(endpoint)}
    attributes |= {
        "headway.endpoint": attempt.endpoint,
        "headway.revision": endpoint.revision or None if endpoint else None,
        "headway.decision.reason": attempt.why or None,
        "headway.decision.cost": _cost(attempt),
    }
    if answered:
        attributes |= _answered(record)
        _add_first_token(span, record)
    if failure := attempt.failure or (record.error if answered else ""):
        attributes["error.type"] = failure
        span["status"] = {"code": ERROR, "message": failure}
    span["attributes"] = _attributes(attributes)
    return span


def _span(
    record: Record, trace: Trace, span: str, parent: str, name: str, *, kind: int, begin: float, end: float
) -> Span:
    """Times in seconds since the request was accepted."""
    made: Span = {
        "traceId": trace.id,
        "spanId": span,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(int((record.at + begin) * 1e9)),
        "endTimeUnixNano": str(int((record.at + max(begin, end)) * 1e9)),
    }
    if parent:
        made["parentSpanId"] = parent
    return made


def _operation(record: Record) -> str:
    return operation.name if (operation := OPERATIONS.get(record.path)) else OTHER


def _name(record: Record) -> str:
    return f"{_operation(record)} {record.model}".strip()


def _asked(record: Record, trace: Trace) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": _operation(record),
        "gen_ai.provider.name": "headway",
        "gen_ai.request.model": record.model or None,
        "gen_ai.request.stream": record.stream or None,
        "gen_ai.request.max_tokens": trace.max_tokens,
        "gen_ai.request.temperature": trace.temperature,
        "gen_ai.request.top_p": trace.top_p,
        "gen_ai.request.choice.count": trace.choices if trace.choices not in (None, 1) else None,
    }


def _answered(record: Record) -> dict[str, Any]:
    return {
        "gen_ai.usage.input_tokens": record.prompt_tokens,
        "gen_ai.usage.output_tokens": record.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cached_tokens,
        "gen_ai.response.time_to_first_chunk": record.ttft if record.stream else None,
    }


def _server(endpoint: Endpoint | None) -> dict[str, Any]:
    if endpoint is None:
        return {}
    url = urlsplit(endpoint.url)
    return {"server.address": url.hostname, "server.port": url.port or _PORTS.get(url.scheme)}


def _cost(attempt: Attempt) -> float | None:
    """Of the endpoint that was picked."""
    for endpoint, cost in zip(attempt.among, attempt.costs, strict=False):
        if endpoint == attempt.endpoint:
            return cost
    return None


def _add_first_token(span: Span, record: Record) -> None:
    if record.ttft is not None:
        span["events"] = [{"name": "first_token", "timeUnixNano": str(int((record.at + record.ttft) * 1e9))}]


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}


def batch(of: Iterable[Span], resource: Mapping[str, str], version: str) -> dict[str, Any]:
    """An ExportTraceServiceRequest."""
    scope = {"name": "headway.gateway", "version": version}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": list(of)}],
            }
        ]
    }
