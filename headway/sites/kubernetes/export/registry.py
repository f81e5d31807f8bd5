"""The forms and pieces of `headway export` by name: what each makes, and what must be on the cluster for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from headway.errors import UsageError
from headway.sites.kubernetes.export.forms import custom, gateway_api, keda, knative, kserve, kueue, lws, plain, ray
from headway.sites.kubernetes.export.pieces import (
    adapter,
    check,
    expander,
    mig,
    monitors,
    outside,
    priorities,
    sharing,
    tenancy,
    vpa,
)
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived
from headway.spec.fault import nearest

__all__ = ["FORMS", "PIECES", "Maker", "named"]


@dataclass(frozen=True, slots=True)
class Maker:
    """`groups`: the API's groups that what it makes is of; an export with no cluster at hand takes them as there."""

    make: Callable[[Wish], Iterator[Derived]]
    about: str
    needs: str = ""
    groups: frozenset[str] = frozenset()


FORMS: Mapping[str, Maker] = {
    "kubernetes": Maker(plain.plain, "Deployments, Services, HPAs: goes on working with no Headway"),
    "headway": Maker(custom.resources, "custom resources, for kubectl apply and Git", "headway install"),
    "kserve": Maker(kserve.inference_services, "InferenceServices", "KServe, and KEDA where replicas are a range"),
    "kserve-llm": Maker(
        kserve.llm_services, "LLMInferenceServices, with llm-d's scheduler", "KServe with LLMInferenceService"
    ),
    "rayservice": Maker(ray.ray_services, "RayServices with Ray Serve LLM", "KubeRay"),
    "lws": Maker(lws.leader_worker_sets, "LeaderWorkerSets, HPAs", "LeaderWorkerSet", frozenset({lws.GROUP})),
    "knative": Maker(knative.services, "Knative Services, which go to zero", "Knative Serving"),
    "keda": Maker(keda.keda, "Deployments with ScaledObjects on Prometheus", "KEDA, Prometheus"),
    "keda-external": Maker(keda.external, "Models with ScaledObjects on Headway's scaler", "KEDA, headway install"),
    "gateway-api": Maker(
        gateway_api.pools_and_routes,
        "InferencePools with Headway's picker, HTTPRoutes",
        "a gateway that knows InferencePools",
    ),
    "kueue": Maker(kueue.queued, "Deployments that wait in queues", "Kueue"),
}

PIECES: Mapping[str, Maker] = {
    "device-check": Maker(check.device_checks, "Jobs that show whether the GPUs asked for are there"),
    "time-slicing": Maker(sharing.time_slicing, "device plugin: a GPU in parts, for gpu: 0.5"),
    "mig": Maker(mig.mig, "MIG manager: how GPUs are cut, for gpu: mig-…"),
    "priority-classes": Maker(priorities.priority_classes, "the PriorityClasses that the file names"),
    "priority-expander": Maker(expander.priority_expander, "cluster autoscaler: cheapest node group first"),
    "vpa": Maker(vpa.recommendations, "VerticalPodAutoscalers that recommend only", "the VPA"),
    "quota": Maker(tenancy.quotas, "namespace, ResourceQuota and LimitRange of each Tenant"),
    "network-policies": Maker(tenancy.policies, "default deny, and exactly the flows that Headway needs"),
    "monitors": Maker(monitors.monitors, "ServiceMonitors, PodMonitor, PrometheusRules", "prometheus-operator"),
    "metrics-adapter": Maker(adapter.adapter, "prometheus-adapter's configuration for the HPAs", "prometheus-adapter"),
    "dcgm": Maker(monitors.dcgm, "GPU metrics and alerts", "NVIDIA's DCGM exporter and prometheus-operator"),
    "dashboards": Maker(monitors.dashboards, "Grafana dashboards", "Grafana with its sidecar"),
    "ingress": Maker(outside.ingress, "the gateway from outside", "headway install, an ingress controller"),
    "certificate": Maker(outside.certificate, "its TLS certificate", "cert-manager"),
}


def named(name: str, among: Mapping[str, Maker], option: str) -> Maker:
    """Raises UsageError with the nearest name, or all."""
    if name not in among:
        meant = nearest(name, tuple(among))
        hint = f"did you mean {meant}?" if meant else f"one of {', '.join(among)}"
        raise UsageError(f"{option}: found {name!r}", hint=hint)
    return among[name]
