"""The scaler as a part of the operator's process: its own two mirrors, its server, until it is told to stop.

It needs no lease: it writes nothing, and each operator that stands by can answer too.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging

from headway.control.serving import Stop
from headway.control.waiting import first_of
from headway.errors import HeadwayError, UsageError
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

__all__ = ["serve"]

log = logging.getLogger(__name__)

RETRY = 5.0


async def serve(cluster: Cluster, *, namespace: str, site: str, host: str, port: int, stop: Stop) -> None:
    """`namespace`: of the gateways. Raises UsageError without gRPC, ResourceError without the port."""
    if any(importlib.util.find_spec(name) is None for name in ("grpc", "google")):
        raise UsageError("--scaler-port needs gRPC, which is not installed", hint="pip install 'headway[picker]'")
    from headway.control.scaler.gateways import Gateways  # noqa: PLC0415
    from headway.control.scaler.service import ScalerServer  # noqa: PLC0415

    gateways, models = Gateways(cluster, namespace), Mirror(cluster, resource("Model"), lambda _: None)
    server = ScalerServer(gateways, lambda: models.objects, site)
    try:
        await first_of(_opened(gateways, models), stop.wait())
        if stop.is_set():
            return
        taken = await server.start(host, port)
        log.info("KEDA may ask on port %d", taken)
        await first_of(gateways.run(), stop.wait())
        await server.stop()
    finally:
        await gateways.close()
        await models.close()


async def _opened(*sources: object) -> None:
    """Read each once; an API server that does not answer is asked again."""
    for each in sources:
        while True:
            try:
                await each.open()  # type: ignore[attr-defined]
                break
            except HeadwayError as error:
                log.warning("the scaler cannot read the cluster yet: %s", error)
                await asyncio.sleep(RETRY)
