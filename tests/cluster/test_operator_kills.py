"""kill -9 of the operator at random moments while Models are made, changed, scaled, rolled and deleted: it always
converges, with no orphan and no double."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import cpu_node
from tests.cluster.operating import MODEL, Operator, install, leftovers, model, settled
from tests.cluster.waiting import until

KILLS = 100
NAMES = ("one", "two", "three")
LONGEST = 0.8
"""Seconds after a change within which the kill falls: about what its writes take."""


@pytest.mark.timeout(1800)
async def test_a_hundred_kills(
    plane: ControlPlane, cluster: Cluster, namespace: str, fleet: Callable[..., None]
) -> None:
    fleet(cpu_node("cores-1", cpu=64), cpu_node("cores-2", cpu=64))
    await install(cluster)
    draw = random.Random(6)  # noqa: S311
    operator, wanted = Operator(plane), dict[str, Manifest]()
    killed_in_work = 0
    try:
        for number in range(KILLS):
            await asyncio.to_thread(operator.start)
            for name in draw.sample(NAMES, 2):
                await _change(cluster, model(namespace, name), wanted, draw, number)
            await asyncio.sleep(draw.uniform(0.0, LONGEST))
            killed_in_work += not await _is_settled(cluster, namespace, wanted)
            operator.kill()
        await asyncio.to_thread(operator.start)
        await until(lambda: _is_settled(cluster, namespace, wanted))
        await until(lambda: _is_clean(cluster, namespace, wanted))
        assert killed_in_work > 0
        print(f"{KILLS} kills, {killed_in_work} of them with work under way")
        for name in list(wanted):
            await cluster.delete(MODEL, name, namespace)
        await until(lambda: _is_clean(cluster, namespace, {}))
        assert "Traceback" not in operator.log()
    finally:
        operator.close()


async def _change(
    cluster: Cluster, plain: Manifest, wanted: dict[str, Manifest], draw: random.Random, number: int
) -> None:
    """Make it, or change how many or what it serves, or delete it."""
    name, namespace = plain["metadata"]["name"], plain["metadata"]["namespace"]
    if name in wanted and draw.random() < 0.3:
        await cluster.delete(MODEL, name, namespace)
        del wanted[name]
        return
    there = await cluster.get(MODEL, name, namespace)
    if there is not None and "deletionTimestamp" in there["metadata"]:
        return  # it has not gone yet, for the operator was killed
    running = number if draw.random() < 0.6 or there is None else there["spec"]["args"]["max-running"]
    spec = {"replicas": draw.randint(0, 3), "args": {"max-running": running + 1}}
    wanted[name] = await cluster.apply(model(namespace, name, **spec))


async def _is_settled(cluster: Cluster, namespace: str, wanted: dict[str, Manifest]) -> bool:
    there = {each["metadata"]["name"] for each in (await cluster.list(MODEL, namespace)).items}
    return there == set(wanted) and (not wanted or await settled(cluster, namespace))


async def _is_clean(cluster: Cluster, namespace: str, wanted: dict[str, Manifest]) -> bool:
    return not await leftovers(cluster, namespace, wanted.values())
