"""The operator's process: it stands by, leads, and ends in order.

Whoever loses the lease ends the process: nothing that a leader had begun may go on beside the next one, and a process
that is gone has nothing left. The container starts again and stands by.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from headway.control.operator.figures import Figures
from headway.control.operator.lease import Elector
from headway.control.operator.operator import Operator
from headway.control.operator.settings import OperatorSettings
from headway.control.scaler.process import serve as serve_scaler
from headway.control.serving import Stop, serve_app
from headway.errors import HeadwayError, ResourceError
from headway.sites.kubernetes.observe import Served, served
from headway.wire.kube.cluster import Cluster

__all__ = ["LEASE", "run"]

log = logging.getLogger(__name__)

LEASE = "headway-operator"
LOST = 1
"""Exit status when the lease is somebody else's."""
TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def run(settings: OperatorSettings, context: str = "") -> int:
    """Until SIGTERM (0), or until the lease is lost (1). Raises what keeps it from starting at all."""
    cluster = Cluster.open(context)
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    elector = Elector(cluster, LEASE, settings.namespace, settings.identity, settings.terms)
    process = _Process(cluster, settings, elector, stop)
    others: list[Coroutine[Any, Any, None]] = []
    if settings.port:
        others.append(serve_app(process.app(), _listen(settings), stop))
    if settings.scaler_port:
        others.append(
            serve_scaler(
                cluster,
                namespace=settings.namespace,
                site=settings.site,
                host=settings.host,
                port=settings.scaler_port,
                stop=stop,
            )
        )
    try:
        return await _until(stop, process.work(), others)
    finally:
        await cluster.close()


class _Process:
    def __init__(self, cluster: Cluster, settings: OperatorSettings, elector: Elector, stop: Stop) -> None:
        self._cluster, self._settings, self._elector, self._stop = cluster, settings, elector, stop
        self._figures = Figures()
        self._operator: Operator | None = None

    async def work(self) -> int:
        """Stand by, then lead until told to stop (0) or the lease is lost (1)."""
        leading = asyncio.create_task(self._lead())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([leading, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if leading.done():
            return leading.result()
        leading.cancel()
        await asyncio.wait([leading], timeout=self._settings.stop_within)
        await self._elector.release()
        return 0

    async def _lead(self) -> int:
        await self._elector.acquire()
        log.info("%s leads", self._settings.identity)
        lost = asyncio.Event()
        keeping = asyncio.create_task(self._elector.keep(lost.set))
        try:
            while not lost.is_set():
                await self._operate(await served(self._cluster), lost)
            return LOST
        finally:
            self._figures.leads.set(0)
            keeping.cancel()

    async def _operate(self, there: Served, lost: asyncio.Event) -> None:
        """Until the lease is lost, or the API server serves other kinds (KEDA or LeaderWorkerSet was installed): then
        all is read anew."""
        operator = Operator(self._cluster, there, self._settings, self._figures)
        works: list[asyncio.Task[Any]] = []
        try:
            await operator.open()
            if lost.is_set():  # a server that asked for patience had more than the Lease lasts
                return
            self._operator = operator
            self._figures.leads.set(1)
            works += map(asyncio.create_task, (operator.run(), lost.wait(), self._other_kinds(there)))
            done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in works:
                each.cancel()
            await operator.close()

    async def _other_kinds(self, there: Served) -> None:
        """Return when the API server serves other kinds than `there`."""
        while True:
            await asyncio.sleep(self._settings.look_for_kinds)
            try:
                now = await served(self._cluster)
            except HeadwayError:
                continue  # it is away, and the mirrors say so
            if now.groups != there.groups:
                log.info("other kinds are served now: %s", ", ".join(sorted(now.groups ^ there.groups)))
                return

    def app(self) -> Starlette:
        def said(make: Callable[[], tuple[int, str | bytes]]) -> Callable[[Request], Response]:
            def answer(_: Request) -> Response:
                status, text = make()
                return PlainTextResponse(text, status, media_type=TEXT)

            return answer

        return Starlette(
            routes=[
                Route("/healthz", said(lambda: (200, "ok\n"))),
                Route("/readyz", said(lambda: (200, "leads\n" if self._operator else "stands by\n"))),
                Route("/metrics", said(self._metrics)),
            ]
        )

    def _metrics(self) -> tuple[int, bytes]:
        return 200, self._operator.figures() if self._operator else self._figures.text()


def _listen(settings: OperatorSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), reuse_port=False)
    except OSError as error:
        raise ResourceError(f"port {settings.port} cannot be had: {error}", hint="give another one: --port") from error


async def _until(stop: Stop, work: Coroutine[Any, Any, int], besides: list[Coroutine[Any, Any, None]]) -> int:
    """The result of `work`; the others end with it, and it with the first of them that ends."""
    first, others = asyncio.create_task(work), [asyncio.create_task(each) for each in besides]
    try:
        await asyncio.wait([first, *others], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        status = await first
    finally:
        if others:
            await asyncio.wait(others, timeout=3.0)
        for each in others:
            each.cancel()
    for each in others:
        if each.done() and not each.cancelled():
            each.result()  # a port that could not be had, a library that is not installed
    return status
