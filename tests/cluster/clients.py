"""Connections of the tests to an API server, each as the user of its kubeconfig; and the warnings they are told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from headway.wire.kube.cluster import Cluster

if TYPE_CHECKING:
    import httpx2

__all__ = ["connect", "warned"]


def connect(kubeconfig: Path, *, manager: str = "tests") -> Cluster:
    with patch.dict(os.environ, KUBECONFIG=str(kubeconfig)):
        return Cluster.open(manager=manager)


def warned(cluster: Cluster) -> list[str]:
    """Fills with what the API server warns this connection of (RFC 9110 had it as the Warning header: code 299)."""
    told: list[str] = []

    async def note(answer: httpx2.Response) -> None:
        told.extend(answer.headers.get_list("warning"))

    cluster.access.http.event_hooks["response"].append(note)
    return told
