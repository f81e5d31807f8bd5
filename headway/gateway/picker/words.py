"""The messages of the protocol, made and read: what else of protobuf the picker would have to know is here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from google.protobuf.struct_pb2 import Struct

from headway.gateway.picker.ext_proc_pb2 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    HeaderMap,
    HeaderMutation,
    HeadersResponse,
    HeaderValue,
    HeaderValueOption,
    HttpStatus,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
    StreamedBodyResponse,
    TrailersResponse,
)
from headway.gateway.picker.hints import DESTINATION, LB

__all__ = [
    "GO_ON",
    "Stream",
    "chunks",
    "destination",
    "immediate",
    "in_body",
    "in_headers",
    "instead",
    "kind_of",
    "marked",
    "passing",
    "plain_headers",
]

PIECE = 60_000
"""Most bytes of one piece of a body: data planes in front of Envoy's own limits (64 KiB) take it."""
_SET = HeaderValueOption.Action.OVERWRITE_IF_EXISTS_OR_ADD


class Stream(Protocol):
    """One gRPC stream: one request of a caller."""

    async def read(self) -> ProcessingRequest | None: ...
    async def write(self, message: ProcessingResponse) -> None: ...


def kind_of(message: ProcessingRequest) -> str:
    return message.WhichOneof("request") or ""


def plain_headers(headers: HeaderMap) -> dict[bytes, bytes]:
    """Names in lower case; of several with one name the last."""
    return {each.key.lower().encode(): each.raw_value or each.value.encode() for each in headers.headers}


def _set(name: str, value: bytes) -> HeaderValueOption:
    return HeaderValueOption(header=HeaderValue(key=name, raw_value=value), append_action=_SET)


def destination(addresses: Sequence[str], *, changed: bool) -> CommonResponse:
    """Send it there. `changed`: its body is not the caller's, nor as long. Answers must come unpacked, or nothing can
    be learned from them."""
    mutation = HeaderMutation(
        set_headers=[_set(DESTINATION, ",".join(addresses).encode())],
        remove_headers=["accept-encoding", *(["content-length"] if changed else [])],
    )
    return CommonResponse(header_mutation=mutation, clear_route_cache=True)


def _metadata(addresses: Sequence[str]) -> Struct:
    found = Struct()
    found.get_or_create_struct(LB)[DESTINATION] = ",".join(addresses)
    return found


def in_headers(common: CommonResponse, addresses: Sequence[str]) -> ProcessingResponse:
    return ProcessingResponse(request_headers=HeadersResponse(response=common), dynamic_metadata=_metadata(addresses))


def in_body(common: CommonResponse, addresses: Sequence[str], body: bytes | None) -> ProcessingResponse:
    """For a data plane that sent the whole body at once and keeps it; `body` replaces it."""
    if body is not None:
        common.body_mutation.CopyFrom(BodyMutation(body=body))
    return ProcessingResponse(request_body=BodyResponse(response=common), dynamic_metadata=_metadata(addresses))


def _piece(data: bytes, end: bool) -> BodyResponse:
    streamed = StreamedBodyResponse(body=data, end_of_stream=end)
    return BodyResponse(response=CommonResponse(body_mutation=BodyMutation(streamed_response=streamed)))


def chunks(body: bytes, end: bool) -> Iterable[ProcessingResponse]:
    """The body of a request, on its way. `end`: no trailers follow."""
    for at in range(0, max(1, len(body)), PIECE):
        last = at + PIECE >= len(body)
        yield ProcessingResponse(request_body=_piece(body[at : at + PIECE], end and last))


def passing(body: bytes, end: bool) -> ProcessingResponse:
    """A piece of an answer, for a data plane that keeps none of it."""
    return ProcessingResponse(response_body=_piece(body, end))


def instead(body: bytes) -> ProcessingResponse:
    """A piece of an answer, for a data plane that keeps the one it told, unless there is another."""
    return ProcessingResponse(
        response_body=BodyResponse(response=CommonResponse(body_mutation=BodyMutation(body=body)))
    )


def marked(replica: str) -> ProcessingResponse:
    """The head of an answer, and which replica gave it."""
    mutation = HeaderMutation(set_headers=[_set("x-headway-replica", replica.encode("latin-1", "replace"))])
    return ProcessingResponse(response_headers=HeadersResponse(response=CommonResponse(header_mutation=mutation)))


def immediate(status: int, headers: Iterable[tuple[str, bytes]], body: bytes, code: str) -> ProcessingResponse:
    """Answer the caller at once. `code` is for the data plane's log."""
    return ProcessingResponse(
        immediate_response=ImmediateResponse(
            status=HttpStatus(code=status),
            headers=HeaderMutation(set_headers=[_set(name, value) for name, value in headers]),
            body=body,
            details=code,
        )
    )


GO_ON = {
    "request_headers": ProcessingResponse(request_headers=HeadersResponse()),
    "request_body": ProcessingResponse(request_body=BodyResponse()),
    "request_trailers": ProcessingResponse(request_trailers=TrailersResponse()),
    "response_headers": ProcessingResponse(response_headers=HeadersResponse()),
    "response_body": ProcessingResponse(response_body=BodyResponse()),
    "response_trailers": ProcessingResponse(response_trailers=TrailersResponse()),
}
"""Leave it as it is."""
