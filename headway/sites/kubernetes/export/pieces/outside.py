"""`--piece ingress` and `--piece certificate`: how callers from outside reach the gateway, by name and with TLS."""

from __future__ import annotations

from collections.abc import Iterator

from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import COMPONENT, MANAGED
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["SECRET", "certificate", "ingress"]

SECRET = "headway-tls"  # noqa: S105 - the name of one
GATEWAY = "headway-gateway"
_LABELS = {MANAGED: "headway", COMPONENT: "gateway"}
_NGINX = "nginx.ingress.kubernetes.io"


def ingress(wish: Wish) -> Iterator[Derived]:
    backend = {"service": {"name": GATEWAY, "port": {"name": "http"}}}
    path = {"path": "/v1", "pathType": "Prefix", "backend": backend}
    annotations = {
        f"{_NGINX}/proxy-buffering": "off",
        f"{_NGINX}/proxy-read-timeout": "3600",
        f"{_NGINX}/proxy-body-size": "32m",
    }
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": GATEWAY, "namespace": wish.system, "labels": _LABELS, "annotations": annotations},
        "spec": {
            "tls": [{"hosts": [wish.words.host], "secretName": SECRET}],
            "rules": [{"host": wish.words.host, "http": {"paths": [path]}}],
        },
    }
    at = "/metadata/annotations/nginx.ingress.kubernetes.io~1"
    why = {
        f"{at}proxy-buffering": "an answer streams: held back until a buffer is full it would come in lumps",
        f"{at}proxy-read-timeout": "seconds between two tokens at most, a wait in the queue included",
        "/spec/rules/0/http/paths/0/path": "the API alone: /metrics and /healthz stay inside",
        "/spec/rules/0/host": "--host",
    }
    yield Derived(
        manifest, why, "Callers from outside. The annotations are those of ingress-nginx; others ignore them."
    )


def certificate(wish: Wish) -> Iterator[Derived]:
    manifest = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": GATEWAY, "namespace": wish.system, "labels": _LABELS},
        "spec": {
            "secretName": SECRET,
            "dnsNames": [wish.words.host],
            "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": wish.words.issuer},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        },
    }
    why = {
        "/spec/secretName": "which the Ingress names; the gateway reads it, too, when installed with --tls",
        "/spec/issuerRef/name": "--issuer",
        "/spec/privateKey/rotationPolicy": "a new key with each certificate",
    }
    yield Derived(manifest, why, "Its certificate, made and renewed by cert-manager.")
