"""`--piece monitors`, `dcgm` and `dashboards`: who scrapes gateway, engines and GPUs, what should wake somebody, and
what a person looks at. For prometheus-operator, and Grafana's sidecar.

The rules and dashboards lie in `data/` as Prometheus and Grafana take them, for those who run either by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from headway.sites.kubernetes.export.load import load_of
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import COMPONENT, MANAGED, MODEL, REVISION, VARIANT
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["dashboards", "dcgm", "monitors", "rules"]

API = "monitoring.coreos.com/v1"
EVERY = "15s"
DCGM_NAMESPACE, DCGM_APP, DCGM_PORT = "gpu-operator", "nvidia-dcgm-exporter", "gpu-metrics"
"""As NVIDIA's GPU operator calls its exporter."""
_LABELS = {MANAGED: "headway"}
_RELEASE = (
    "A Prometheus of kube-prometheus-stack looks at objects with its own label only (release: …): add it, or set "
)
_RELEASE += "serviceMonitorSelectorNilUsesHelmValues: false (and those of podMonitor and rule)."


def monitors(wish: Wish) -> Iterator[Derived]:
    for part, port in (("gateway", "http"), ("operator", "metrics")):
        selector = {"app.kubernetes.io/part-of": "headway", COMPONENT: part}
        spec = {
            "selector": {"matchLabels": selector},
            "endpoints": [{"port": port, "path": "/metrics", "interval": EVERY}],
        }
        yield _object("ServiceMonitor", f"headway-{part}", wish.system, spec, f"The {part}'s own metrics. {_RELEASE}")
    yield _engines(wish)
    yield _object(
        "PrometheusRule", "headway-gateway", wish.system, rules("alerts.yaml"), "When the gateway's users suffer."
    )
    yield _object(
        "PrometheusRule", "headway-engines", wish.namespace, rules("engines.yaml"), "When engines are full or stuck."
    )


def _engines(wish: Wish) -> Derived:
    ports = {way.pod.engine["ports"][0].get("name", ""): way for way in wish.ways if load_of(way.revision.engine)}
    names = {"model": MODEL, "variant": VARIANT, "revision": REVISION}
    relabelings: list[dict[str, Any]] = [
        {"sourceLabels": [f"__meta_kubernetes_pod_label_{_flat(label)}"], "targetLabel": name}
        for name, label in names.items()
    ]
    endpoints = [
        {"port": port, "path": "/metrics", "interval": EVERY, "relabelings": relabelings} for port in ports or ("http",)
    ]
    spec = {
        "selector": {"matchLabels": {COMPONENT: "replica"}, "matchExpressions": [{"key": MODEL, "operator": "Exists"}]},
        "podMetricsEndpoints": endpoints,
    }
    why = {
        "/spec/podMetricsEndpoints/0/relabelings": "so that every engine's series say model, variant and revision",
        "/spec/podMetricsEndpoints/0/interval": "a queue fills within seconds; an HPA looks every 15 s",
    }
    made = _object("PodMonitor", "headway-engines", wish.namespace, spec, "The engines' metrics, of all Models here.")
    return Derived(made.manifest, why, made.note)


def dcgm(wish: Wish) -> Iterator[Derived]:
    """GPUs, as NVIDIA's DCGM exporter sees them."""
    spec = {
        "selector": {"matchLabels": {"app": DCGM_APP}},
        "namespaceSelector": {"matchNames": [DCGM_NAMESPACE]},
        "endpoints": [{"port": DCGM_PORT, "path": "/metrics", "interval": EVERY, "honorLabels": True}],
    }
    why = {
        "/spec/endpoints/0/honorLabels": "the exporter names the pod that has the GPU; Prometheus would put its own",
        "/spec/namespaceSelector/matchNames/0": "where the GPU operator puts it; alone it is in another namespace",
    }
    made = _object(
        "ServiceMonitor", "dcgm-exporter", DCGM_NAMESPACE, spec, f"GPUs: use, memory, heat, faults. {_RELEASE}"
    )
    yield Derived(made.manifest, why, made.note)
    note = "When a GPU fails, throttles, or is paid for and idle."
    yield _object("PrometheusRule", "headway-gpus", DCGM_NAMESPACE, rules("gpus.yaml"), note)


def dashboards(wish: Wish) -> Iterator[Derived]:
    for name, about in (("gateway", "what callers feel"), ("engines", "engines and GPUs")):
        text = files("headway.sites.kubernetes.export.data").joinpath(f"{name}.json").read_text("utf-8")
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"headway-dashboard-{name}",
                "namespace": wish.system,
                "labels": {**_LABELS, "grafana_dashboard": "1"},
            },
            "data": {f"headway-{name}.json": text},
        }
        why = {"/metadata/labels/grafana_dashboard": "Grafana's sidecar loads what has this label"}
        yield Derived(manifest, why, f"A Grafana dashboard: {about}.")


def rules(file: str) -> dict[str, Any]:
    """`groups`, as Prometheus reads the file."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow to import

    text = files("headway.sites.kubernetes.export.data").joinpath(file).read_text("utf-8")
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return found


def _object(kind: str, name: str, namespace: str, spec: dict[str, Any], note: str) -> Derived:
    metadata = {"name": name, "namespace": namespace, "labels": _LABELS}
    return Derived({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}, {}, note)


def _flat(label: str) -> str:
    """As Prometheus' discovery writes a label's name."""
    return "".join(each if each.isalnum() else "_" for each in label)
