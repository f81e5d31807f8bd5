"""How a simulated pod fares: by itself it runs at once; annotations, or a test, say otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from headway.wire.kube.manifest import Manifest

__all__ = ["Behaviour", "annotated"]

PREFIX = "tests.headway.dev/"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`start_seconds`: from its node to running, as a pull of the image takes; `load_seconds`: from there to ready,
    as weights do. `fails`: the reason that a kubelet would give: ErrImagePull, ImagePullBackOff and the like never
    start, CrashLoopBackOff and OOMKilled start and end. `never_ready`: runs, and its probe keeps failing."""

    start_seconds: float = 0.0
    load_seconds: float = 0.0
    fails: str = ""
    never_ready: bool = False

    @property
    def starts(self) -> bool:
        return self.fails in {"", "CrashLoopBackOff", "OOMKilled", "Error"}


def annotated(pod: Manifest) -> Behaviour:
    said = pod["metadata"].get("annotations") or {}
    return Behaviour(
        float(said.get(f"{PREFIX}start-seconds", 0)),
        float(said.get(f"{PREFIX}load-seconds", 0)),
        said.get(f"{PREFIX}fails", ""),
        said.get(f"{PREFIX}never-ready", "") == "true",
    )
