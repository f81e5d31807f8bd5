"""Events of the cluster about pods -> Decisions: what scheduler and kubelets did by themselves, and why. Pure."""

from __future__ import annotations

from headway.policy.decision import Action, Decision, Reason
from headway.wire.kube.manifest import Manifest

__all__ = ["decision_of"]

_MEANS = {
    "FailedScheduling": (Action.WAIT, Reason.UNSCHEDULABLE),
    "Scheduled": (Action.START, Reason.STARTING),
    "BackOff": (Action.WAIT, Reason.CRASH_LOOP),
    "Failed": (Action.WAIT, Reason.PREPARE_FAILED),
    "FailedMount": (Action.WAIT, Reason.PREPARE_FAILED),
    "FailedAttachVolume": (Action.WAIT, Reason.PREPARE_FAILED),
    "FailedCreatePodSandBox": (Action.WAIT, Reason.PREPARE_FAILED),
    "Unhealthy": (Action.WAIT, Reason.NOT_ANSWERING),
    "Killing": (Action.DRAIN, Reason.DRAINING),
    "Preempted": (Action.DRAIN, Reason.KILLED_FROM_OUTSIDE),
    "Evicted": (Action.DRAIN, Reason.KILLED_FROM_OUTSIDE),
    "TaintManagerEviction": (Action.DRAIN, Reason.KILLED_FROM_OUTSIDE),
    "NodeNotReady": (Action.WAIT, Reason.NOT_ANSWERING),
    "TriggeredScaleUp": (Action.WAIT, Reason.ON_THE_WAY),
    "NotTriggerScaleUp": (Action.WAIT, Reason.UNSCHEDULABLE),
    "Nominated": (Action.WAIT, Reason.ON_THE_WAY),
}
"""Reasons of kube-scheduler, kubelet, the taint manager, cluster-autoscaler and Karpenter. Others (Pulled, Created,
Started) tell nothing that the pod's status does not."""


def decision_of(event: Manifest) -> Decision | None:
    """None for what decides nothing, and for what is not about a pod."""
    about = event.get("involvedObject") or {}
    if about.get("kind") != "Pod" or (means := _MEANS.get(event.get("reason", ""))) is None:
        return None
    many = (event.get("series") or {}).get("count") or event.get("count") or 1
    message = " ".join((event.get("message") or event["reason"]).split())
    return Decision(about["name"], *means, message, {"times": many} if many > 1 else {})
