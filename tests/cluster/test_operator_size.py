"""Many Models at once: all are reconciled, a change of one touches only its objects, and an idle operator is quiet.

Timings are printed (`pytest -s`), and docs/operator.md has those that were seen; none is asserted."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable

from headway.engines.registry import revise_elsewhere
from headway.errors import UnreachableError
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.objects.model import model_objects
from headway.sites.kubernetes.objects.replica import replica_objects
from headway.sites.kubernetes.read import read_model
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import cpu_node
from tests.cluster.operating import Operator, install, model, settled
from tests.cluster.waiting import until

MODELS = int(os.environ.get("HEADWAY_TEST_MODELS", "20"))
REPLICAS, NODES = 3, max(4, MODELS // 2)
TRIES = 5
IDLE = float(os.environ.get("HEADWAY_TEST_IDLE", "5"))
"""Seconds that the idle operator is watched."""


async def test_many_models(plane: ControlPlane, cluster: Cluster, namespace: str, fleet: Callable[..., None]) -> None:
    fleet(*(cpu_node(f"cores-{number}") for number in range(NODES)))
    await install(cluster)
    operator = Operator(plane)
    operator.start()
    try:
        own = await _by_itself(cluster, namespace)
        print(f"the same objects without an operator: {own:.1f} s until all pods answer")
        at_once, began = asyncio.Semaphore(16), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(MODELS):
                group.create_task(put(cluster, at_once, model(namespace, f"model-{number}", replicas=REPLICAS)))
        applied = time.monotonic() - began
        await until(lambda: settled(cluster, namespace, replicas=REPLICAS), 500)
        took = time.monotonic() - began
        print(f"beyond the API server's own time: {took - own:.1f} s")
        print(f"{MODELS} Models x {REPLICAS} on {NODES} nodes: applied in {applied:.1f} s, all answer in {took:.1f} s")
        print(
            f"operator: {operator.memory / 1e6:.0f} MB, {operator.figure('headway_operator_writes_total'):.0f} writes"
        )

        before = _writes(plane, operator)
        await cluster.apply(model(namespace, "model-0", replicas=REPLICAS, args={"max-running": 5}))
        await until(lambda: _rolled(cluster, namespace))
        touched = {name for name, _ in (_writes(plane, operator) - before)}
        assert all("model-0" in name for name in touched), touched

        before = _writes(plane, operator)
        await asyncio.sleep(IDLE)
        quiet = _writes(plane, operator) - before
        print(f"idle for {IDLE:.0f} s: {sum(quiet.values())} writes, {operator.memory / 1e6:.0f} MB")
        assert not [each for each in quiet if each[1] != "leases"]

        for number in range(MODELS):
            await cluster.delete(resource("Model"), f"model-{number}", namespace)
        await until(lambda: _no_models(cluster, namespace), 500)
    finally:
        operator.close()


async def _by_itself(cluster: Cluster, namespace: str) -> float:
    """How long the API server, its controllers and the nodes take for the same objects, applied as they are."""
    found = [read_model(model(namespace, f"plain-{number}", replicas=REPLICAS)) for number in range(MODELS)]
    objects = [
        each.manifest
        for one in found
        for each in (
            *model_objects(one, Facts(), namespace=namespace),
            *replica_objects(one, revise_elsewhere(one).revision, Facts(), namespace=namespace, replicas=REPLICAS),
        )
    ]
    at_once, began = asyncio.Semaphore(16), time.monotonic()
    await asyncio.gather(*(put(cluster, at_once, each) for each in objects))
    await until(lambda: _all_answer(cluster, namespace), 500)
    took = time.monotonic() - began
    for each in objects:
        await cluster.delete(resource(each["kind"]), each["metadata"]["name"], namespace)
    await until(lambda: _no_pods(cluster, namespace), 500)
    return took


async def put(cluster: Cluster, at_once: asyncio.Semaphore, manifest: Manifest) -> None:
    """A busy API server lets some wait too long."""
    async with at_once:
        for left in reversed(range(TRIES)):
            try:
                await cluster.apply(manifest)
                return
            except UnreachableError:
                if not left:
                    raise


async def _all_answer(cluster: Cluster, namespace: str) -> bool:
    found = (await cluster.list(resource("Deployment"), namespace)).items
    return all((each.get("status") or {}).get("readyReplicas") == REPLICAS for each in found)


async def _no_models(cluster: Cluster, namespace: str) -> bool:
    """They go while there is an operator to let them go."""
    return not (await cluster.list(resource("Model"), namespace)).items


async def _no_pods(cluster: Cluster, namespace: str) -> bool:
    return not (await cluster.list(resource("Pod"), namespace)).items


async def _rolled(cluster: Cluster, namespace: str) -> bool:
    workloads = (await cluster.list(resource("Deployment"), namespace)).items
    mine = [each for each in workloads if each["metadata"]["name"].startswith("model-0-")]
    return len(mine) == 1 and await settled(cluster, namespace, "model-0", replicas=REPLICAS)


def _writes(plane: ControlPlane, operator: Operator) -> Counter[tuple[str, str]]:
    """(name, resource) -> how often the operator wrote it."""
    asked = (each for each in plane.audit() if each.user == operator.user and each.writes)
    return Counter((each.name, each.resource) for each in asked)
