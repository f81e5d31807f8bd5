"""When a Replica counts as started, ready and alive.

A start may take three times as long as the planner reckons for this model, and what a fetch in front of it takes is no
part of it (an init container has no probe). Readiness is asked often, so that a pod that is ready soon takes requests;
liveness is patient: an engine under a long prefill answers late, and a restart would load the weights again.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from headway.engines.container import Container
from headway.perf.plan.cold_start import SOURCE, cold_start
from headway.perf.setting import EngineFamily
from headway.sites.kubernetes.objects.derived import because

__all__ = ["FAMILIES", "probes", "start_seconds"]

FAMILIES: dict[str, EngineFamily] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llamacpp",
    "embed": "llamacpp",
    "mock": "llamacpp",
}
LATER = 3.0
"""Times the planner's figure: a slower disk, a colder page cache."""
LEAST, UNKNOWN = 60.0, 1800.0
"""Seconds: at least; and where nobody knows how large the weights are."""
EVERY = 5


_FIRST = (
    "import os,urllib.request as u\n"
    "os.environ['HEADWAY_INDEX']!='0' or u.urlopen('http://127.0.0.1:{port}{path}',timeout=5)"
)


def start_seconds(engine: str, weights: int) -> tuple[float, str]:
    """The longest start that is still healthy, and why."""
    if not weights and engine in ("vllm", "sglang"):
        return UNKNOWN, "half an hour: the catalogue does not know how large this model is"
    expected = cold_start(float(weights), FAMILIES[engine]).seconds
    longest = max(LEAST, LATER * expected)
    return longest, f"{LATER:.0f} x the {expected:.0f} s that the planner reckons ({SOURCE}), at least {LEAST:.0f} s"


def probes(container: Container, engine: str, weights: int, *, alike: bool = False) -> dict[str, Any]:
    """`alike`: the pods of a Replica have one template, and only the first answers."""
    longest, why = start_seconds(engine, weights)
    look: dict[str, Any] = {"httpGet": {"path": container.ready_path, "port": "http"}, "timeoutSeconds": 5}
    if alike:
        said = _FIRST.format(port=container.port, path=container.ready_path)
        asked = because(["python3", "-c", said], "of the pods of a Replica only the first answers")
        look = {"exec": {"command": asked}, "timeoutSeconds": 10}
    return {
        "startupProbe": look
        | {"periodSeconds": EVERY, "failureThreshold": because(ceil(longest / EVERY), f"{EVERY} s each: {why}")},
        "readinessProbe": look | {"periodSeconds": EVERY, "failureThreshold": 2},
        "livenessProbe": look
        | {
            "periodSeconds": 10,
            "failureThreshold": because(12, "two minutes: a busy engine answers late, and a restart loads all anew"),
        },
    }
