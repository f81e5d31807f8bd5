"""A real control plane for the tests of this folder, started once. Each test has a namespace and nodes of its own.

The programs are found in KUBEBUILDER_ASSETS, as for envtest. A KUBECONFIG is used instead only if its cluster says that
tests may write there: label the namespace kube-system with headway.dev/tests=allowed (a cluster made for it, like kind:
the tests add simulated nodes, and custom resources).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from headway.errors import HeadwayError
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.clients import connect
from tests.cluster.control_plane import PROGRAMS, ControlPlane
from tests.cluster.played import Played
from tests.cluster.waiting import until

ALLOWED = "headway.dev/tests"
HOW = "set KUBEBUILDER_ASSETS to a folder with " + ", ".join(PROGRAMS)
SECONDS = 600
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """The control plane, whose parts a test may kill and start again. Skips where there is only a KUBECONFIG."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        pytest.skip(HOW)
    if missing := [each for each in PROGRAMS if not (Path(folder) / each).exists()]:
        pytest.skip(f"KUBEBUILDER_ASSETS={folder} has no {', '.join(missing)}: {HOW}")
    made = ControlPlane(Path(folder))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """Of one who may do everything."""
    given = os.environ.get("KUBECONFIG")
    if given and not os.environ.get("KUBEBUILDER_ASSETS"):
        asyncio.run(_permit(Path(given)))
        return Path(given)
    made: ControlPlane = request.getfixturevalue("plane")
    return made.kubeconfig()


async def _permit(kubeconfig: Path) -> None:
    try:
        there = connect(kubeconfig)
        system = await there.get(resource("Namespace"), "kube-system")
        await there.close()
    except HeadwayError as error:
        pytest.skip(f"KUBECONFIG={kubeconfig}: {error}")
    if ((system or {}).get("metadata", {}).get("labels") or {}).get(ALLOWED) != "allowed":
        pytest.skip(f"the cluster of KUBECONFIG does not say that tests may write there: "
                    f"kubectl label namespace kube-system {ALLOWED}=allowed")  # fmt: skip


@pytest.fixture(scope="session")
def played(kubeconfig: Path) -> Iterator[Played]:
    with tempfile.TemporaryDirectory(prefix="headway-pods-") as folder:
        made = Played(kubeconfig, Path(folder))
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def player(played: Played) -> Iterator[Played]:
    """Pods run as they are told; nothing of the last test's wishes holds."""
    played.reset()
    yield played
    played.reset()


@pytest.fixture
def fleet(player: Played) -> Iterator[Callable[..., None]]:
    """`fleet(gpu_node("a"), …)`: nodes that are ready when it returns, and gone after the test."""
    names: list[str] = []

    def add(*nodes: Manifest) -> None:
        names.extend(each["metadata"]["name"] for each in nodes)
        player.add(*nodes)

    yield add
    player.remove(*names)


@pytest.fixture
def serving(player: Played) -> Played:
    """Pods that serve a Model are mock engines that answer. Skips where pods cannot have addresses."""
    if not player.can_serve:
        pytest.skip("pods need addresses here: run as root, or within `unshare --user --map-root-user --net`")
    player.serve(lambda pod: "headway.dev/model" in (pod["metadata"].get("labels") or {}))
    return player


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[Cluster]:
    there = connect(kubeconfig)
    yield there
    await there.close()


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A new one, with the service account that pods need; removed with all that is in it."""
    name = f"test-{os.getpid()}-{next(_numbers)}"
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await until(lambda: cluster.get(resource("ServiceAccount"), "default", name))
    yield name
    await cluster.delete(resource("Namespace"), name)
    await until(lambda: _absent(cluster, name))


async def _absent(cluster: Cluster, name: str) -> bool:
    return await cluster.get(resource("Namespace"), name) is None
