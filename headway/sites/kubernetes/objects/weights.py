"""How the weights reach a Replica's pods: which way, why, and what that adds to the pod and beside it.

    pvc     the user's own claim, read                  image   an OCI image, mounted by the node (Kubernetes 1.35)
    volume  a claim many nodes read, filled by one Job  stream  the engine reads the bucket itself
    replica a claim of each Replica's own, kept         none    fetched at each start
    baked   in the image of the engine (file://)        -       an engine without weights

What is fetched is fetched by Headway's own image (`headway weights`), verified, and only then marked as whole, so that
no engine ever starts on half a model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from headway.engines.container import Container
from headway.engines.elsewhere import weights_bytes
from headway.errors import SourceError, SpecError
from headway.sites.kubernetes.facts import Facts, StorageClass
from headway.spec.revision import Revision
from headway.spec.source import Source
from headway.spec.units import parse_size

__all__ = ["Way", "claim_of", "image_of", "weights_way"]

Kind = Literal["", "pvc", "volume", "replica", "image", "stream", "none", "baked"]

IMAGE_VOLUMES = (1, 35)
"""On by default since (kubernetes.io, "Use an Image Volume With a Pod")."""
NODE_LOCAL = (
    "rancher.io/local-path",
    "topolvm.io",
    "local.csi.openebs.io",
    "openebs.io/local",
    "k8s.io/minikube-hostpath",
)
"""Provisioners whose claims lie on the disk of one node."""
UNKNOWN_SIZE = 100 << 30
"""Bytes, where the catalogue does not know the model."""
SPARE = 1.2

_IMAGE = re.compile(
    r"(?P<image>(?:[^/:@]+(?::\d+)?/)?[^:@]+(?::[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64}))(?:/(?P<path>.+))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Way:
    """`size`: bytes of disk that hold the weights. `storage_class`: of a claim of ours, empty: the default."""

    kind: Kind
    why: str
    size: int = 0
    why_size: str = ""
    storage_class: str = ""


def weights_way(revision: Revision, container: Container, facts: Facts) -> Way:
    """Raises SourceError, SpecError for a source that cannot come the way that is written."""
    if not container.form:
        return Way("", f"engine {revision.engine} has no weights")
    source = Source.parse(revision.source.uri)
    asked: Mapping[str, Any] = revision.place.get("weights", {})
    if source.scheme == "pvc":
        claim_of(source)
        return Way("pvc", "the weights lie on a claim already")
    if source.scheme == "file":
        return _baked(revision, source)
    return _chosen(source, container, facts, asked, _size(revision, asked))


def claim_of(source: Source) -> tuple[str, str]:
    """`pvc://NAME/path`: the claim and the folder in it that is mounted. Of a file that is the folder it lies in."""
    name, _, path = source.path.partition("/")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
        raise SourceError(f"{source} names no claim", hint="write pvc://CLAIM/path/in/it")
    folder = path.rstrip("/")
    return name, folder.rpartition("/")[0] if folder.endswith(".gguf") else folder


def image_of(source: Source) -> tuple[str, str]:
    """`oci://registry/name:tag/path`: the image and the folder in it."""
    match = _IMAGE.fullmatch(source.path)
    if match is None:
        raise SourceError(f"{source} names no image with a tag", hint="write oci://registry/name:tag[/folder]")
    folder = (match["path"] or "").rstrip("/")
    return match["image"], folder.rpartition("/")[0] if folder.endswith(".gguf") else folder


def _baked(revision: Revision, source: Source) -> Way:
    if "image" not in revision.place and "volumes" not in revision.place.get("pod", {}):
        raise SourceError(
            f"{source}: a cluster does not see this machine's files",
            hint="put them on a claim (pvc://NAME/path), in a bucket (s3://…), or into the engine's image (image: …)",
        )
    return Way("baked", f"{source.path} is in the image, or on a volume that pod: mounts")


def _size(revision: Revision, asked: Mapping[str, Any]) -> tuple[int, str]:
    if written := asked.get("size"):
        return parse_size(str(written)), "as written"
    known = revision.source.size_bytes or weights_bytes(revision.source.uri)
    if not known:
        return UNKNOWN_SIZE, "the catalogue does not know how large this model is; weights: {size: …} says it"
    return ceil(known * SPARE) + (1 << 30), f"{known / 1e9:.1f} GB of weights, a fifth more, and 1 GiB for the rest"


def _chosen(
    source: Source, container: Container, facts: Facts, asked: Mapping[str, Any], sized: tuple[int, str]
) -> Way:
    size, why_size = sized
    wanted, named = asked.get("cache", ""), asked.get("class", "")
    if wanted == "image" or (not wanted and source.scheme == "oci" and facts.known and facts.version >= IMAGE_VOLUMES):
        if source.scheme != "oci":
            raise SpecError("only an oci:// source is an image", hint="write source: oci://…", field="weights.cache")
        return Way("image", "as written" if wanted else "an OCI image, which this cluster's nodes can mount")
    if wanted == "stream" and source.scheme not in container.streams:
        able = " and ".join(f"{each}://" for each in container.streams) or "no source"
        raise SpecError(f"this engine streams {able}", hint="leave weights.cache out", field="weights.cache")
    if wanted:
        return Way(wanted, "as written", size, why_size, named)
    if shared := _first(facts, lambda each: each.shared and named in ("", each.name)):
        why = f"StorageClass {shared.name} can be read by many nodes: fetched once for all Replicas"
        return Way("volume", why, size, why_size, named or shared.name)
    if source.scheme in container.streams:
        return Way("stream", f"no shared storage here, and the engine reads {source.scheme}:// by itself")
    if local := _first(facts, lambda each: each.default and each.provisioner in NODE_LOCAL):
        why = f"StorageClass {local.name} lies on the node's own disk: each Replica keeps its weights over restarts"
        return Way("replica", why, size, why_size, named or local.name)
    lacks = "no StorageClass that many nodes can read" if facts.known else "nothing is known of the cluster's storage"
    return Way("none", f"{lacks}: fetched at each start", size, why_size)


def _first(facts: Facts, fits: Any) -> StorageClass | None:
    """The cluster's default before others."""
    ordered = sorted(facts.storage, key=lambda each: (not each.default, each.name))
    return next((each for each in ordered if fits(each)), None)
