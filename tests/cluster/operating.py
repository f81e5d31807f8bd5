"""An operator for the tests: installed with its own rights and no more, run as a process that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from headway.sites.kubernetes.install.rbac import account, bindings, roles
from headway.sites.kubernetes.labels import MANAGED, SYSTEM
from headway.sites.kubernetes.objects.crds import crds
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest, Ref, ref
from headway.wire.kube.resource import GROUP, VERSION, resource
from tests.cluster.control_plane import ControlPlane
from tests.cluster.ending import end_with_us
from tests.cluster.waiting import until
from tests.support.ports import free_port

__all__ = ["KINDS", "OURS", "ROOT", "Operator", "install", "leftovers", "model", "settled"]

ROOT = Path(__file__).parents[2]
OURS = f"{GROUP}/{VERSION}"
MODEL = resource("Model")
KINDS = ("Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "PersistentVolumeClaim", "Job")
DEADLINE = 60.0


async def install(cluster: Cluster) -> None:
    """Kinds, namespace and rights; the operator's program runs beside the cluster."""
    for each in crds():
        await cluster.apply(each)
    await until(lambda: _established(cluster))
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
    for made in roles(SYSTEM):
        await cluster.apply(made.manifest)
    for binding in bindings(SYSTEM):
        await cluster.apply(binding)


async def _established(cluster: Cluster) -> bool:
    found = [each["metadata"]["name"] for each in crds()]
    there = [await cluster.get(resource("CustomResourceDefinition"), each) for each in found]
    conditions = [(each or {}).get("status", {}).get("conditions") or [] for each in there]
    return all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions)


def model(namespace: str, name: str, **spec: object) -> Manifest:
    said = {"source": "builtin://mock", "replicas": 1} | spec
    return {"apiVersion": OURS, "kind": "Model", "metadata": {"name": name, "namespace": namespace}, "spec": said}


class Operator:
    """`start` returns when it leads. It has its service account's rights."""

    def __init__(self, plane: ControlPlane, *options: str) -> None:
        self.user = f"system:serviceaccount:{SYSTEM}:{account('operator')}"
        self._kubeconfig = plane.kubeconfig(self.user)
        self._log = plane.folder / f"operator-{free_port()}.log"
        self._options = options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, identity: str = "operator-0") -> None:
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--identity", identity]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headway.control.operator", *where, *self._options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, preexec_fn=end_with_us,  # noqa: PLW1509
                env=os.environ | {"KUBECONFIG": str(self._kubeconfig), "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        end = time.monotonic() + DEADLINE
        while self.ask("/readyz") != "leads\n":
            assert self.process.poll() is None, self.log()[-4000:]
            assert time.monotonic() < end, self.log()[-4000:]
            time.sleep(0.05)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Returns its exit status."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(30)

    def ask(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def figure(self, name: str) -> float:
        """The sum over labels of one of its metrics."""
        lines = (each.rpartition(" ") for each in self.ask("/metrics").splitlines() if each.startswith(name))
        return sum(float(value) for _, _, value in lines)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def memory(self) -> int:
        """Resident bytes."""
        assert self.process
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


async def settled(cluster: Cluster, namespace: str, name: str = "", *, replicas: int | None = None) -> bool:
    """Whether this Model (or all of the namespace) answers with as many Replicas as it wants, and nothing moves."""
    found = (await cluster.list(MODEL, namespace)).items
    named = [each for each in found if name in ("", each["metadata"]["name"])]
    return bool(named) and all(_settled(each, replicas) for each in named)


def _settled(found: Manifest, replicas: int | None) -> bool:
    status = found.get("status") or {}
    said = {each["type"]: each for each in status.get("conditions") or ()}
    current = all(each.get("observedGeneration") == found["metadata"]["generation"] for each in said.values())
    count = found["spec"].get("scale", found["spec"]["replicas"]) if replicas is None else replicas
    counts = (status.get("replicas"), status.get("readyReplicas")) == (count, count)
    still = said.get("Progressing", {}).get("status") == "False"
    return bool(said) and current and counts and still and "deletionTimestamp" not in found["metadata"]


async def leftovers(cluster: Cluster, namespace: str, wanted: Iterable[Manifest]) -> dict[Ref, str]:
    """What Headway made there and no wanted Model owns, and Models with more workloads than ways to serve them."""
    uids = {each["metadata"]["uid"]: each["metadata"]["name"] for each in wanted}
    found: dict[Ref, str] = {}
    workloads: dict[str, list[Ref]] = {}
    for kind in KINDS:
        for each in (await cluster.list(resource(kind), namespace, labels=f"{MANAGED}=headway")).items:
            owner = next((one["uid"] for one in each["metadata"].get("ownerReferences") or ()), "")
            if owner not in uids:
                found[ref(each)] = "no Model has it"
            elif kind == "Deployment":
                workloads.setdefault(owner, []).append(ref(each))
    return found | {each: "a double" for some in workloads.values() if len(some) > 1 for each in some}
