"""What one gateway's /metrics says of each Model, as a scaler needs it: a few families of the many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Figures", "read_figures", "together"]

_LINE = re.compile(r"headway_gateway_(\w+?)(?:_total)?\{([^}]*)\} (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_READ = {"requests", "tokens", "requests_waiting", "line_length", "model_endpoints", "endpoint_info"}
_OF_REPLICA = {"endpoint_requests_running", "endpoint_kv_used_ratio"}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one Model. `ended`, `prompt` (tokens that were not cached) and `output` only grow; the rest is as it is now.
    `kv`: the highest share of KV memory in use of any Replica."""

    ended: float = 0.0
    prompt: float = 0.0
    output: float = 0.0
    waiting: float = 0.0
    running: float = 0.0
    endpoints: int = 0
    kv: float = 0.0

    @property
    def inside(self) -> float:
        return self.waiting + self.running


def read_figures(text: str) -> dict[str, Figures]:
    """By Model. A line that is not understood is passed over."""
    sums: dict[tuple[str, str], float] = {}
    models: dict[str, str] = {}  # of each replica
    of_replicas: list[tuple[str, str, float]] = []
    for family, labels, value in _samples(text):
        if family in _OF_REPLICA:
            of_replicas.append((family, labels["replica"], value))
            continue
        if family == "endpoint_info":
            models[labels["replica"]] = labels["model"]
        name = f"{family}.{labels['type']}" if family == "tokens" else family
        sums[labels["model"], name] = sums.get((labels["model"], name), 0.0) + value
    kv: dict[str, float] = {}
    for family, replica, value in of_replicas:
        model = models.get(replica, "")
        if family == "endpoint_kv_used_ratio":
            kv[model] = max(kv.get(model, 0.0), value)
        else:
            sums[model, family] = sums.get((model, family), 0.0) + value
    return {model: _figures(model, sums, kv) for model in {model for model, _ in sums} if model}


def together(parts: Mapping[str, Figures]) -> Figures:
    """Of several gateways: each counts its own requests, and all know the same endpoints."""
    found = parts.values()
    return Figures(
        ended=sum(each.ended for each in found),
        prompt=sum(each.prompt for each in found),
        output=sum(each.output for each in found),
        waiting=sum(each.waiting for each in found),
        running=sum(each.running for each in found),
        endpoints=max((each.endpoints for each in found), default=0),
        kv=max((each.kv for each in found), default=0.0),
    )


def _figures(model: str, sums: Mapping[tuple[str, str], float], kv: Mapping[str, float]) -> Figures:
    def of(name: str) -> float:
        return sums.get((model, name), 0.0)

    return Figures(
        ended=of("requests"),
        prompt=max(0.0, of("tokens.input") - of("tokens.cached")),
        output=of("tokens.output"),
        waiting=of("requests_waiting") + of("line_length"),
        running=of("endpoint_requests_running"),
        endpoints=int(of("model_endpoints")),
        kv=kv.get(model, 0.0),
    )


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None or (found[1] not in _READ and found[1] not in _OF_REPLICA):
            continue
        try:
            yield found[1], dict(_LABEL.findall(found[2])), float(found[3])
        except ValueError:
            continue
