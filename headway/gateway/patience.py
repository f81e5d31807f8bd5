"""How long a request waits for an endpoint, and what its caller is told when that was in vain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headway.gateway.catalog import Route
from headway.gateway.settings import Settings
from headway.wire.openai import Refusal

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["must_line_up", "no_replica", "patience", "queue_full", "retry_after"]


def must_line_up(gateway: Gateway, route: Route, now: float) -> bool:
    """Of a model whose endpoints run so many at once: others wait already, or all places are taken."""
    hub, most = gateway.hub, route.model.capacity
    if not hub.there or not route.upstreams:
        return False
    if route.model.name in hub.queueing:
        return True
    gateway.catalog.look(now)
    return all(each.running >= most for each in route.upstreams)


def patience(settings: Settings, route: Route) -> float:
    """Seconds."""
    eta = route.model.eta
    if route.upstreams:
        return settings.wait_seconds
    if not route.expected:
        return 0.0
    if eta is None:
        return settings.wait_expected_seconds
    return max(settings.wait_seconds, eta + settings.wait_grace_seconds)


def retry_after(route: Route) -> int:
    return max(1, min(300, math.ceil(5 if route.model.eta is None else route.model.eta)))


def queue_full(model: str, seconds: float) -> Refusal:
    message = f"Too many requests wait for the model {model!r}."
    return Refusal(503, "queue_full", message, retry_after=max(1, min(300, math.ceil(seconds))))


def no_replica(route: Route) -> Refusal:
    why = route.reason or ("its replicas do not answer" if route.upstreams else "it has no replica")
    message = f"The model {route.model.name!r} cannot answer now: {why}."
    return Refusal(503, "model_not_ready", message, retry_after=retry_after(route))
