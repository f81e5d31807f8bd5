"""An OTLP/HTTP collector: it takes only what the official protobuf types take, and keeps the spans."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.gateway import answer_bytes, read_request

__all__ = ["Collector", "attributes", "collecting"]

_IDS = ("traceId", "spanId", "parentSpanId")


@dataclass
class Collector:
    """`statuses`: those of the next answers; then 200."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    answer: bytes = b"{}"
    asked: list[dict[str, str]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id.hex() == trace]

    def root(self, request_id: str) -> Span | None:
        found = (span for span in self.spans if attributes(span.attributes).get("headway.request.id") == request_id)
        return next(found, None)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = await read_request(reader)
            self.asked.append({"line": asked.line, **asked.headers})
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                self.take(asked.body)
            writer.write(answer_bytes(self.answer, status))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def take(self, body: bytes) -> None:
        """Unknown fields and wrong types raise. OTLP/JSON has ids in hex where protobuf's own JSON has base64."""
        request = Parse(json.dumps(_based(json.loads(body))), ExportTraceServiceRequest())
        for of_resource in request.resource_spans:
            self.resource = attributes(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                assert of_scope.scope.name == "headway.gateway"
                self.spans += of_scope.spans


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


def _based(value: Any) -> Any:
    if isinstance(value, list):
        return [_based(each) for each in value]
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(each)).decode() if key in _IDS else _based(each)
            for key, each in value.items()
        }
    return value


@asynccontextmanager
async def collecting(**given: Any) -> AsyncIterator[Collector]:
    made = Collector(**given)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
