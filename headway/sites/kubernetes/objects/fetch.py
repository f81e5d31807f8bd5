"""What brings weights to a pod: the container that fetches them, the volumes they lie on, and the objects beside it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from headway.engines.container import WEIGHTS, Container
from headway.engines.own_image import own_image
from headway.sites.kubernetes import labels
from headway.sites.kubernetes.objects.derived import Derived, because, derive
from headway.sites.kubernetes.objects.naming import cache_name
from headway.sites.kubernetes.objects.quantity import mebibytes
from headway.sites.kubernetes.objects.security import container_security, pod_security
from headway.sites.kubernetes.objects.weights import Way, claim_of, image_of
from headway.spec.revision import Revision
from headway.spec.source import Source
from headway.store.secrets import is_secret

__all__ = [
    "LAST_WORDS",
    "VOLUME",
    "cache_objects",
    "claim_template",
    "env_of",
    "fetchers",
    "mount",
    "ports",
    "seconds",
    "volumes",
]

VOLUME = "weights"
UID = 1000
"""Of the Job: all ways to serve a Model share what it fetches, whatever user their engines run as."""
OF_STORES = ("HF_", "HUGGING_FACE_", "AWS_", "GOOGLE_", "OCI_", "HEADWAY_", "PIP_", "SSL_CERT_", "REQUESTS_CA_")
"""Environment that a fetch needs: where a store is, and who asks. What is for the engine stays with it."""
HTTPS = 443
DEFAULT_PORTS = {"http": 80, "https": HTTPS}
SLOWEST = 20e6
"""Bytes/s; a fetch that is slower than this is given up and begun again."""
LEAST_SECONDS = 3600
LAST_WORDS = because("FallbackToLogsOnError", "its last lines stand in the pod's status, where `headway status` looks")
Tree = dict[str, Any]


def env_of(env: Mapping[str, str]) -> list[Tree]:
    """Secrets stay names: the kubelet puts the value in."""
    return [{"name": name, **_value(value)} for name, value in env.items()]


def mount(revision: Revision, way: Way) -> list[Tree]:
    """In the engine's container."""
    if way.kind in ("", "stream", "baked"):
        return []
    folder = ""
    if way.kind == "pvc":
        folder = claim_of(Source.parse(revision.source.uri))[1]
    elif way.kind == "image":
        folder = image_of(Source.parse(revision.source.uri))[1]
    read_only = because(True, "an engine never changes its weights")
    return [{"name": VOLUME, "mountPath": WEIGHTS, "readOnly": read_only, **({"subPath": folder} if folder else {})}]


def volumes(revision: Revision, way: Way, form: str) -> list[Tree]:
    source = Source.parse(revision.source.uri)
    match way.kind:
        case "pvc":
            claim = {"claimName": claim_of(source)[0], "readOnly": True}
            return [{"name": VOLUME, "persistentVolumeClaim": because(claim, way.why)}]
        case "image":
            image = {"reference": image_of(source)[0], "pullPolicy": "IfNotPresent"}
            return [{"name": VOLUME, "image": because(image, way.why)}]
        case "volume":
            claim = {"claimName": cache_name(revision, form), "readOnly": True}
            return [{"name": VOLUME, "persistentVolumeClaim": because(claim, way.why)}]
        case "none":
            return [{"name": VOLUME, "emptyDir": because({"sizeLimit": mebibytes(way.size)}, way.why)}]
    return []


def fetchers(revision: Revision, container: Container, way: Way) -> list[Tree]:
    """Init containers. With a shared claim it only waits for the Job that fills it."""
    if way.kind not in ("volume", "replica", "none"):
        return []
    waits = way.kind == "volume"
    return [_fetcher(revision, container, way, "wait-for-weights" if waits else "fetch-weights", waits=waits)]


def claim_template(way: Way) -> Tree:
    """Of a StatefulSet."""
    return {"metadata": {"name": VOLUME, "labels": {labels.MANAGED: "headway"}}, "spec": _claim(way, "ReadWriteOnce")}


def cache_objects(revision: Revision, container: Container, way: Way, namespace: str) -> tuple[Derived, ...]:
    """The shared claim and the Job that fills it."""
    if way.kind != "volume":
        return ()
    name = cache_name(revision, container.form)
    marked = {**labels.of_model(revision.model), labels.COMPONENT: "weights"}
    metadata = {"name": name, "namespace": namespace, "labels": marked}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": _claim(way, "ReadWriteMany"),
    }
    return (
        derive(claim, "The weights, once for all Replicas."),
        derive(_job(revision, container, way, metadata), "Fetches the weights once; the Replicas wait for its mark."),
    )


def _job(revision: Revision, container: Container, way: Way, metadata: Tree) -> Tree:
    name = metadata["name"]
    fetcher = _fetcher(revision, container, way, "fetch-weights", waits=False)
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "OnFailure",
        "securityContext": pod_security(UID),
        "containers": [fetcher],
        "volumes": [
            {"name": VOLUME, "persistentVolumeClaim": {"claimName": name}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 6,
            "activeDeadlineSeconds": because(seconds(way), f"at {SLOWEST / 1e6:.0f} MB/s, at least an hour"),
            "template": {"metadata": {"labels": metadata["labels"]}, "spec": pod},
        },
    }


def _fetcher(revision: Revision, container: Container, way: Way, name: str, *, waits: bool) -> Tree:
    source, commit = revision.source.uri, revision.source.commit
    args = [source, "--to", WEIGHTS, "--form", container.form]
    args += ["--commit", commit] if commit else []
    args += ["--wait", f"{seconds(way)}s"] if waits else []
    needs = {"cpu": "100m", "memory": "128Mi"} if waits else {"cpu": "1", "memory": "1Gi"}
    on_node = {"ephemeral-storage": mebibytes(way.size)} if way.kind == "none" else {}
    env = {} if waits else {name: value for name, value in revision.env.items() if _is_of_stores(name)}
    return {
        "name": name,
        "image": because(own_image(), "Headway's own image fetches: the engines' need no client of any store"),
        "command": ["headway", "weights"],
        "args": args,
        "env": [*env_of(env), {"name": "HOME", "value": "/tmp"}],  # noqa: S108 - a mount of its own
        "resources": {
            "requests": {**needs, **on_node},
            "limits": {"memory": needs["memory"] if waits else "4Gi", **on_node},
        },
        "terminationMessagePolicy": LAST_WORDS,
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": VOLUME, "mountPath": WEIGHTS, **({"readOnly": True} if waits else {})},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount of its own
        ],
    }


def ports(env: Mapping[str, str]) -> tuple[int, ...]:
    """Where weights may come from: HTTPS, and the ports of stores and proxies that the environment names. Of one whose
    address is a secret nobody knows the port here."""
    found = {HTTPS}
    for name, value in env.items():
        if _is_of_stores(name) and not is_secret(value):
            with suppress(ValueError):  # no URL, or a port that is none
                parts = urlsplit(value)
                found |= {parts.port or DEFAULT_PORTS[parts.scheme]} if parts.scheme in DEFAULT_PORTS else set()
    return tuple(sorted(found))


def _is_of_stores(name: str) -> bool:
    return name.startswith(OF_STORES) or name.casefold().endswith("_proxy")


def _claim(way: Way, mode: str) -> Tree:
    storage_class = because(way.storage_class, way.why) if way.storage_class else None
    return {
        "accessModes": [mode],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": because(mebibytes(way.size), way.why_size)}},
    }


def seconds(way: Way) -> int:
    return max(LEAST_SECONDS, ceil(way.size / SLOWEST))


def _value(value: str) -> Tree:
    if not is_secret(value):
        return {"value": value}
    name, _, key = value.removeprefix("secret:").partition("/")
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": key}}}
