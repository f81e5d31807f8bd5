"""What an engine's own metrics say of its load, for scalers and monitors that know nothing of Headway.

One figure for all engines: the requests in a Replica, those that run and those that wait in its queue. A scaler holds
it at 70 % of what a Replica takes at once, which is the rule that `headway simulate` knows as `hpa` and `keda`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headway.errors import HeadwayError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture
from headway.perf.limits import limits
from headway.perf.setting import Setting
from headway.policy.scaling.hpa import Hpa
from headway.spec.gpu import parse_gpu
from headway.spec.revision import Revision
from headway.spec.source import Source

__all__ = ["METRIC", "Load", "adapter_rule", "load_of", "sequences", "target"]

HALFWAY = 2000
"""Tokens of a chat request when half of it is done: what opens every prompt, the turns before, half an answer (the
workload `chat`: 512, 2.5 turns of 296 and 441)."""
METRIC = "engine_requests"
"""As the custom metrics API calls it, which takes no colon in a name."""


@dataclass(frozen=True, slots=True)
class Load:
    """Series of one engine. `limit`: its option for the requests that a Replica runs at once, and what it is where
    nobody says."""

    running: str
    waiting: str
    limit: str
    sequences: int

    @property
    def total(self) -> tuple[str, str]:
        return self.running, self.waiting


_VLLM = Load("vllm:num_requests_running", "vllm:num_requests_waiting", "max-num-seqs", 256)
_OF: Mapping[str, Load] = {
    "vllm": _VLLM,
    "sglang": Load("sglang:num_running_reqs", "sglang:num_queue_reqs", "max-running-requests", 256),
    "llamacpp": Load("llamacpp:requests_processing", "llamacpp:requests_deferred", "parallel", 4),
    "embed": Load("llamacpp:requests_processing", "llamacpp:requests_deferred", "parallel", 4),
    "mock": _VLLM,
}


def load_of(engine: str) -> Load | None:
    """None: the engine says nothing of its load , so that only its cores can be looked at."""
    return _OF.get(engine)


def target(revision: Revision) -> tuple[int, str]:
    """Requests in a Replica at which a scaler holds it, and why so many."""
    most, told = sequences(revision)
    share = Hpa().utilisation
    return max(1, int(most * share)), f"{share:.0%} of the {most} requests that a Replica runs at once ({told})"


def sequences(revision: Revision) -> tuple[int, str]:
    """Requests that a Replica runs at once, and why so many."""
    load = _OF[revision.engine]
    written = revision.args.get(load.limit)
    most = int(written) if isinstance(written, int | str) and str(written).isdigit() else load.sequences
    told = f"args.{load.limit}" if written else f"{revision.engine}'s own {load.limit}, none is written"
    fitting = _fitting(revision)
    if fitting is not None and fitting < most:
        return fitting, f"so many of {HALFWAY} tokens have room in the KV cache of {revision.gpu}"
    return most, told


def _fitting(revision: Revision) -> int | None:
    """Requests whose keys and values have room, where the catalogue knows model and GPU."""
    wish = parse_gpu(revision.gpu) if revision.gpu else None
    if wish is None or not wish.product or revision.engine not in ("vllm", "sglang") or revision.task == "embedding":
        return None
    share = revision.args.get("gpu-memory-utilization", revision.args.get("mem-fraction-static"))
    try:
        setting = Setting(
            architecture(Source.parse(revision.source.uri).path),
            accelerator(wish.product),
            engine="sglang" if revision.engine == "sglang" else "vllm",
            tensor=wish.count,
            memory_share=float(share) if isinstance(share, int | float) else None,
        )
        return max(1, limits(setting).kv_tokens // HALFWAY)
    except (HeadwayError, ValueError):
        return None


def adapter_rule(load: Load) -> str:
    """For prometheus-adapter (`rules.custom` of its chart): both series of a pod as one figure."""
    both = " + ".join(f"sum({each}{{<<.LabelMatchers>>}}) by (<<.GroupBy>>)" for each in load.total)
    return f"""\
- seriesQuery: '{load.running}{{namespace!="",pod!=""}}'
  resources: {{overrides: {{namespace: {{resource: namespace}}, pod: {{resource: pod}}}}}}
  name: {{as: {METRIC}}}
  metricsQuery: '{both}'
"""
