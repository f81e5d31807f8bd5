"""A worker of the picker: the gateway's worker with another front. The data plane calls it by gRPC; on its HTTP socket
it answers what is read (metrics, health, the list of models) and serves no model."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import uvloop

from headway.gateway.api import Api
from headway.gateway.client import ClientConnection, Running, Serve
from headway.gateway.picker.server import Front, Server
from headway.gateway.request import Request
from headway.gateway.settings import Settings
from headway.gateway.tls import Certificate
from headway.gateway.worker import Place, Worker, place_of, run
from headway.wire.openai import Refusal

__all__ = ["PickerWorker", "front_of", "main", "words_of"]

log = logging.getLogger("headway.gateway")


class PickerWorker(Worker):
    def __init__(self, place: Place, settings: Settings, loop: asyncio.AbstractEventLoop, front: Front) -> None:
        super().__init__(place, settings, loop)
        self._front = front
        self._grpc = Server(self.gateway, front)
        self._hurrying: asyncio.Task[None] | None = None

    @property
    def front_port(self) -> int:
        """Where gRPC listens."""
        return self._grpc.port

    async def start(self) -> None:
        await self._grpc.start()
        await super().start()

    def terminate(self) -> None:
        if self._ending.is_set():
            self._hurrying = self.gateway.loop.create_task(self._grpc.stop(0))
        super().terminate()

    async def stop(self) -> None:
        """Let running streams end, up to the deadline."""
        self.gateway.draining = True
        await self._grpc.stop(self.gateway.settings.drain_seconds)
        await super().stop()

    def _serve(self) -> Serve:
        reads = Api(self.gateway).serve

        def serve(client: ClientConnection, request: Request) -> Running | None:
            if request.method != "POST":
                return reads(client, request)
            message = "This is an endpoint picker: models are called through the proxy that asks it."
            client.refuse(Refusal(404, "unknown_url", message))
            return None

        return serve


def words_of(front: Front) -> list[str]:
    """As arguments of a process."""
    pair = front.certificate
    files = [str(pair.chain), str(pair.key)] if pair else []
    return [front.host, str(front.port), str(front.health_port), str(front.fallbacks), *files]


def front_of(words: list[str]) -> Front:
    host, port, health, fallbacks, *files = words
    pair = Certificate(*map(Path, files)) if files else None
    return Front(host, int(port), int(health), int(fallbacks), pair)


def main(argv: list[str]) -> int:
    """As the gateway's worker, then a Front."""
    place, front = place_of(argv[:5], "picker"), front_of(argv[5:])

    async def live() -> None:
        await run(PickerWorker(place, Settings(), asyncio.get_running_loop(), front))

    uvloop.run(live())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
