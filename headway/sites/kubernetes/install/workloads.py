"""The two programs of an install: the operator and the gateway, each with its account, Service and what keeps it up.

Their pods fit the Pod Security level `restricted`: no root, no privilege, nothing writable but two folders.
"""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.install.options import Installation
from headway.sites.kubernetes.install.rbac import account
from headway.sites.kubernetes.labels import COMPONENT
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.network import GATEWAY_PORT, METRICS_PORT, SCALER_PORT
from headway.wire.kube.manifest import Manifest

__all__ = ["CLAIM", "gateway", "operator"]

UID = 1000
STATE = "/var/lib/headway"
CLAIM = "headway-ledger"
TLS = "/etc/headway/tls"
_HANDOVER_SECONDS = 5
"""Between the end of a pod's endpoint and its SIGTERM: load balancers need that long to hear of it."""
_GRACE_SECONDS = 45
"""The handover, the gateway's own 30 s for running requests, and some."""


def operator(of: Installation) -> tuple[Derived, ...]:
    container = {
        "name": "operator",
        "image": of.image,
        "args": [
            "operator",
            "--namespace",
            of.namespace,
            "--identity",
            "$(POD_NAME)",
            "--scaler-port",
            str(SCALER_PORT),
        ],
        "env": _environment(of),
        "ports": [_port("metrics", METRICS_PORT), _port("scaler", SCALER_PORT)],
        "livenessProbe": _probe("/healthz", "metrics", period=10),
        "readinessProbe": _probe("/readyz", "metrics", period=5),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
    }
    deployment = _deployment(of, "operator", container, _volumes(), grace=30)
    deployment["spec"]["replicas"] = of.operators
    service = _service(of, "operator", [_to("metrics", METRICS_PORT), _to("scaler", SCALER_PORT)])
    why = {
        "/spec/template/spec/containers/0/resources/requests/memory": "what it uses when idle, with some room",
        "/spec/template/spec/tolerations": "on a dead node it is missed after half a minute, not after five",
    }
    return (
        Derived(_account(of, "operator")),
        Derived(deployment, why, "Derives and keeps what Models need. One leads (a Lease), others wait."),
        Derived(service, note="Metrics, and the external scaler that KEDA may ask."),
        *(_budget(of, "operator") if of.operators > 1 else ()),
    )


def gateway(of: Installation) -> tuple[Derived, ...]:
    least, most = of.gateway_range
    scheme = "HTTPS" if of.tls else "HTTP"
    container = {
        "name": "gateway",
        "image": of.image,
        "args": ["gateway", "--cluster", "--namespace", of.namespace, "--port", str(GATEWAY_PORT), *_options(of)],
        "env": _environment(of),
        "ports": [_port("http", GATEWAY_PORT)],
        "startupProbe": _probe("/readyz", "http", period=2, failures=60, scheme=scheme),
        "readinessProbe": _probe("/readyz", "http", period=5, scheme=scheme),
        "livenessProbe": _probe("/healthz", "http", period=10, scheme=scheme),
        "lifecycle": {"preStop": {"sleep": {"seconds": _HANDOVER_SECONDS}}},
        "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
    }
    deployment = _deployment(
        of, "gateway", container, _volumes(of.mounted_secrets, of.tls, claim=bool(of.volume)), grace=_GRACE_SECONDS
    )
    if least == most:
        deployment["spec"]["replicas"] = least
    if of.volume:
        deployment["spec"]["strategy"] = {"type": "Recreate"}
    port = {**_to("http", 443 if of.tls else 80), "appProtocol": "https" if of.tls else "http"}
    service = _service(of, "gateway", [port])
    service["spec"]["type"] = of.service
    why = {
        "/spec/template/spec/containers/0/lifecycle": "callers' load balancers hear of the end before it comes",
        "/spec/template/spec/containers/0/startupProbe": "ready when the cluster's Models were read once",
        "/spec/template/spec/containers/0/resources/requests/cpu": "the autoscaler measures the use of it",
        "/spec/template/spec/terminationGracePeriodSeconds": "running answers end before the pod does",
    } | ({"/spec/strategy": "the new gateway may write budgets only when the old one is gone"} if of.volume else {})
    return (
        Derived(_account(of, "gateway")),
        *(_claim(of) if of.volume else ()),
        Derived(deployment, why, "What callers talk to. It goes on with what it knows when the API server is away."),
        Derived(service, note="The one address of every Model."),
        *(_budget(of, "gateway") if most > 1 else ()),
        *(_autoscaler(of, least, most) if most > least else ()),
    )


def _options(of: Installation) -> list[str]:
    ledger = ["--ledger", of.ledger] if of.ledger else []
    return ledger + (["--tls-cert", f"{TLS}/tls.crt", "--tls-key", f"{TLS}/tls.key"] if of.tls else [])


def _deployment(of: Installation, part: str, container: Manifest, volumes: list[Manifest], *, grace: int) -> Manifest:
    mounts = [{"name": each["name"], "mountPath": each.pop("_at")} | each.pop("_read", {}) for each in volumes]
    pod = {
        "serviceAccountName": account(part),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "fsGroup": UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": grace,
        "tolerations": [
            {"key": f"node.kubernetes.io/{each}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
            for each in ("not-ready", "unreachable")
        ],
        "topologySpreadConstraints": [_spread("kubernetes.io/hostname", part)],
        "containers": [container | {"securityContext": _locked(), "volumeMounts": mounts}],
        "volumes": volumes,
    } | ({"imagePullSecrets": [{"name": of.pull_secret}]} if of.pull_secret else {})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(of, part),
        "spec": {
            "selector": {"matchLabels": _select(part)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": _labels(part)}, "spec": pod},
        },
    }


def _volumes(secrets: tuple[str, ...] = (), tls: str = "", *, claim: bool = False) -> list[Manifest]:
    """With `_at` and `_read`, how the container mounts each."""
    kept = {"persistentVolumeClaim": {"claimName": CLAIM}}
    found: list[Manifest] = [
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}, "_at": "/tmp"},  # noqa: S108 - a volume of its own
        {"name": "state", **(kept if claim else {"emptyDir": {"sizeLimit": "2Gi"}}), "_at": STATE},
    ]
    for name in secrets:
        source = {"secretName": name, "optional": True, "defaultMode": 0o440}
        at = f"{STATE}/secrets/{name}"
        found.append({"name": f"secret-{name}", "secret": source, "_at": at, "_read": {"readOnly": True}})
    if tls:
        source = {"secretName": tls, "defaultMode": 0o440}
        found.append({"name": "tls", "secret": source, "_at": TLS, "_read": {"readOnly": True}})
    return found


def _environment(of: Installation) -> list[Manifest]:
    return [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "HEADWAY_IMAGE", "value": of.image},
        {"name": "HEADWAY_STATE_DIR", "value": STATE},
        {"name": "HOME", "value": "/tmp"},  # noqa: S108
    ]


def _claim(of: Installation) -> tuple[Derived, ...]:
    made = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(of, "gateway") | {"name": CLAIM},
        "spec": {"accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": of.volume}}},
    }
    why = {"/spec/accessModes": "budgets have one writer: never two gateways, not even for a moment"}
    return (Derived(made, why, "Budgets and what was spent of them, where there is no ledger on PostgreSQL."),)


def _autoscaler(of: Installation, least: int, most: int) -> tuple[Derived, ...]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": account("gateway")}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    made = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(of, "gateway"),
        "spec": {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, "metrics": [cpu]},
    }
    why = {"/spec/metrics/0": "a gateway is bound by its processor; without a metrics server the least number runs"}
    return (Derived(made, why, "More gateways when they are busy."),)


def _budget(of: Installation, part: str) -> tuple[Derived, ...]:
    made = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(of, part),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _select(part)}},
    }
    return (Derived(made, note="Draining nodes takes one at a time."),)


def _service(of: Installation, part: str, ports: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(of, part),
        "spec": {"selector": _select(part), "ports": ports},
    }


def _account(of: Installation, part: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(of, part)}


def _metadata(of: Installation, part: str) -> Manifest:
    return {"name": account(part), "namespace": of.namespace, "labels": _labels(part)}


def _select(part: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "headway", COMPONENT: part}


def _labels(part: str) -> dict[str, str]:
    return _select(part) | {"app.kubernetes.io/part-of": "headway"}


def _locked() -> Manifest:
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def _spread(key: str, part: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": _select(part)},
    }


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _to(name: str, number: int) -> Manifest:
    return {"name": name, "port": number, "protocol": "TCP", "targetPort": name}


def _probe(path: str, port: str, *, period: int, failures: int = 3, scheme: str = "HTTP") -> dict[str, Any]:
    get = {"path": path, "port": port, "scheme": scheme}
    return {"httpGet": get, "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures}
