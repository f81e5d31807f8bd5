"""`--as kserve`: an InferenceService a way; `--as kserve-llm`: an LLMInferenceService where text is generated.

KServe is given the pod as it is, weights and all: its storage initializer would fetch them anew for each pod (kserve
#4918, #5116), and Headway's cache fetches them once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headway.sites.kubernetes.export.forms.scaler import query
from headway.sites.kubernetes.export.load import load_of, target
from headway.sites.kubernetes.export.way import Way, moved, of_one_pod
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["inference_services", "llm_services"]

LLM_SCHEMES = ("hf", "s3", "pvc", "oci")
"""Whose URIs an LLMInferenceService takes."""
_MODE = "serving.kserve.io/deploymentMode"


def inference_services(wish: Wish) -> Iterator[Derived]:
    for way in of_one_pod(wish.ways, "an InferenceService here"):
        yield from way.others
        yield _service(way, wish.words.prometheus)


def llm_services(wish: Wish) -> Iterator[Derived]:
    """What embeds, and what comes from where KServe cannot look, stays an InferenceService."""
    for way in of_one_pod(wish.ways, "an LLMInferenceService here"):
        yield from way.others
        scheme = way.model.source.partition("://")[0]
        generates = way.revision.task != "embedding" and scheme in LLM_SCHEMES
        yield _llm(way) if generates else _service(way, wish.words.prometheus)


def _service(way: Way, prometheus: str) -> Derived:
    predictor, why = _bounds(way)
    load = load_of(way.revision.engine)
    if load is not None and way.model.replicas.low < way.model.replicas.high:
        each, why_each = target(way.revision)
        metric = {"backend": "prometheus", "serverAddress": prometheus, "query": query(way)}
        aimed = {"type": "AverageValue", "averageValue": str(each)}
        predictor["autoScaling"] = {"metrics": [{"type": "External", "external": {"metric": metric, "target": aimed}}]}
        why["/autoScaling/metrics/0/external/target/averageValue"] = why_each
    predictor |= _pod(way, "kserve-container")
    why |= way.pod.why
    autoscaler = {"serving.kserve.io/autoscalerClass": "keda"} if "autoScaling" in predictor else {}
    manifest = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": way.name,
            "namespace": way.namespace,
            "labels": way.labels,
            "annotations": {_MODE: "Standard", **autoscaler},
        },
        "spec": {"predictor": predictor},
    }
    reasons = moved({f"/pod{at}": told for at, told in why.items()}, "/pod", "/spec/predictor")
    reasons[f"/metadata/annotations/{_MODE.replace('/', '~1')}"] = "Deployments: Knative's pods may not choose nodes"
    if autoscaler:
        reasons["/spec/predictor/autoScaling"] = "needs KEDA, which KServe asks for external metrics"
    return Derived(manifest, reasons, f"{way.name} for KServe.")


def _llm(way: Way) -> Derived:
    replicas = way.model.replicas
    spec: dict[str, Any] = {
        "model": {"uri": _uri(way), "name": way.model.name},
        "storageInitializer": {"enabled": False},
        "template": _pod(way, "main"),
        "router": {"gateway": {}, "route": {}, "scheduler": {}},
    }
    if replicas.low < replicas.high:
        spec["scaling"] = {"minReplicas": max(1, replicas.low), "maxReplicas": replicas.high, "wva": {"hpa": {}}}
    else:
        spec["replicas"] = replicas.wanted
    tensor = way.revision.args.get("tensor-parallel-size")
    if tensor:
        spec["parallelism"] = {"tensor": int(tensor)}
    manifest = {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": way.name, "namespace": way.namespace, "labels": way.labels},
        "spec": spec,
    }
    why = moved({f"/pod{at}": told for at, told in way.pod.why.items()}, "/pod", "/spec/template")
    why["/spec/storageInitializer"] = "the weights are there already: they are mounted, see the objects above"
    why["/spec/router"] = "KServe's own gateway, route and scheduler, with its defaults"
    if "scaling" in spec:
        why["/spec/scaling"] = "by the Workload Variant Autoscaler, which KServe asks for; min is at least 1"
    return Derived(manifest, why, f"{way.name} for KServe, with llm-d's scheduler.")


def _uri(way: Way) -> str:
    """KServe writes a commit with a colon: hf://org/name:rev."""
    source = way.model.source
    return source.replace("@", ":") if source.startswith("hf://") else source


def _bounds(way: Way) -> tuple[dict[str, Any], dict[str, str]]:
    replicas = way.model.replicas
    if replicas.low == replicas.high:
        return {"minReplicas": replicas.wanted, "maxReplicas": replicas.wanted}, {}
    why = (
        {} if replicas.low else {"/minReplicas": "the file says 0, which KServe's Standard mode reaches with KEDA only"}
    )
    return {"minReplicas": max(1, replicas.low), "maxReplicas": replicas.high}, why


def _pod(way: Way, container: str) -> dict[str, Any]:
    """Its spec, with the engine's container called as KServe looks for it."""
    spec: dict[str, Any] = way.pod.template()["spec"]
    spec["containers"][0]["name"] = container
    return spec
