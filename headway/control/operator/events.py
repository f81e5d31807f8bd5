"""What the operator did and saw, as Events of the object it concerns (`kubectl describe model chat`).

Only what is new is an event: a write of ours, or a condition that turned. What merely goes on is told by the
conditions, so an operator with nothing to do writes nothing. An event that cannot be written is no reason to stop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from headway.errors import HeadwayError
from headway.policy.decision import Reason
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest

__all__ = ["Told", "tell"]

log = logging.getLogger(__name__)

COMPONENT = "headway-operator"
LONGEST = 1024
"""Bytes of an event's message that the API server accepts."""
MOST = 16
"""Events of one pass; a Model of many Variants that changes whole has about that many."""


@dataclass(frozen=True, slots=True)
class Told:
    reason: Reason
    message: str
    warning: bool = False


async def tell(cluster: Cluster, about: Manifest, events: Iterable[Told], identity: str) -> None:
    for each in list(events)[:MOST]:
        try:
            await cluster.create(_event(about, each, identity))
        except HeadwayError as error:
            log.warning("an event of %s was not written (%s)", about["metadata"]["name"], error)


def _event(about: Manifest, told: Told, identity: str) -> Manifest:
    metadata = about["metadata"]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:200]}.{uuid4().hex[:16]}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Warning" if told.warning else "Normal",
        "reason": told.reason.value,
        "message": told.message.encode()[:LONGEST].decode(errors="ignore"),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": identity,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
