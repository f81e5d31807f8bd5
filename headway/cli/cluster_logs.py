"""`headway logs NAME --on SITE`: the engines' logs of a Model's Replicas, merged as they come."""

from __future__ import annotations

import asyncio
import contextlib

from headway.errors import HeadwayError, UsageError
from headway.sites.kubernetes.labels import MODEL
from headway.sites.kubernetes.pods import serving_container
from headway.sites.kubernetes.replicas import OURS
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["tell"]


async def tell(cluster: Cluster, model: str, *, replica: str, lines: int, follow: bool) -> None:
    """Prints. Raises UsageError where there is no such Replica; one that has no log yet is passed over, and said."""
    from headway.cli.cluster_state import listed  # noqa: PLC0415

    pods = await listed(cluster, "Pod", labels=f"{OURS},{MODEL}={model}")
    chosen = [each for each in pods if replica in ("", each["metadata"]["name"])]
    if not chosen:
        what = f"replica {replica!r} of {model}" if replica else f"replica of {model!r}"
        raise UsageError(f"no {what} there", hint="headway ls names the models, headway status NAME their replicas")
    results = await asyncio.gather(*(_one(cluster, pod, lines, follow) for pod in chosen), return_exceptions=True)
    faults = [each for each in results if isinstance(each, BaseException)]
    if len(faults) == len(chosen):
        raise faults[0]
    for fault in faults:
        if not isinstance(fault, HeadwayError):
            raise fault


async def _one(cluster: Cluster, pod: Manifest, lines: int, follow: bool) -> None:
    metadata = pod["metadata"]
    path = resource("Pod").path(metadata["namespace"], metadata["name"], "log")
    asked = {"container": serving_container(pod), "tailLines": lines, "follow": str(follow).lower()}
    stream = cluster.lines(path, asked)
    async with contextlib.aclosing(stream):  # type: ignore[type-var]
        try:
            async for line in stream:
                print(f"{metadata['name']} | {line.rstrip()}", flush=follow)
        except ApiRefusal as refusal:
            if refusal.status != 400:  # a container that has not started has none
                raise
            raise UsageError(f"{metadata['name']} has no log yet: {refusal}", hint="headway status NAME") from None
