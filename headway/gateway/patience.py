"""How long a request waits: for an endpoint, for its first byte, for the next one, and until it may be tried again; and
what its caller is told when that was in vain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headway.gateway.catalog import Route
from headway.gateway.settings import Settings
from headway.gateway.table import Deadlines
from headway.wire.openai import Refusal

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = [
    "failed",
    "fell_silent",
    "first_byte",
    "idle",
    "line_full",
    "may_try_again",
    "must_line_up",
    "no_replica",
    "patience",
    "retry_after",
    "too_long",
]


def first_byte(settings: Settings, times: Deadlines | None, *, stream: bool) -> float:
    """Seconds from its sending. An answer that does not stream comes whole, as late as it is long."""
    if times is not None and times.first_byte is not None:
        return times.first_byte
    return settings.first_byte_seconds if stream else math.inf


def idle(settings: Settings, times: Deadlines | None) -> float:
    """Seconds between two pieces."""
    return settings.stream_idle_seconds if times is None or times.idle is None else times.idle


def may_try_again(settings: Settings, route: Route, now: float, *, take: bool = True) -> bool:
    """Whether the model's retry budget has room for one more; with `take` it has it."""
    sent, retries = sum(each.total for each in route.upstreams), route.learned.retries
    ask = retries.take if take else retries.left
    return ask(sent, now, ratio=settings.retry_ratio, floor=settings.retry_floor)


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


def line_full(model: str, seconds: float, *, late: bool) -> Refusal:
    """There is no room in the line before `seconds` have gone by; `late`: its turn would come that much too late."""
    after = max(1, min(300, math.ceil(seconds)))
    if late:
        message = f"So many requests wait for the model {model!r} that this one's deadline would pass before its turn."
        return Refusal(503, "saturated", message, retry_after=after)
    return Refusal(503, "queue_full", f"Too many requests wait for the model {model!r}.", retry_after=after)


def too_long(seconds: float) -> Refusal:
    return Refusal(504, "deadline_exceeded", f"The request took longer than {seconds:g} s.")


def fell_silent(seconds: float) -> Refusal:
    return Refusal(504, "engine_failed", f"The engine sent nothing for {seconds:g} s in mid-answer.")


def failed(tries: int, reason: str) -> Refusal:
    """`reason`: why the last try failed."""
    message = f"The engines failed {tries} times on this request, at last: {reason}."
    return Refusal(502, "engine_failed", message)


def no_replica(route: Route) -> Refusal:
    why = route.reason or ("its replicas do not answer" if route.upstreams else "it has no replica")
    message = f"The model {route.model.name!r} cannot answer now: {why}."
    return Refusal(503, "model_not_ready", message, retry_after=retry_after(route))
