"""One Kubernetes object as JSON has it, and how it is named. No classes per kind: what is written is what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Manifest", "Ref", "labels", "ref"]

Manifest = dict[str, Any]
"""`apiVersion`, `kind`, `metadata` and the rest."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which object: `namespace` is empty for one of the whole cluster."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def ref(manifest: Mapping[str, Any], namespace: str = "") -> Ref:
    """`namespace`: of an object that names none."""
    metadata = manifest["metadata"]
    return Ref(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", namespace), metadata["name"])


def labels(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    return manifest["metadata"].get("labels") or {}
