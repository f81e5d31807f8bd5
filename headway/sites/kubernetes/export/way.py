"""One Variant of a Model as a cluster runs it: the objects of its Revision, told apart by what they are.

Forms that put the same pod into somebody else's object take it from here, with the reasons that belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from headway.engines import registry
from headway.errors import HeadwayError, UsageError
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import REVISION
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.replica import parts_of, replica_objects
from headway.spec.model import Model
from headway.spec.revision import Revision

__all__ = ["WORKLOADS", "Pod", "Way", "moved", "of_one_pod", "on_one_node", "way_of"]

WORKLOADS = ("Deployment", "StatefulSet", "LeaderWorkerSet")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod's template. `why`: pointers from its `spec` on, so `/containers/0/args`."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    why: Mapping[str, str]

    @property
    def engine(self) -> Mapping[str, Any]:
        """Its first container."""
        found: Mapping[str, Any] = self.spec["containers"][0]
        return found

    def template(self, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
        metadata: dict[str, Any] = {"labels": dict(self.labels) | dict(labels or {})}
        if self.annotations:
            metadata["annotations"] = dict(self.annotations)
        return {"metadata": metadata, "spec": deepcopy(dict(self.spec))}


@dataclass(frozen=True, slots=True)
class Way:
    """`model` is as this Variant serves it here; `others`: volumes, the Job that fetches the weights, claims; `pods`:
    of one Replica, each on a node of its own."""

    model: Model
    variant: str
    revision: Revision
    namespace: str
    workload: Derived
    service: Derived
    others: tuple[Derived, ...]
    pods: int = 1

    @property
    def name(self) -> str:
        """Without its Revision: what goes on being called so when it changes."""
        return f"{self.model.name}-{self.variant}" if self.variant else self.model.name

    @property
    def labels(self) -> dict[str, str]:
        """Of its objects, without the Revision: selectors are made of them, and those cannot change."""
        found = self.workload.manifest["metadata"]["labels"]
        return {key: value for key, value in found.items() if key != REVISION}

    @property
    def port(self) -> int:
        return int(self.pod.engine["ports"][0]["containerPort"])

    @property
    def pod(self) -> Pod:
        """That of one node; of several, the leader's."""
        spec = self.workload.manifest["spec"]
        at = "/spec/template"
        if self.workload.manifest["kind"] == "LeaderWorkerSet":
            spec = spec["leaderWorkerTemplate"]
            part = "leaderTemplate" if "leaderTemplate" in spec else "workerTemplate"
            at, template = f"/spec/leaderWorkerTemplate/{part}", spec[part]
        else:
            template = spec["template"]
        metadata = template.get("metadata") or {}
        return Pod(
            metadata.get("labels") or {},
            metadata.get("annotations") or {},
            template["spec"],
            moved(self.workload.why, f"{at}/spec", ""),
        )


def way_of(model: Model, variant: str, facts: Facts, namespace: str) -> Way | None:
    """None: somebody else serves it (`source: openai://`), so there is nothing to run."""
    revision = registry.revise_elsewhere(model, variant).revision
    if registry.get(revision.engine).capabilities.external:
        return None
    count = model.replicas.wanted if model.replicas.low == model.replicas.high else None
    facts = replace(facts, priority_classes=())  # the head of an export says which must be there; it refuses none
    found = replica_objects(model, revision, facts, namespace=namespace, replicas=count)
    workload = next((each for each in found if each.manifest["kind"] in WORKLOADS), None)
    service = next((each for each in found if each.manifest["kind"] == "Service"), None)
    if workload is None or service is None:
        raise HeadwayError(f"{model.name}: nothing that runs was derived", hint="please report it, with your file")
    others = tuple(each for each in found if each is not workload and each is not service)
    parts = parts_of(revision, facts)
    pods = parts.accelerators.shape.pods if parts else 1
    return Way(model, variant, revision, namespace, workload, service, others, pods)


def on_one_node(ways: Iterable[Way], what: str) -> Iterator[Way]:
    """Those ways, for a form that knows one pod a Replica. Raises UsageError for one that takes more."""
    for way in ways:
        if way.pods > 1:
            raise UsageError(
                f"{way.name}: a Replica takes {way.pods} nodes, and {what} has one pod", hint="use --as lws"
            )
        yield way


def of_one_pod(ways: Iterable[Way], what: str) -> Iterator[Way]:
    """Likewise, for one that cannot give each pod a claim of its own either."""
    for way in on_one_node(ways, what):
        if "volumeClaimTemplates" in way.workload.manifest["spec"]:
            raise UsageError(
                f"{way.name}: weights: {{cache: replica}} is a claim for each Replica, which {what} has not",
                hint="write cache: volume, or use --as kubernetes",
            )
        yield way


def moved(why: Mapping[str, str], start: str, to: str) -> dict[str, str]:
    """The reasons of what stands below `start`, where it now stands below `to`."""
    return {to + at[len(start) :]: reason for at, reason in why.items() if at.startswith(f"{start}/")}
