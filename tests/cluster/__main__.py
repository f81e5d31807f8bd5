"""`python -m tests.cluster`: a control plane with simulated nodes to try things on by hand, until Ctrl-C.

export KUBEBUILDER_ASSETS=…        a folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler
python -m tests.cluster            prints the KUBECONFIG to use from another terminal
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import cpu_node, gpu_node, mig_node
from tests.cluster.played import Played

NODES = (
    cpu_node("cpu-1"),
    gpu_node("h100-1"),
    gpu_node("l4-1", 4, "NVIDIA-L4"),
    gpu_node("l4-spot-1", 4, "NVIDIA-L4", spot=True),
    mig_node("mig-1", {"1g.10gb": 14, "3g.40gb": 2}),
)


def main() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    plane = ControlPlane(Path(os.environ["KUBEBUILDER_ASSETS"]))
    try:
        plane.start()
        played = Played(plane.kubeconfig(), plane.folder)
        played.add(*NODES)
        if played.can_serve:
            played.serve(lambda pod: "headway.dev/model" in (pod["metadata"].get("labels") or {}))
        print(f"export KUBECONFIG={plane.kubeconfig()}", flush=True)
        stop.wait()
    finally:
        plane.close()


if __name__ == "__main__":
    main()
