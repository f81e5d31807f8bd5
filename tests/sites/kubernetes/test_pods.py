"""What a pod's status says -> the Replica that it is, by the words that kubelets and schedulers really write."""

from __future__ import annotations

from typing import Any

import pytest

from headway.policy.decision import Action, Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.happenings import decision_of
from headway.sites.kubernetes.pods import replica_of, seen
from headway.sites.kubernetes.replicas import replicas_of_pods

Status = dict[str, Any]
AT = "2026-11-22T02:00:00Z"
UNIX = 1795312800.0
GPU = {"resources": {"limits": {"nvidia.com/gpu": "1", "memory": "8G"}, "requests": {"cpu": "4"}}}


def pod(status: Status, *, node: str = "h100-1", gpu: bool = True, **more: Any) -> dict[str, Any]:
    labels = {"headway.dev/model": "chat", "headway.dev/revision": "ed74440ab9"}
    spec = {"containers": [{"name": "engine"} | (GPU if gpu else {})], **({"nodeName": node} if node else {})}
    metadata = {"name": "chat-0", "namespace": "team-a", "uid": "u", "labels": labels, "creationTimestamp": AT}
    return {"metadata": metadata | more.pop("metadata", {}), "spec": spec | more, "status": status}


def container(name: str = "engine", restarts: int = 0, last: Status | None = None, **state: Any) -> Status:
    told = {"name": name, "image": f"{name}:1", "restartCount": restarts, "state": state}
    return told | ({"lastState": {"terminated": last}} if last else {})


def running(*containers: Status, ready: str = "False", **more: Any) -> Status:
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": AT}]
    return {"phase": "Running", "conditions": conditions, "containerStatuses": list(containers)} | more


def unplaced(message: str) -> Status:
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [said]}


RUNS = {"running": {"startedAt": AT}}
ENDED = {"exitCode": 1, "reason": "Error", "message": "loading\nValueError: max-model-len is too large\n"}
OOM = {"exitCode": 137, "reason": "OOMKilled"}
TABLE = [
    ("ready", pod(running(container(**RUNS), ready="True")), ReplicaState.READY, Reason.READY, "answers on h100-1"),
    ("loading", pod(running(container(**RUNS))), ReplicaState.STARTING, Reason.STARTING, "the engine is loading"),
    ("again", pod(running(container(restarts=1, last=ENDED, **RUNS))), ReplicaState.STARTING, Reason.STARTING,
     "the engine is loading, started again after the engine ended with exit code 1: ValueError: max-model-len is too "
     "large"),
    ("new", pod({"phase": "Pending"}), ReplicaState.PREPARING, Reason.PREPARING, "on h100-1, being set up"),
    ("creating", pod(running(container(waiting={"reason": "ContainerCreating"}))), ReplicaState.PREPARING,
     Reason.PREPARING, "on h100-1, being set up"),
    ("pull", pod(running(container(waiting={"reason": "ImagePullBackOff", "message": "not found"}))),
     ReplicaState.BACKOFF, Reason.PREPARE_FAILED, "the image engine:1 cannot be pulled: not found"),
    ("secret", pod(running(container(waiting={"reason": "CreateContainerConfigError",
                                              "message": 'secret "hf" not found'}))),
     ReplicaState.BACKOFF, Reason.PREPARE_FAILED, 'engine cannot be started: secret "hf" not found'),
    ("loop", pod(running(container(restarts=5, last=ENDED, waiting={"reason": "CrashLoopBackOff"}))),
     ReplicaState.FAILED, Reason.CRASH_LOOP, "the engine ended with exit code 1: ValueError: max-model-len is too "
     "large; it keeps ending, and is started again ever later"),
    ("ended", pod(running(container(terminated=ENDED))), ReplicaState.BACKOFF, Reason.ENGINE_EXITED,
     "the engine ended with exit code 1: ValueError: max-model-len is too large"),
    ("oom", pod(running(container(restarts=1, last=OOM, waiting={"reason": "CrashLoopBackOff"}))), ReplicaState.FAILED,
     Reason.NOT_ENOUGH_MEMORY, "it took more memory than its 8.0 GB and was killed; it keeps ending, and is started "
     "again ever later"),
    ("oom once", pod(running(container(terminated=OOM))), ReplicaState.BACKOFF, Reason.NOT_ENOUGH_MEMORY,
     "it took more memory than its 8.0 GB and was killed"),
    ("taken", pod(unplaced("0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't match Pod's node "
                           "affinity/selector."), node=""), ReplicaState.PENDING, Reason.NO_FREE_GPU, None),
    ("none", pod(unplaced("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."), node=""),
     ReplicaState.PENDING, Reason.NO_SUCH_GPU, None),
    ("memory", pod(unplaced("0/3 nodes are available: 3 Insufficient memory."), node=""), ReplicaState.PENDING,
     Reason.NOT_ENOUGH_MEMORY, "no node takes it: 0/3 nodes are available: 3 Insufficient memory."),
    ("cores", pod(unplaced("0/3 nodes are available: 3 Insufficient cpu."), node=""), ReplicaState.PENDING,
     Reason.UNSCHEDULABLE, None),
    ("affinity of a pod of cores", pod(unplaced("3 node(s) didn't match Pod's node affinity/selector."), node="",
                                       gpu=False), ReplicaState.PENDING, Reason.UNSCHEDULABLE, None),
    ("claims", pod(unplaced("0/3 nodes are available: 3 cannot allocate all claims."), node="", gpu=False,
                   resourceClaims=[{"name": "gpu"}]), ReplicaState.PENDING, Reason.NO_FREE_GPU, None),
    ("unseen", pod({"phase": "Pending"}, node=""), ReplicaState.PENDING, Reason.PREPARING, "waits for the scheduler"),
    ("queue", pod({"phase": "Pending"}, node="", schedulingGates=[{"name": "kueue.x-k8s.io/admission"}]),
     ReplicaState.PENDING, Reason.UNSCHEDULABLE, "held by kueue.x-k8s.io/admission"),
    ("leaving", pod(running(container(**RUNS), ready="True"),
                    metadata={"deletionTimestamp": AT, "deletionGracePeriodSeconds": 40}),
     ReplicaState.DRAINING, Reason.DRAINING, "its last requests are ending, within 40 s"),
    ("spot taken", pod(running(container(**RUNS)) | {"conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]},
        metadata={"deletionTimestamp": AT}), ReplicaState.DRAINING, Reason.KILLED_FROM_OUTSIDE,
     "its node is going away (a taint: spot taken back, or not reachable)"),
    ("evicted", pod({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}),
     ReplicaState.FAILED, Reason.KILLED_FROM_OUTSIDE, "Evicted: The node was low on resource: memory."),
    ("over", pod({"phase": "Succeeded"}), ReplicaState.FAILED, Reason.ENGINE_EXITED, "its containers ended"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "state", "reason", "message"), [each[1:] for each in TABLE],
                         ids=[each[0] for each in TABLE])  # fmt: skip
def test_what_a_pod_says(written: dict[str, Any], state: ReplicaState, reason: Reason, message: str | None) -> None:
    found = seen(written)
    assert (found.state, found.reason) == (state, reason)
    if message is not None:
        assert found.message == message


def init(state: Status, last: Status | None = None) -> dict[str, Any]:
    written = pod(running(container(waiting={"reason": "PodInitializing"})))
    written["spec"]["initContainers"] = [{"name": "fetch-weights"}]
    written["status"]["initContainerStatuses"] = [container("fetch-weights", last=last, **state)]
    return written


def test_weights_that_are_fetched_are_preparation() -> None:
    assert seen(init(RUNS)).message == "fetch-weights runs"
    failed = seen(init({"waiting": {"reason": "CrashLoopBackOff"}}, {"exitCode": 3, "message": "401 from the hub"}))
    assert (failed.state, failed.reason) == (ReplicaState.BACKOFF, Reason.PREPARE_FAILED)
    assert failed.message == "fetch-weights ended with exit code 3: 401 from the hub"
    assert failed.next_action == "headway logs chat"
    done = seen(init({"terminated": {"exitCode": 0}}))
    assert done.message == "on h100-1, being set up"


def test_the_replica_of_a_pod() -> None:
    found = replica_of(pod(running(container(restarts=2, **RUNS), ready="True")), address=("10.0.0.7", 8000))
    assert (found.name, found.model, found.revision) == ("chat-0", "chat", "ed74440ab9")
    assert (found.host, found.port, found.node) == ("10.0.0.7", 8000, "h100-1")
    assert (found.incarnation, found.restarts, found.threads, found.memory_bytes) == (2, 2, 4, 8 * 10**9)
    assert found.gpus == ("1 x nvidia.com/gpu",)
    assert (found.ready_at, found.since, found.started_at) == (UNIX, UNIX, UNIX)


def test_messages_of_others_are_cut_and_on_one_line() -> None:
    told = seen(pod(unplaced("0/3 nodes\n" + "x" * 5000), node="")).message
    assert len(told) < 500
    assert "\n" not in told


def test_the_engine_is_the_container_that_the_annotation_names() -> None:
    written = pod(running(container("proxy", **RUNS), container("engine", waiting={"reason": "ErrImagePull"})))
    written["spec"]["containers"] = [{"name": "proxy"}, {"name": "engine"}]
    written["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "engine"}
    assert seen(written).reason is Reason.PREPARE_FAILED


def test_replicas_have_the_addresses_of_their_own_namespaces_slices() -> None:
    endpoint = {"addresses": ["10.0.0.7"], "conditions": {"ready": True}, "targetRef": {"name": "chat-0", "uid": "u"}}
    labels = {"headway.dev/model": "chat", "headway.dev/revision": "ed74440ab9"}
    ports = [{"name": "http", "port": 8000}]
    own = {"metadata": {"name": "s", "namespace": "team-a", "labels": labels}, "ports": ports, "endpoints": [endpoint]}
    other = own | {
        "metadata": {"name": "s", "namespace": "evil", "labels": labels},
        "endpoints": [endpoint | {"addresses": ["6.6.6.6"]}],
    }
    pods = [pod(running(container(**RUNS), ready="True")), pod({"phase": "Failed"}, metadata={"name": "chat-1"})]
    (found,) = replicas_of_pods(pods, [other, own])
    assert (found.name, found.host, found.port) == ("chat-0", "10.0.0.7", 8000)


@pytest.mark.parametrize(
    ("reason", "action", "means"),
    [
        ("FailedScheduling", Action.WAIT, Reason.UNSCHEDULABLE),
        ("BackOff", Action.WAIT, Reason.CRASH_LOOP),
        ("Preempted", Action.DRAIN, Reason.KILLED_FROM_OUTSIDE),
        ("TriggeredScaleUp", Action.WAIT, Reason.ON_THE_WAY),
    ],
)
def test_an_event_of_a_pod_is_a_decision(reason: str, action: Action, means: Reason) -> None:
    event = {"involvedObject": {"kind": "Pod", "name": "chat-0"}, "reason": reason, "message": "a\n b", "count": 3}
    made = decision_of(event)
    assert made is not None
    assert (made.object, made.action, made.reason, made.message) == ("chat-0", action, means, "a b")
    assert made.numbers == {"times": 3}


def test_events_that_decide_nothing_are_passed_over() -> None:
    assert decision_of({"involvedObject": {"kind": "Pod", "name": "x"}, "reason": "Pulled"}) is None
    assert decision_of({"involvedObject": {"kind": "Node", "name": "x"}, "reason": "Killing"}) is None
