"""What a request says beside its body of where it may go and how it is to be treated: headers and metadata of the
endpoint-picker protocol (Gateway API Inference Extension, proposal 004) and of llm-d's router."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address

from google.protobuf.struct_pb2 import Struct, Value

from headway.gateway.catalog import Route

__all__ = ["DESTINATION", "DROPPED", "LB", "Hints", "is_ip", "narrowed", "read_hints", "served"]

LB = "envoy.lb"
DESTINATION = "x-gateway-destination-endpoint"
DROPPED = "x-llm-d-request-dropped-reason"
_SUBSET_SPACE, _SUBSET = "envoy.lb.subset_hint", "x-gateway-destination-endpoint-subset"
_SERVED = "x-gateway-destination-endpoint-served"
_UPSTREAM = "upstream.address"  # an attribute of Envoy's own, for data planes that do not say _SERVED
_MODEL = (b"x-llm-d-model-name-rewrite", b"x-gateway-model-name-rewrite")
_OBJECTIVE = (b"x-llm-d-inference-objective", b"x-gateway-inference-objective")
_FLOW = (b"x-llm-d-inference-fairness-id", b"x-gateway-inference-fairness-id")
_TTFT = (b"x-llm-d-slo-ttft-ms", b"x-slo-ttft-ms")
_NAME_LENGTH = 128

Headers = Mapping[bytes, bytes]
Spaces = Mapping[str, Struct]


@dataclass(frozen=True, slots=True)
class Hints:
    """`subset`: `ip:port` or `ip` of those that may be picked, None = all. `model`: to be sent instead of the caller's.
    `flow`: what is fair among. `ttft`: seconds it can bear to its first token."""

    subset: tuple[str, ...] | None = None
    model: str = ""
    objective: str = ""
    flow: str = ""
    ttft: float | None = None


def read_hints(headers: Headers, spaces: Spaces) -> Hints:
    """`spaces`: the filter metadata, by namespace."""
    ttft = _first(headers, _TTFT)
    return Hints(
        subset=_subset(headers, spaces),
        model=_first(headers, _MODEL),
        objective=_first(headers, _OBJECTIVE),
        flow=_first(headers, _FLOW),
        ttft=int(ttft) / 1000 if ttft.isdigit() and len(ttft) < 9 else None,
    )


def served(spaces: Spaces, attributes: Spaces) -> str:
    """The endpoint that answered, as the data plane says; empty when it does not."""
    if LB in spaces and _SERVED in spaces[LB].fields:
        return spaces[LB].fields[_SERVED].string_value
    for each in attributes.values():
        if _UPSTREAM in each.fields:
            return each.fields[_UPSTREAM].string_value
    return ""


@lru_cache(4096)
def is_ip(address: str) -> bool:
    """Whether a data plane can be told this host:port."""
    try:
        ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


def narrowed(route: Route, subset: tuple[str, ...]) -> Route:
    """The same model with only those endpoints; there may be none."""
    wanted = frozenset(subset)
    kept = [
        index
        for index, each in enumerate(route.upstreams)
        if each.address in wanted or each.address.rpartition(":")[0].strip("[]") in wanted
    ]
    reason = route.reason if kept else "none of its replicas is in the subset that the data plane allows"
    return replace(
        route,
        ids=tuple(route.ids[index] for index in kept),
        slots=tuple(route.slots[index] for index in kept),
        upstreams=tuple(route.upstreams[index] for index in kept),
        names=tuple(route.names[index] for index in kept),
        reason=reason,
        salted=None if route.salted is None else tuple(route.salted[index] for index in kept),
    )


def _first(headers: Headers, names: tuple[bytes, ...]) -> str:
    for name in names:
        if value := headers.get(name):
            return value[:_NAME_LENGTH].decode("latin-1").strip()
    return ""


def _subset(headers: Headers, spaces: Spaces) -> tuple[str, ...] | None:
    """Metadata is the data plane's own word and comes first; the header is for those that cannot set it."""
    if _SUBSET_SPACE in spaces and _SUBSET in spaces[_SUBSET_SPACE].fields:
        return _addresses(spaces[_SUBSET_SPACE].fields[_SUBSET])
    header = headers.get(_SUBSET.encode())
    return None if header is None else _split(header.decode("latin-1"))


def _addresses(value: Value) -> tuple[str, ...]:
    """A list, or one text with commas: data planes write it either way."""
    if value.HasField("list_value"):
        return tuple(each for item in value.list_value.values for each in _split(item.string_value))
    return _split(value.string_value)


def _split(text: str) -> tuple[str, ...]:
    return tuple(each for each in (part.strip() for part in text.split(",")) if each)
