"""The Kubernetes API as Headway speaks it, against a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headway.errors import UnreachableError
from headway.wire.kube import cluster as cluster_module
from headway.wire.kube.cluster import ApiRefusal, Change, Cluster
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource
from tests.cluster.clients import connect, warned
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import until

CONFIG = resource("ConfigMap")


def config(namespace: str, name: str = "one", labels: dict[str, str] | None = None, **data: str) -> Manifest:
    metadata = {"namespace": namespace, "name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def data(cluster: Cluster, namespace: str) -> dict[str, str]:
    found = await cluster.get(CONFIG, "one", namespace)
    assert found
    return found.get("data", {})


async def test_what_two_managers_apply_stays_apart(plane: ControlPlane, cluster: Cluster, namespace: str) -> None:
    other = connect(plane.kubeconfig(), manager="other")
    await cluster.apply(config(namespace, ours="1", both="ours"))
    with pytest.raises(ApiRefusal, match='conflicts with "tests"') as refused:
        await other.apply(config(namespace, theirs="2", both="theirs"), force=False)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    await other.apply(config(namespace, theirs="2", both="theirs"))
    assert await data(cluster, namespace) == {"ours": "1", "both": "theirs", "theirs": "2"}
    await cluster.apply(config(namespace))  # we wish for nothing any more: what is theirs stays
    assert await data(cluster, namespace) == {"both": "theirs", "theirs": "2"}
    await other.close()


async def test_a_dry_run_changes_nothing(cluster: Cluster, namespace: str) -> None:
    told = await cluster.apply(config(namespace, ours="1"), dry_run=True)
    assert told["data"] == {"ours": "1"}
    assert await cluster.get(CONFIG, "one", namespace) is None


async def test_only_the_object_that_was_meant_is_deleted(cluster: Cluster, namespace: str) -> None:
    first = await cluster.apply(config(namespace))
    with pytest.raises(ApiRefusal) as refused:
        await cluster.delete(CONFIG, "one", namespace, uid="another")
    assert refused.value.status == 409
    assert await cluster.delete(CONFIG, "one", namespace, uid=first["metadata"]["uid"])
    assert not await cluster.delete(CONFIG, "one", namespace)


async def test_a_replace_of_an_old_version_is_refused(cluster: Cluster, namespace: str) -> None:
    old = await cluster.apply(config(namespace, ours="1"))
    await cluster.patch(CONFIG, "one", {"data": {"ours": "2"}}, namespace)
    with pytest.raises(ApiRefusal, match="the object has been modified"):
        await cluster.replace(old)


async def test_a_list_is_read_page_by_page(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "PAGE", 2)
    for number in range(5):
        await cluster.apply(config(namespace, f"of-{number}", {"of": "five"}))
    found = await cluster.list(CONFIG, namespace, labels="of=five")
    assert [each["metadata"]["name"] for each in found.items] == [f"of-{number}" for number in range(5)]
    assert all(each["kind"] == "ConfigMap" for each in found.items)


async def test_who_may_not_is_told_so(plane: ControlPlane, namespace: str) -> None:
    nobody = connect(plane.kubeconfig("nobody"))
    with pytest.raises(ApiRefusal, match='User "nobody" cannot patch') as refused:
        await nobody.apply(config(namespace))
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")
    await nobody.close()


async def test_pod_security_is_restricted_everywhere(cluster: Cluster, namespace: str) -> None:
    told = warned(cluster)
    template = {"metadata": {"labels": {"app": "root"}}, "spec": {"containers": [{"name": "one", "image": "one"}]}}
    spec = {"selector": {"matchLabels": {"app": "root"}}, "template": template}
    metadata = {"name": "root", "namespace": namespace}
    await cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    assert any("would violate PodSecurity" in each for each in told)
    with pytest.raises(ApiRefusal, match="violates PodSecurity"):
        await cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})


async def test_a_mirror_follows_what_is_labelled(cluster: Cluster, namespace: str) -> None:
    told: list[Ref] = []
    await cluster.apply(config(namespace, "first", {"mine": "yes"}))
    mirror = Mirror(cluster, CONFIG, told.append, namespace=namespace, labels="mine=yes")
    await mirror.open()
    first, second = (Ref("v1", "ConfigMap", namespace, each) for each in ("first", "second"))
    assert list(mirror.objects) == [first]
    await cluster.apply(config(namespace, "other"))
    await cluster.apply(config(namespace, "second", {"mine": "yes"}, at="1"))
    await until(lambda: _true(second in mirror.objects))
    await cluster.apply(config(namespace, "second", {"mine": "yes"}, at="2"))
    await until(lambda: _true(mirror.objects[second]["data"] == {"at": "2"}))
    await cluster.delete(CONFIG, "first", namespace)
    await until(lambda: _true(first not in mirror.objects))
    assert set(told) == {first, second}
    await mirror.close()


async def test_a_version_that_is_forgotten_is_a_410(cluster: Cluster) -> None:
    with pytest.raises(ApiRefusal) as refused:
        async for _ in cluster.watch(CONFIG, version="1"):
            pass
    assert refused.value.status == 410


async def test_a_mirror_outlives_the_api_server(plane: ControlPlane, cluster: Cluster, namespace: str) -> None:
    """Killed, it is read from as before. Back, and with all versions forgotten, it is listed anew: what was deleted
    and made meanwhile is seen, and told."""
    told: list[Ref] = []
    await cluster.apply(config(namespace, "stays"))
    await cluster.apply(config(namespace, "goes"))
    mirror = Mirror(cluster, CONFIG, told.append, namespace=namespace)
    await mirror.open()
    known = dict(mirror.objects)
    plane.kill("kube-apiserver")
    with pytest.raises(UnreachableError, match="does not answer"):
        await cluster.get(CONFIG, "stays", namespace)
    assert mirror.objects == known
    plane.start("kube-apiserver")
    other = connect(plane.kubeconfig())
    await other.delete(CONFIG, "goes", namespace)
    await other.apply(config(namespace, "comes"))
    goes, comes = (Ref("v1", "ConfigMap", namespace, each) for each in ("goes", "comes"))
    await until(lambda: _true(comes in mirror.objects and goes not in mirror.objects))
    assert {goes, comes} <= set(told)
    await mirror.close()
    await other.close()


async def test_a_mirror_lists_anew_when_its_version_is_forgotten(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    watch = cluster.watch

    def stale(*of: Any, version: str, **more: Any) -> AsyncIterator[Change]:
        asked.append(version)
        return watch(*of, version="1" if len(asked) == 1 else version, **more)

    monkeypatch.setattr(cluster, "watch", stale)
    mirror = Mirror(cluster, CONFIG, lambda _: None, namespace=namespace)
    await mirror.open()
    await until(lambda: _true(len(asked) > 1))
    await cluster.apply(config(namespace, "meanwhile"))
    await until(lambda: _true(Ref("v1", "ConfigMap", namespace, "meanwhile") in mirror.objects))
    await mirror.close()


async def _true(what: bool) -> bool:
    return what
