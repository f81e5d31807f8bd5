"""What was asked of the API server, from its audit log (kubernetes.io, "Auditing"; group audit.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["WRITES", "Asked", "read"]

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, once it was answered (a watch: once it began). `resource` is empty for a path like /version."""

    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    path: str
    at: str  # RFC 3339, when it came

    @property
    def writes(self) -> bool:
        return self.verb in WRITES


def read(log: Path, since: int = 0) -> Iterator[Asked]:
    """`since`: the size that the log had, in bytes."""
    if not log.exists():
        return
    for line in log.read_bytes()[since:].splitlines():
        if line and (found := _asked(msgspec.json.decode(line))):
            yield found


def _asked(event: dict[str, Any]) -> Asked | None:
    about = event.get("objectRef", {})
    told = "ResponseStarted" if event["verb"] == "watch" else "ResponseComplete"
    if event["stage"] != told:
        return None
    return Asked(
        user=event["user"].get("username", ""),
        verb=event["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        path=event["requestURI"],
        at=event["requestReceivedTimestamp"],
    )
