"""A real Kubernetes control plane for the tests: etcd, kube-apiserver, kube-controller-manager and kube-scheduler as
processes on ports of their own, with RBAC, Pod Security `restricted` for every namespace, and an audit log.

`KUBEBUILDER_ASSETS` names the folder of the programs, as for envtest. There are no kubelets: tests.cluster.player
plays them. Each part can be killed and started again while the others go on.
"""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tests.cluster.audit import Asked, read
from tests.cluster.ending import end_with_us
from tests.cluster.identities import Identities
from tests.support.ports import free_port

__all__ = ["PROGRAMS", "ControlPlane"]

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
ADMIN = "system:masters"
DEADLINE = 120.0
"""For a start. It takes 4 to 10 s where nothing else runs."""

AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
"""Everything that anybody asks, without the bodies."""
LEVELS = {f"{mode}{more}": said for mode in ("enforce", "audit", "warn") for more, said in
          (("", "restricted"), ("-version", "latest"))}  # fmt: skip
ADMISSION = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": LEVELS,
                "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": []},
            },
        }
    ],
}


class ControlPlane:
    """`start` and `kill` take a program's name; without one, all. Raises AssertionError with the log of a program
    that does not come up."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="headway-plane-"))
        self.etcd, self.peers, self.port = free_port(), free_port(), free_port()
        self.identities = Identities(self.folder / "pki", f"https://127.0.0.1:{self.port}")
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._write("audit.json", AUDIT)
        self._write("admission.json", ADMISSION)

    def start(self, *names: str) -> None:
        """Returns when the API server says that it is ready."""
        for name in names or PROGRAMS:
            if name in self._running and self._running[name].poll() is None:
                continue
            with (self.folder / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [str(self.programs / name), *self._flags(name)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                    start_new_session=True, preexec_fn=end_with_us,  # noqa: PLW1509 - one system call
                )  # fmt: skip
            if name == "kube-apiserver":
                self._await_ready()

    def kill(self, *names: str, number: signal.Signals = signal.SIGKILL) -> None:
        """As a power cut does, unless another signal is given (SIGSTOP: it hangs)."""
        for name in names or reversed(PROGRAMS):
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                continue
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait()

    def thaw(self, name: str) -> None:
        self._running[name].send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kubeconfig(self, user: str = "admin", *groups: str, token: str = "", namespace: str = "default") -> Path:
        """Of a user with a certificate (without groups: `admin` may do all), or of the bearer of a token."""
        return self.identities.kubeconfig(user, groups or ((ADMIN,) if user == "admin" else ()), token=token,
                                          namespace=namespace)  # fmt: skip

    def audit(self, since: int = 0) -> Iterator[Asked]:
        """Everything that was asked of the API server so far, or after `audited` was `since`, in the order of its
        answers."""
        yield from read(self.folder / "audit.log", since)

    def audited(self) -> int:
        log = self.folder / "audit.log"
        return log.stat().st_size if log.exists() else 0

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _flags(self, name: str) -> Sequence[str]:
        said = {
            "etcd": self._etcd_flags,
            "kube-apiserver": self._api_flags,
            "kube-controller-manager": self._controller_flags,
            "kube-scheduler": self._scheduler_flags,
        }[name]()
        return [f"--{flag}={value}" for flag, value in said.items()]

    def _etcd_flags(self) -> dict[str, object]:
        clients, peers = f"http://127.0.0.1:{self.etcd}", f"http://127.0.0.1:{self.peers}"
        return {
            "name": "default",
            "data-dir": self.folder / "etcd",
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "unsafe-no-fsync": "true",  # what is tested is kill -9 of programs, not of the machine
        }

    def _api_flags(self) -> dict[str, object]:
        hosts = ("127.0.0.1", "localhost", "kubernetes.default.svc")
        crt, key = self.identities.certificate("kube-apiserver", hosts=hosts)
        return {
            "etcd-servers": f"http://127.0.0.1:{self.etcd}",
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self.port,
            "endpoint-reconciler-type": "none",  # it would refuse a loopback address
            "service-cluster-ip-range": "10.96.0.0/16",
            "tls-cert-file": crt,
            "tls-private-key-file": key,
            "client-ca-file": self.identities.ca,
            "service-account-issuer": self.identities.server,
            "service-account-key-file": self.identities.tokens,
            "service-account-signing-key-file": self.identities.tokens,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "admission-control-config-file": self.folder / "admission.json",
            "audit-policy-file": self.folder / "audit.json",
            "audit-log-path": self.folder / "audit.log",
            "allow-privileged": "false",
        }

    def _controller_flags(self) -> dict[str, object]:
        return {
            **self._client("system:kube-controller-manager"),
            "service-account-private-key-file": self.identities.tokens,
            "root-ca-file": self.identities.ca,
            "use-service-account-credentials": "true",
        }

    def _scheduler_flags(self) -> dict[str, object]:
        return self._client("system:kube-scheduler")

    def _client(self, user: str) -> dict[str, object]:
        """`secure-port` 0: it serves nothing itself. The rate limits of its client are for small clusters."""
        return {
            "kubeconfig": self.kubeconfig(user, user),
            "leader-elect": "false",
            "secure-port": 0,
            "kube-api-qps": 500,
            "kube-api-burst": 1000,
        }

    def _await_ready(self) -> None:
        crt, key = self.identities.certificate("admin", (ADMIN,))
        trust = ssl.create_default_context(cafile=self.identities.ca)
        trust.load_cert_chain(crt, key)
        end = time.monotonic() + DEADLINE
        while True:
            assert self._running["kube-apiserver"].poll() is None, self.log("kube-apiserver")[-4000:]
            assert self._running["etcd"].poll() is None, self.log("etcd")[-4000:]
            try:
                with urllib.request.urlopen(f"{self.identities.server}/readyz", timeout=5, context=trust):
                    return
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < end, self.log("kube-apiserver")[-4000:]
                time.sleep(0.1)

    def _write(self, name: str, content: object) -> None:
        (self.folder / name).write_bytes(msgspec.json.encode(content))
