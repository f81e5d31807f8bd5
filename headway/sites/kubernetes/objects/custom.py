"""One object of the user's file as a cluster has it: the same fields under `spec`, units as people write them."""

from __future__ import annotations

from headway.spec.document import API_VERSION
from headway.spec.kinds import SpecObject
from headway.wire.kube.manifest import Manifest

__all__ = ["custom"]


def custom(found: SpecObject, namespace: str) -> Manifest:
    """Only what its author wrote, so that what is left out stays Headway's (and other writers') to say."""
    spec = found.model_dump(mode="json", exclude={"kind", "name"}, exclude_unset=True)
    return {
        "apiVersion": API_VERSION,
        "kind": found.kind,
        "metadata": {"name": found.name, "namespace": namespace},
        "spec": spec,
    }
