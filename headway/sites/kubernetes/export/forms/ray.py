"""`--as rayservice`: a RayService a way, whose replicas Ray Serve's own LLM application starts.

The engine here is the vLLM inside of Ray's image; the pod's place (GPUs, affinity, tolerations) is what Headway
derived. Ray fetches the weights itself, so that only sources it knows can go this way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from headway.errors import UsageError
from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.export.load import target
from headway.sites.kubernetes.export.way import Way, on_one_node
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.fetch import env_of
from headway.sites.kubernetes.objects.security import WRITES_ROOT
from headway.spec.source import Source

__all__ = ["IMAGE", "ray_services"]

VERSION = "2.58.0"
IMAGE = f"rayproject/ray-llm:{VERSION}-py312-cu130"
SCHEMES = ("hf", "s3", "gs")
OWNED = frozenset({"served-model-name", "host", "port", "tokenizer-revision", "revision", "load-format"})
_PLACE = (
    "nodeSelector",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "priorityClassName",
    "runtimeClassName",
)


def ray_services(wish: Wish) -> Iterator[Derived]:
    found = [each for each in wish.ways if each.revision.engine in ("vllm", "sglang")]
    if not found:
        names = ", ".join(each.name for each in wish.models) or "no Model"
        raise UsageError(f"--as rayservice: {names}: Ray serves vLLM's models only", hint="use --as kubernetes")
    for way in on_one_node(found, "a worker here"):
        if way.model.source.partition("://")[0] in SCHEMES:
            yield _service(way)


def _service(way: Way) -> Derived:
    spec = {
        "serveConfigV2": text_of([Derived(_serve(way))]),
        "rayClusterConfig": {
            "rayVersion": VERSION,
            "headGroupSpec": {"rayStartParams": {"num-cpus": "0", "num-gpus": "0"}, "template": _head()},
            "workerGroupSpecs": [_workers(way)],
        },
    }
    metadata = {"name": way.name, "namespace": way.namespace, "labels": way.labels}
    at = "/spec/rayClusterConfig"
    why = {
        f"{at}/headGroupSpec/rayStartParams": "the head holds no work: when it dies, answers go on",
        f"{at}/workerGroupSpecs/0/template/spec/containers/0/image": "Ray's image with its vLLM; the rest of the pod "
        "is what Headway derived",
    }
    place = {key: told for key, told in way.pod.why.items() if key.lstrip("/").split("/")[0] in _PLACE}
    why |= {f"{at}/workerGroupSpecs/0/template/spec{key}": told for key, told in place.items()}
    manifest = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": metadata, "spec": spec}
    note = f"{way.name} for KubeRay: callers use the Service {way.name}-serve-svc, port 8000."
    return Derived(manifest, why, note)


def _serve(way: Way) -> dict[str, Any]:
    replicas, source = way.model.replicas, Source.parse(way.model.source)
    each, _ = target(way.revision)
    model: dict[str, Any] = {
        "model_id": way.model.name,
        "model_source": source.path if source.scheme == "hf" else str(source),
    }
    engine = {re.sub(r"[-.]", "_", key): value for key, value in way.revision.args.items() if key not in OWNED}
    if source.revision:
        engine["revision"] = source.revision
    scaling = {"min_replicas": replicas.low, "max_replicas": max(1, replicas.high), "target_ongoing_requests": each}
    config: dict[str, Any] = {
        "model_loading_config": model,
        "engine_kwargs": engine,
        "deployment_config": {"autoscaling_config": scaling, "max_ongoing_requests": 2 * each},
    }
    application = {
        "name": way.name,
        "import_path": "ray.serve.llm:build_openai_app",
        "route_prefix": "/",
        "args": {"llm_configs": [config]},
    }
    return {"applications": [application]}


def _head() -> dict[str, Any]:
    size = {"cpu": "2", "memory": "8Gi"}
    ports = {"serve": 8000, "metrics": 8080, "gcs": 6379, "dashboard": 8265, "client": 10001}
    container = {
        "name": "ray-head",
        "image": IMAGE,
        "ports": [{"name": name, "containerPort": number} for name, number in ports.items()],
        "resources": {"requests": size, "limits": size},
        "securityContext": WRITES_ROOT,  # Ray writes all over its home
    }
    return {"spec": {"automountServiceAccountToken": False, "containers": [container]}}


def _workers(way: Way) -> dict[str, Any]:
    replicas, pod = way.model.replicas, way.pod
    resources: Mapping[str, Any] = pod.engine.get("resources", {})
    gpus = next((count for name, count in resources.get("limits", {}).items() if _is_gpu(name)), "0")
    container = {
        "name": "ray-worker",
        "image": IMAGE,
        "env": env_of(way.revision.env),
        "resources": deepcopy(dict(resources)),
        "securityContext": WRITES_ROOT,
    }
    place = {key: deepcopy(pod.spec[key]) for key in _PLACE if key in pod.spec}
    place.pop("topologySpreadConstraints", None)  # of a Deployment's pods, which these are not
    return {
        "groupName": way.variant or "replicas",
        "replicas": replicas.wanted,
        "minReplicas": replicas.low,
        "maxReplicas": max(1, replicas.high),
        "rayStartParams": {"num-gpus": str(gpus)},
        "template": {"spec": {"automountServiceAccountToken": False, **place, "containers": [container]}},
    }


def _is_gpu(name: str) -> bool:
    return name.startswith(("nvidia.com/", "amd.com/", "google.com/tpu"))
