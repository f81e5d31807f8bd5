"""A hand-written workload as a Model: what it says, where that came from, and what was left out or lost.

    Deployment, StatefulSet  +  the HPA, ScaledObject and claims beside it  ->  the document, with reasons

Nothing is guessed in silence: what no field can say is told, and the document loads as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.sites.kubernetes.importing.beside import Mounted, mounted, replicas
from headway.sites.kubernetes.importing.place import place
from headway.sites.kubernetes.importing.served import Served, served
from headway.spec.environment import read_env
from headway.spec.fault import Fault, Faults
from headway.wire.kube.manifest import Manifest

__all__ = ["KINDS", "Imported", "imported"]

KINDS = ("Deployment", "StatefulSet")
NOWHERE = "hf://organisation/name"
"""Where the manifest does not say what is served."""
_ENGINE = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp", "tgi": "vllm"}
_HUB_CACHE = ("/root/.cache/huggingface", "/huggingface", "/.cache/huggingface", "/data")
_PATHS = frozenset({"HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME", "HOME"})
_MODEL_ENV = frozenset({"MODEL_ID", "MODEL", "MODEL_NAME", "MODEL_PATH"})
_GROUPS = ("tensor-parallel-size", "tp-size", "tp")
_EMBEDS: Mapping[str, tuple[Any, ...]] = {
    "embeddings": (True,),
    "embedding": (True,),
    "is-embedding": (True,),
    "runner": ("pooling",),
    "task": ("embed", "embedding"),
}
"""Options by which an engine is told to embed."""
_DERIVED = (
    "probes, Service, PodDisruptionBudget, security context, shared memory, node affinity and tolerations of GPUs"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """`document`: as a file has it. `why`: pointer -> where the value came from. `lost`: what is to be looked at."""

    document: Mapping[str, Any]
    why: Mapping[str, str]
    lost: Sequence[str]

    @property
    def derived(self) -> str:
        return _DERIVED


def imported(workload: Manifest, beside: Sequence[Manifest]) -> Imported | None:
    """None: no container of it is an inference engine."""
    pod = workload["spec"]["template"]["spec"]
    for container in pod.get("containers") or ():
        if found := served(container):
            return _model(workload, beside, pod, container, found)
    return None


def _model(
    workload: Manifest, beside: Sequence[Manifest], pod: Mapping[str, Any], container: Mapping[str, Any], found: Served
) -> Imported:
    where = place(pod, container)
    lies = mounted(pod, container, workload, beside)
    name, name_why = _name(found.name, workload["metadata"]["name"])
    lost = [*where.told]
    source, source_why = _source(found, lies, lost)
    environment = _environment(container, lost)
    flags = _flags(found, where.gpu, lost)
    embeds = [flag for flag in _EMBEDS if flags.get(flag) in _EMBEDS[flag]]
    flags = {key: value for key, value in flags.items() if key not in embeds}
    document: dict[str, Any] = {"kind": "Model", "name": name, "source": source, "engine": _ENGINE[found.engine]}
    why = {"/name": name_why, "/source": source_why, "/engine": f"the command of container {container['name']}"}
    if found.engine == "tgi":
        lost.append("text-generation-inference: served by vLLM here; look at args and image")
        why["/engine"] = "text-generation-inference serves the same models as vLLM"
    else:
        document["image"] = container["image"]
        why["/image"] = "as it runs now; left out, Headway takes the release that it was made for"
    document["replicas"] = replicas(workload, beside)
    why["/replicas"] = "of its scaler" if isinstance(document["replicas"], str) else f"of the {workload['kind']}"
    document["gpu"] = where.gpu
    why["/gpu"] = "limits, and the node labels that it asks for"
    document |= _size(container, where.gpu)
    if embeds:
        document["task"] = "embedding"
        why["/task"] = f"--{embeds[0]}"
    if where.spot:
        document["cost"] = {"spot": where.spot}
        why["/cost"] = "its tolerations, node selector or affinity"
    if pod.get("priorityClassName"):
        document["priority"] = pod["priorityClassName"]
    if weights := _weights(source, lies):
        document["weights"] = weights
        why["/weights"] = "a claim holds the hub's cache now"
    for key, value in (("args", flags), ("env", environment), ("pod", dict(where.pod))):
        if value:
            document[key] = value
    lost += _others(pod, container, workload)
    return Imported(document, why, lost)


def _name(served_as: str, workload: str) -> tuple[str, str]:
    fitting = re.sub(r"[^a-z0-9-]+", "-", (served_as.rpartition("/")[2] or workload).casefold()).strip("-")[:63]
    if not served_as or served_as == fitting:
        return fitting, "what callers call it"
    return fitting, f"callers say {served_as} now: tell them, or name a Route so"


def _source(found: Served, lies: Sequence[Mounted], lost: list[str]) -> tuple[str, str]:
    if "://" in found.model:
        return found.model.replace("gcs://", "gs://"), "as the engine is told"
    return _of_path(found.model, lies, lost) if found.model.startswith("/") else _of_hub(found, lost)


def _of_hub(found: Served, lost: list[str]) -> tuple[str, str]:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", found.model):
        lost.append(f"which model is served: found {found.model or 'nothing'}")
        return NOWHERE, "write it: nothing in the manifest says it"
    repository, _, quantisation = found.model.partition(":")
    if quantisation:
        lost.append(f"the quantisation {quantisation}: write the file of it, hf://{repository}/FILE.gguf")
    revision = f"@{found.revision}" if found.revision else ""
    file = f"/{found.file}" if found.file else ""
    return f"hf://{repository}{revision}{file}", "as the engine is told"


def _of_path(path: str, lies: Sequence[Mounted], lost: list[str]) -> tuple[str, str]:
    mount = next((each for each in lies if path == each.path or path.startswith(f"{each.path}/")), None)
    if mount is None:
        lost.append(f"{path} lies in the image: push the weights as an artifact and write oci://…")
        return NOWHERE, "write it: the weights lie in the image"
    inside = "/".join(filter(None, (mount.below.strip("/"), path[len(mount.path) :].strip("/"))))
    below = f"/{inside}" if inside else ""
    match mount.kind:
        case "claim" if mount.name:
            return f"pvc://{mount.name}{below}", f"the claim that is mounted at {mount.path}"
        case "image":
            return f"oci://{mount.name}", f"the image that is mounted at {mount.path}"
        case "node":
            return f"file://{mount.name.rstrip('/')}{below}", "a folder of the node"
    lost.append(f"{path} is filled when the pod starts: write where from, like s3://bucket/path")
    return NOWHERE, f"write it: what fills {mount.path} is not said"


def _flags(found: Served, gpu: str, lost: list[str]) -> dict[str, Any]:
    count = gpu.rpartition(":")[2] if ":" in gpu else gpu
    kept = {key: value for key, value in found.flags.items() if not (key in _GROUPS and str(value) == count)}
    lost += [f"--{flag}: {why}" for flag, why in found.dropped.items() if why != "Headway sets it"]
    return kept


def _environment(container: Mapping[str, Any], lost: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in container.get("env") or ():
        name, source = each["name"], (each.get("valueFrom") or {})
        if name in _PATHS or name in _MODEL_ENV:
            continue
        if secret := source.get("secretKeyRef"):
            found[name] = f"secret:{secret['name']}/{secret['key']}"
        elif source:
            lost.append(f"env {name}: comes from {next(iter(source))}; write its value")
        else:
            found[name] = str(each.get("value", ""))
    if container.get("envFrom"):
        lost.append("envFrom: write each variable as NAME: secret:SECRET/KEY")
    for name in list(found):
        try:
            read_env({name: found[name]})
        except (Fault, Faults):
            del found[name]
            lost.append(f"env {name}: a credential written out; make a Secret and write secret:NAME/KEY")
    return found


def _size(container: Mapping[str, Any], gpu: str) -> dict[str, Any]:
    """Cores where they do the work, and memory: what it asks for now. With a GPU Headway's own figures do as well."""
    requests = (
        (container.get("resources") or {}).get("requests") or (container.get("resources") or {}).get("limits") or {}
    )
    found: dict[str, Any] = {}
    if "cpu" in requests:
        found["cpu"] = str(requests["cpu"])
    if "memory" in requests:
        found["memory"] = _bytes(str(requests["memory"]))
    return found if gpu == "cpu" else {key: value for key, value in found.items() if key == "memory"}


def _bytes(quantity: str) -> str:
    """16Gi -> 16GiB."""
    return f"{quantity}B"


def _weights(source: str, lies: Sequence[Mounted]) -> dict[str, Any]:
    """How the hub's cache is kept now, where the file says so."""
    if not source.startswith("hf://"):
        return {}
    for each in lies:
        if each.kind != "claim" or not any(each.path.startswith(at) or at.startswith(each.path) for at in _HUB_CACHE):
            continue
        spec = (each.claim or {}).get("spec") or {}
        many = bool({"ReadWriteMany", "ReadOnlyMany"} & set(spec.get("accessModes") or ()))
        found: dict[str, Any] = {"cache": "volume" if many or each.name else "replica"}
        if spec.get("storageClassName"):
            found["class"] = spec["storageClassName"]
        if size := (spec.get("resources") or {}).get("requests", {}).get("storage"):
            found["size"] = _bytes(str(size))
        return found
    return {}


def _others(pod: Mapping[str, Any], container: Mapping[str, Any], workload: Manifest) -> Iterator[str]:
    for each in pod.get("containers") or ():
        if each is not container:
            yield f"container {each['name']}: a Replica has its engine alone; run it as an App or beside the gateway"
    for each in pod.get("initContainers") or ():
        yield f"initContainer {each['name']}: Headway brings the weights itself; anything else it did is lost"
    for field in ("hostNetwork", "hostIPC", "hostPID"):
        if pod.get(field):
            yield f"{field}: pods are restricted here"
    if (container.get("securityContext") or {}).get("privileged"):
        yield "privileged: pods are restricted here; devices come through their plugin"
    if workload["spec"].get("paused"):
        yield "paused: a Model runs; write replicas: 0..N for none"
