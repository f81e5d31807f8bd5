"""The gRPC server: ext_proc for the data plane, and the health that it and Kubernetes ask for.

Health is answered under the names that the endpoint-picker protocol gives: `liveness` and the empty one whenever the
process can answer, `readiness` and the ext_proc service while there is a routing table and the process is not ending.
Kubernetes cannot ask over TLS, so health has a port of its own, without.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from headway.errors import ResourceError
from headway.gateway.picker.ext_proc_pb2 import (
    HealthCheckRequest,
    HealthCheckResponse,
    ProcessingRequest,
    ProcessingResponse,
)
from headway.gateway.picker.session import Session
from headway.gateway.picker.tls import credentials
from headway.gateway.tls import Certificate

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["EXT_PROC", "HEALTH", "Front", "Server"]

EXT_PROC, HEALTH = "envoy.service.ext_proc.v3.ExternalProcessor", "grpc.health.v1.Health"
_ALIVE, _READY = ("", "liveness"), ("readiness", EXT_PROC)
_WATCH_SECONDS = 5.0
_FRAME_BYTES = 64 * 1024
_PLAIN = (
    ("grpc.so_reuseport", 1),
    ("grpc.keepalive_time_ms", 30_000),  # a data plane that is gone without a word frees its places
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


@dataclass(frozen=True, slots=True)
class Front:
    """Where the data plane finds the picker. Without a certificate in plain text; `health_port` 0 = none. `fallbacks`:
    endpoints that are named behind the first one."""

    host: str
    port: int
    health_port: int = 0
    fallbacks: int = 2
    certificate: Certificate | None = None


class _Stream:
    """words.Stream over grpc's."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.write = context.write

    async def read(self) -> ProcessingRequest | None:
        message = await self._context.read()
        return None if message is grpc.aio.EOF else message


class Server:
    def __init__(self, gateway: Gateway, front: Front) -> None:
        self._gateway, self._front = gateway, front
        self._servers: list[grpc.aio.Server] = []
        self.port = front.port

    async def start(self) -> None:
        """Raises ResourceError when a port cannot be had."""
        front, most = self._front, self._gateway.settings.body_bytes + _FRAME_BYTES
        main = grpc.aio.server(options=(*_PLAIN, ("grpc.max_receive_message_length", most)))
        main.add_generic_rpc_handlers((self._ext_proc(), self._health()))
        secret = credentials(front.certificate) if front.certificate else None
        self.port = await self._open(main, front.port, secret)
        if front.health_port:
            side = grpc.aio.server(options=_PLAIN)
            side.add_generic_rpc_handlers((self._health(),))
            await self._open(side, front.health_port, None)

    async def stop(self, seconds: float) -> None:
        """New streams are refused at once; those that run may end."""
        for each in self._servers:
            await each.stop(seconds)

    async def _open(self, server: grpc.aio.Server, port: int, secret: grpc.ServerCredentials | None) -> int:
        host = f"[{self._front.host}]" if ":" in self._front.host else self._front.host
        where = f"{host}:{port}"
        try:
            taken = server.add_secure_port(where, secret) if secret else server.add_insecure_port(where)
            await server.start()
        except RuntimeError as error:
            raise ResourceError(f"{where}: cannot listen there", hint="choose another port") from error
        self._servers.append(server)
        return taken

    def _ext_proc(self) -> grpc.GenericRpcHandler:
        async def process(_: AsyncIterator[ProcessingRequest], context: Any) -> None:
            await Session(self._gateway, _Stream(context), self._front.fallbacks).run()

        handler = grpc.stream_stream_rpc_method_handler(
            process, ProcessingRequest.FromString, ProcessingResponse.SerializeToString
        )
        return grpc.method_handlers_generic_handler(EXT_PROC, {"Process": handler})

    def _health(self) -> grpc.GenericRpcHandler:
        async def check(request: HealthCheckRequest, context: Any) -> HealthCheckResponse:
            status = self._status(request.service)
            if status == HealthCheckResponse.SERVICE_UNKNOWN:
                await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no service {request.service!r} here")
            return HealthCheckResponse(status=status)

        async def watch(request: HealthCheckRequest, context: Any) -> None:
            said = None
            while True:
                if (status := self._status(request.service)) != said:
                    said = status
                    await context.write(HealthCheckResponse(status=status))
                await asyncio.sleep(_WATCH_SECONDS)

        read, write = HealthCheckRequest.FromString, HealthCheckResponse.SerializeToString
        handlers: dict[str, Any] = {
            "Check": grpc.unary_unary_rpc_method_handler(check, read, write),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, read, write),
        }
        return grpc.method_handlers_generic_handler(HEALTH, handlers)

    def _status(self, service: str) -> HealthCheckResponse.ServingStatus:
        if service in _ALIVE:
            return HealthCheckResponse.SERVING
        if service not in _READY:
            return HealthCheckResponse.SERVICE_UNKNOWN
        ready = self._gateway.catalog.ready and not self._gateway.draining
        return HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
