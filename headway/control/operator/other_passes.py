"""One pass over one Route, Tenant or App -> a Plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headway.control.operator.applied import digest, needed
from headway.control.operator.conditions import Condition
from headway.control.operator.conditions import is_true as condition_is_true
from headway.control.operator.plan import End, Plan
from headway.policy.decision import Reason
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import FINALIZER
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.tenant import tenant_objects
from headway.sites.kubernetes.read import read_route, read_tenant
from headway.wire.kube.manifest import Manifest, Ref, ref

__all__ = ["invalid", "leave_tenant", "route", "tenant"]

STAYS = ("Namespace", "ResourceFlavor")
"""What people made in the first is theirs; the second may be other tenants' too."""


def invalid(reason: Reason, message: str, next_action: str) -> Plan:
    return Plan(
        conditions=(
            Condition("Ready", False, reason, message, next_action),
            Condition("Progressing", False, reason, "waits for a change of the object"),
            Condition("Degraded", True, reason, message, next_action),
        )
    )


def route(manifest: Manifest, models: Mapping[str, Manifest]) -> Plan:
    """`models`: by name as callers see them. Raises SpecError."""
    wanted = read_route(manifest)
    targets = [each.model for each in wanted.to]
    missing = [each for each in targets if each not in models]
    if missing:
        message = f"no Model {', '.join(missing)} on this cluster"
        return invalid(Reason.SPEC_INVALID, message, "apply the Model, or take it out of `to`")
    silent = [each for each in targets if not condition_is_true(models[each], "Ready")]
    if len(silent) == len(targets):
        return _told(False, Reason.STARTING, f"none of its Models answers now: {', '.join(silent)}", progressing=True)
    note = f"; {', '.join(silent)} not" if silent else ""
    return _told(True, Reason.READY, f"{len(targets) - len(silent)} of {len(targets)} of its Models answer{note}")


def tenant(manifest: Manifest, children: Mapping[Ref, Manifest], facts: Facts, system: str) -> Plan:
    """Raises SpecError."""
    if manifest["metadata"]["namespace"] != system:
        message = f"Tenants are read from the namespace {system} only"
        return invalid(Reason.SPEC_INVALID, message, f"apply it there: kubectl -n {system}")
    wanted = read_tenant(manifest)
    source = digest({"tenant": wanted.model_dump(mode="json"), "limits": _sizes(facts)})
    objects = tenant_objects(wanted, facts, namespace=system)
    plan = _own(manifest, children, objects, source)
    where = next((each.manifest["metadata"]["name"] for each in objects if each.manifest["kind"] == "Namespace"), "")
    said = f"its namespace {where} has its limits" if where else "it calls; it has no namespace of its own"
    told = _told(True, Reason.READY, said)
    return Plan(
        apply=plan.apply,
        end=plan.end,
        conditions=told.conditions,
        status={"namespace": where} if where else {},
        finalizers=(FINALIZER,) if objects else (),
    )


def leave_tenant(manifest: Manifest, children: Mapping[Ref, Manifest]) -> Plan:
    """Its limits and rights go; its namespace stays, for what is in it is its people's."""
    if FINALIZER not in manifest["metadata"].get("finalizers", ()):
        return Plan()
    return Plan(end=tuple(_ends(children, set(), "its Tenant is deleted")), finalizers=())


def _own(
    owner: Manifest, children: Mapping[Ref, Manifest], objects: Sequence[Derived], source: str, namespace: str = ""
) -> Plan:
    wanted = {ref(each.manifest, namespace): each.manifest for each in objects}
    apply = (needed(owner, children.get(at), each, source) for at, each in wanted.items())
    return Plan(apply=tuple(each for each in apply if each), end=tuple(_ends(children, set(wanted))))


def _ends(
    children: Mapping[Ref, Manifest], wanted: set[Ref], why: str = "nothing asks for it any more"
) -> Iterable[End]:
    for at, each in children.items():
        if at not in wanted and at.kind not in STAYS and "deletionTimestamp" not in each["metadata"]:
            yield End(at, each["metadata"]["uid"], why)


def _told(is_ready: bool, reason: Reason, message: str, *, progressing: bool = False) -> Plan:
    return Plan(
        conditions=(
            Condition("Ready", is_ready, reason, message),
            Condition("Progressing", progressing, reason if progressing else Reason.AS_WANTED),
            Condition("Degraded", False, Reason.AS_WANTED),
        )
    )


def _sizes(facts: Facts) -> list[str]:
    """Of what a cluster has, the names that limits are written for."""
    return sorted({gpus.resource for node in facts.nodes for gpus in node.gpus} | {each.name for each in facts.storage})
