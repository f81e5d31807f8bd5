"""Three endpoints that a picker may name, and how it is asked for them."""

from __future__ import annotations

from typing import Any

from headway.gateway.table import ModelRoute
from tests.support.gateway import endpoint, route
from tests.support.picker import PickerHere

ONE, TWO, THREE = "10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000"
STREAM = "text/event-stream"


def three(**more: Any) -> ModelRoute:
    addresses = enumerate((ONE, TWO, THREE))
    return route(*(endpoint(f"http://{each}", f"chat-{number}") for number, each in addresses), **more)


def subset(*addresses: str) -> dict[str, Any]:
    return {"envoy.lb.subset_hint": {"x-gateway-destination-endpoint-subset": list(addresses)}}


def running(picker: PickerHere) -> dict[str, int]:
    return {each.id: each.running for each in picker.here.stats().endpoints}
