"""How long a request waits for an endpoint, and what its caller is told when that was in vain."""

from __future__ import annotations

import math

from headway.gateway.catalog import Route
from headway.gateway.settings import Settings
from headway.wire.openai import Refusal

__all__ = ["no_replica", "patience", "retry_after"]


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


def no_replica(route: Route) -> Refusal:
    why = route.reason or ("its replicas do not answer" if route.upstreams else "it has no replica")
    message = f"The model {route.model.name!r} cannot answer now: {why}."
    return Refusal(503, "model_not_ready", message, retry_after=retry_after(route))
