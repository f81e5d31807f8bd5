"""A StorageClass object -> whether several nodes can read what it gives."""

from __future__ import annotations

from headway.sites.kubernetes.facts import StorageClass
from headway.wire.kube.manifest import Manifest

__all__ = ["storage_class"]

_SHARED = (
    "efs.csi.aws.com",
    "fsx.csi.aws.com",
    "fsx.openzfs.csi.aws.com",
    "filestore.csi.storage.gke.io",
    "lustre.csi.storage.gke.io",
    "file.csi.azure.com",
    "azurelustre.csi.azure.com",
    "nfs.csi.k8s.io",
    "cephfs.csi.ceph.com",
    "driver.longhorn.io",
    "csi.juicefs.com",
    "csi.weka.io",
    "beegfs.csi.netapp.com",
    "spectrumscale.csi.ibm.com",
    "kadalu",
    "nfs-subdir-external-provisioner",
)
"""Provisioners of file systems that many nodes mount at once (their own documentation). Of those whose answer depends
on a backend (Trident, Portworx, vSphere) nothing is believed: a claim that never binds is worse than a copy a node."""
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


def storage_class(manifest: Manifest) -> StorageClass:
    provisioner = manifest.get("provisioner", "")
    annotations = manifest["metadata"].get("annotations") or {}
    return StorageClass(
        name=manifest["metadata"]["name"],
        provisioner=provisioner,
        default=annotations.get(_DEFAULT) == "true",
        shared=any(provisioner == each or provisioner.endswith((f".{each}", f"/{each}")) for each in _SHARED),
    )
