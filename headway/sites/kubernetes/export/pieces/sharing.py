"""`--piece time-slicing`: one GPU for several pods, as NVIDIA's device plugin does it: in turns, with no walls between
their memories. How many parts, the smallest share that the file asks for says."""

from __future__ import annotations

import math
from collections.abc import Iterator

from headway.errors import UsageError
from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import MANAGED
from headway.sites.kubernetes.objects.derived import Derived
from headway.spec.gpu import parse_gpu

__all__ = ["NAME", "NAMESPACE", "time_slicing"]

NAME = "device-plugin-config"
NAMESPACE = "gpu-operator"


def time_slicing(wish: Wish) -> Iterator[Derived]:
    wanted = {}
    for way in wish.ways:
        found = parse_gpu(way.model.gpu) if way.model.gpu else None
        if found is not None and found.fraction < 1:
            wanted[way.name] = found.fraction
    if not wanted:
        raise UsageError(
            "--piece time-slicing: no Model asks for a share of a GPU", hint="write gpu: 0.5, or leave the piece out"
        )
    name, least = min(wanted.items(), key=lambda each: each[1])
    parts = math.ceil(1 / least - 1e-9)
    config = f"shared-{parts}"
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {MANAGED: "headway"}},
        "data": {"whole": text_of([Derived({"version": "v1"})]), config: text_of([_config(parts)])},
    }
    why = {f"/data/{config}": f"{parts} parts: {name} asks for {least:g} of a GPU, the smallest share in the file"}
    told = "nvidia.com/device-plugin.config"
    note = (
        f"Device plugin: nodes labelled {told}={config} offer each GPU {parts} times; unlabelled ones whole.\n"
        "Parts run in turns and share one memory: a pod that takes too much breaks its neighbours. MIG "
        "(--piece mig) has walls.\n"
        "  kubectl patch clusterpolicies.nvidia.com/cluster-policy --type merge -p "
        f'\'{{"spec": {{"devicePlugin": {{"config": {{"name": "{NAME}", "default": "whole"}}}}}}}}\'\n'
        f"  kubectl label node NODE {told}={config}"
    )
    yield Derived(manifest, why, note)


def _config(parts: int) -> Derived:
    resources = [{"name": "nvidia.com/gpu", "replicas": parts}]
    slicing = {"renameByDefault": False, "failRequestsGreaterThanOne": True, "resources": resources}
    why = {
        "/sharing/timeSlicing/failRequestsGreaterThanOne": "two parts are not twice the GPU: who asks for them errs",
    }
    return Derived({"version": "v1", "flags": {"migStrategy": "mixed"}, "sharing": {"timeSlicing": slicing}}, why)
