"""`headway picker` beside a gateway: its Deployment, Service, and the right to see where Replicas are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import COMPONENT, MANAGED, MODEL
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.security import ALONE

__all__ = ["METRICS", "NAME", "PORT", "picker"]

NAME = "{name}-picker"
PORT, METRICS, HEALTH = 9002, 9090, 9003
SIZE = {"cpu": "500m", "memory": "256Mi"}
_RBAC = "rbac.authorization.k8s.io/v1"


def picker(pool: str, model: str, wish: Wish) -> Iterator[Derived]:
    """For one InferencePool."""
    name, namespace = NAME.format(name=pool), wish.namespace
    labels = {"app.kubernetes.io/name": name, MANAGED: "headway", COMPONENT: "picker", MODEL: model}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    yield Derived({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    rule = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]}
    yield Derived({"apiVersion": _RBAC, "kind": "Role", "metadata": metadata, "rules": [rule]})
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    to = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    yield Derived(
        {"apiVersion": _RBAC, "kind": "RoleBinding", "metadata": metadata, "roleRef": to, "subjects": [account]}
    )
    ports = [
        {"name": "grpc-ext-proc", "port": PORT, "targetPort": "grpc-ext-proc", "appProtocol": "kubernetes.io/h2c"},
        {"name": "metrics", "port": METRICS, "targetPort": "metrics"},
    ]
    selector = {"app.kubernetes.io/name": name, COMPONENT: "picker"}
    yield Derived(
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": selector, "ports": ports}}
    )
    pods = {key: value for key, value in labels.items() if key != MODEL}  # they are no Replicas of it
    template = {"metadata": {"labels": pods}, "spec": _pod(name, model, wish)}
    spec = {"replicas": 1, "selector": {"matchLabels": selector}, "template": template}
    yield Derived(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"/spec/replicas": "one that knows which prompt went where; a second would know half of it"},
        f"Headway's endpoint picker for {pool}: its routing policy behind any gateway of the Gateway API.",
    )


def _pod(name: str, model: str, wish: Wish) -> dict[str, Any]:
    flags = {"--namespace": wish.namespace, "--model": model, "--host": "0.0.0.0", "--socket": "/run/headway/picker"}  # noqa: S104
    numbers = {"--port": PORT, "--metrics-port": METRICS, "--health-port": HEALTH}
    args = ["--cluster", *(part for flag, value in (flags | numbers).items() for part in (flag, str(value)))]
    container = {
        "name": "picker",
        "image": wish.words.image,
        "command": ["headway", "picker"],
        "args": args,
        "ports": [{"name": "grpc-ext-proc", "containerPort": PORT}, {"name": "metrics", "containerPort": METRICS}],
        "livenessProbe": {"grpc": {"port": HEALTH, "service": "liveness"}},
        "readinessProbe": {"grpc": {"port": HEALTH, "service": "readiness"}},
        "resources": {"requests": SIZE, "limits": {"memory": "1Gi"}},
        "securityContext": ALONE,
        "volumeMounts": [{"name": "run", "mountPath": "/run/headway"}],
    }
    return {
        "serviceAccountName": name,
        "terminationGracePeriodSeconds": 45,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "run", "emptyDir": {}}],
    }
