"""A provisioner of volumes that do not exist: storage classes, and a PersistentVolume for each claim that waits."""

from __future__ import annotations

import asyncio
import logging

from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

__all__ = ["PROVISIONER", "Disks"]

log = logging.getLogger(__name__)

PROVISIONER = "disks.tests.headway.dev"
CHOSEN = "volume.kubernetes.io/storage-provisioner"
NODE = "volume.kubernetes.io/selected-node"
CLASSES = {"disk": ("WaitForFirstConsumer", True), "shared": ("Immediate", False)}
"""Name -> binding mode, whether it is the cluster's default."""


class Disks:
    """`disk` is for one node at a time and binds when a pod needs it, `shared` for many and binds at once."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._claims = Mirror(cluster, resource("PersistentVolumeClaim"), self._changed)
        self._making: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        for name, (mode, default) in CLASSES.items():
            await self._cluster.apply(_class(name, mode, default=default))
        await self._claims.open()

    async def close(self) -> None:
        await self._claims.close()
        for task in self._making:
            task.cancel()

    def _changed(self, ref: Ref) -> None:
        claim = self._claims.objects.get(ref)
        if claim is None or claim["spec"].get("volumeName"):
            return
        said = claim["metadata"].get("annotations") or {}
        waits = CLASSES.get(claim["spec"].get("storageClassName", ""), ("", False))[0] == "WaitForFirstConsumer"
        if said.get(CHOSEN) == PROVISIONER and (NODE in said or not waits):
            task = asyncio.create_task(self._make(claim))
            self._making.add(task)
            task.add_done_callback(self._making.discard)

    async def _make(self, claim: Manifest) -> None:
        try:
            await self._cluster.create(_volume(claim))
        except ApiRefusal as refusal:
            if refusal.status != 409:  # made already
                log.error("no volume for %s: %s", claim["metadata"]["name"], refusal)


def _class(name: str, mode: str, *, default: bool) -> Manifest:
    annotations = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": annotations},
        "provisioner": PROVISIONER,
        "volumeBindingMode": mode,
        "reclaimPolicy": "Delete",
    }


def _volume(claim: Manifest) -> Manifest:
    at, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{at['uid']}", "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": at["namespace"],
                         "name": at["name"], "uid": at["uid"]},
            "csi": {"driver": PROVISIONER, "volumeHandle": at["uid"]},
        },
    }  # fmt: skip
