"""One pass over one App -> a Plan. Pure.

Awake is who was used within `idle`: `headway open` writes the time of use into the annotation headway.dev/used and goes
on doing so while it forwards. Nothing else is measured, so an App without that annotation counts from when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headway.control.operator.applied import digest, needed, with_replicas
from headway.control.operator.conditions import Condition
from headway.control.operator.events import Told
from headway.control.operator.plan import Apply, End, Plan, Scale
from headway.policy import idle
from headway.policy.decision import Action, Decision, Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import USED
from headway.sites.kubernetes.objects.app import app_objects, object_name
from headway.sites.kubernetes.objects.derived import told
from headway.sites.kubernetes.pods import seconds, seen
from headway.sites.kubernetes.read import read_app
from headway.wire.kube.manifest import Manifest, Ref, ref

__all__ = ["AppSeen", "app_pass", "last_used"]

VOLUME = "PersistentVolumeClaim"


def last_used(manifest: Manifest) -> float:
    """Unix seconds: as `headway open` noted it, else when the App was made."""
    metadata = manifest["metadata"]
    made = seconds(metadata["creationTimestamp"])
    try:
        return max(made, seconds((metadata.get("annotations") or {}).get(USED, "")))
    except ValueError:  # somebody else wrote it
        return made


@dataclass(frozen=True, slots=True)
class AppSeen:
    """What the mirrors have of one App. `children`: objects that it owns; `volume`: its claim, which nobody owns."""

    manifest: Manifest
    children: Mapping[Ref, Manifest]
    pods: Sequence[Manifest]
    volume: Manifest | None
    facts: Facts


def app_pass(there: AppSeen, site: str, now: float) -> Plan:
    """`now`: Unix seconds. Raises SpecError, ResourceError."""
    manifest, pods = there.manifest, there.pods
    app = read_app(manifest, site)
    namespace = manifest["metadata"]["namespace"]
    decision = idle.decide(app.name, app.idle, last_used(manifest), now)
    awake = decision.action is Action.KEEP
    derived = app_objects(app, there.facts, namespace=namespace, awake=awake)
    objects = {ref(each.manifest): told(each) for each in derived}
    source = digest({"app": app.model_dump(mode="json")})
    apply = [made for at, each in objects.items() if (made := _apply(there, at, each, source))]
    live = next((each for at, each in there.children.items() if at.kind == "Deployment"), None)
    return Plan(
        apply=tuple(apply),
        scale=tuple(_scaled(live, awake, apply)),
        end=tuple(_ended(there.children, set(objects))),
        conditions=_conditions(app.name, awake, decision, live, pods),
        status=_status(app.name, namespace, pods, manifest),
        events=tuple(_events(live, awake, decision)),
        look_again=decision.look_again,
    )


def _apply(there: AppSeen, at: Ref, wanted: Manifest, source: str) -> Apply | None:
    """The volume is made once and left alone: what is on it is its people's, so it gets no owner."""
    if at.kind == VOLUME:
        return None if there.volume is not None else Apply(wanted, "it is not there", is_new=True)
    made = needed(there.manifest, there.children.get(at), wanted, source)
    if made is None or at.kind != "Deployment" or not made.repairs:
        return made
    return replace(made, manifest=with_replicas(made.manifest, wanted["spec"]["replicas"]))


def _scaled(live: Manifest | None, awake: bool, apply: list[Apply]) -> list[Scale]:
    if live is None or live["spec"].get("replicas", 1) == int(awake):
        return []
    at = ref(live)
    if any(ref(each.manifest) == at for each in apply):
        return []
    reason, why = (Reason.WOKEN, "somebody opened it") if awake else (Reason.IDLE, "nobody used it")
    return [Scale(at, int(awake), int(awake), why, reason)]


def _ended(children: Mapping[Ref, Manifest], wanted: set[Ref]) -> list[End]:
    return [
        End(at, each["metadata"]["uid"], "nothing asks for it any more")
        for at, each in children.items()
        if at not in wanted and at.kind != VOLUME and "deletionTimestamp" not in each["metadata"]
    ]


def _conditions(
    name: str, awake: bool, decision: Decision, live: Manifest | None, pods: Sequence[Manifest]
) -> tuple[Condition, ...]:
    if not awake:
        asleep = Condition("Ready", False, Reason.IDLE, decision.message)
        return asleep, Condition("Progressing", False, Reason.IDLE), Condition("Degraded", False, Reason.AS_WANTED)
    how = [seen(each) for each in pods if "deletionTimestamp" not in each["metadata"]]
    if any(each.state is ReplicaState.READY for each in how):
        ready = Condition("Ready", True, Reason.READY, f"it answers: headway open {name}")
        return ready, Condition("Progressing", False, Reason.AS_WANTED), Condition("Degraded", False, Reason.AS_WANTED)
    worst = next((each for each in how if each.state in (ReplicaState.FAILED, ReplicaState.BACKOFF)), None)
    said = worst or next(iter(how), None)
    reason = said.reason if said else Reason.STARTING
    message = said.message if said else "its pod is being made" if live else "its objects are being made"
    next_action = _next(name, said.message, said.next_action) if said else ""
    trouble = worst is not None
    return (
        Condition("Ready", False, reason, message, next_action),
        Condition("Progressing", not trouble, reason, message),
        Condition(
            "Degraded", trouble, reason if trouble else Reason.AS_WANTED, message if trouble else "", next_action
        ),
    )


def _next(name: str, message: str, otherwise: str) -> str:
    """The one Secret that a pod may wait for and that we know how to make."""
    return f"make it: headway open {name}" if f'secret "{object_name(name)}"' in message else otherwise


def _status(name: str, namespace: str, pods: Sequence[Manifest], manifest: Manifest) -> dict[str, Any]:
    ready = sum(seen(each).state is ReplicaState.READY for each in pods)
    status = {
        "replicas": len(pods),
        "readyReplicas": ready,
        "url": f"http://{object_name(name)}.{namespace}.svc",
    }
    noted = (manifest["metadata"].get("annotations") or {}).get(USED)
    return status | ({"lastUsed": noted} if noted else {})


def _events(live: Manifest | None, awake: bool, decision: Decision) -> list[Told]:
    if live is None or bool(live["spec"].get("replicas", 1)) == awake:
        return []
    return [Told(Reason.WOKEN, "somebody opened it") if awake else Told(Reason.IDLE, decision.message)]
