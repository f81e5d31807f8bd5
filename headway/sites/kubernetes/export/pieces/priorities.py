"""`--piece priority-classes`: the PriorityClasses that the file's Models name and the cluster has not."""

from __future__ import annotations

from collections.abc import Iterator

from headway.errors import UsageError
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import MANAGED
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["HIGHEST", "priority_classes"]

HIGHEST, STEP = 1_000_000, 100_000
"""Below `system-cluster-critical` (2 000 000 000) and above 0, what pods have that name none."""
_OF_KUBERNETES = "system-"


def priority_classes(wish: Wish) -> Iterator[Derived]:
    there = set(wish.facts.priority_classes)
    named = dict.fromkeys(way.model.priority for way in wish.ways if way.model.priority)
    wanted = [each for each in named if each not in there and not each.startswith(_OF_KUBERNETES)]
    if not wanted:
        hint = "the cluster has those that the file names" if named else "write priority: production"
        raise UsageError("--piece priority-classes: there is none to make", hint=hint)
    for number, name in enumerate(wanted):
        users = ", ".join(dict.fromkeys(way.model.name for way in wish.ways if way.model.priority == name))
        manifest = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name, "labels": {MANAGED: "headway"}},
            "value": max(STEP, HIGHEST - number * STEP),
            "preemptionPolicy": "PreemptLowerPriority",
            "description": f"Of the models {users}.",
        }
        why = {
            "/value": "in the order in which the file names them",
            "/preemptionPolicy": "a pod of this class takes the place of lower ones where there is no other",
        }
        yield Derived(manifest, why)
