"""What a request leaves behind when it has ended: its Record, and its place for who waits for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.gateway.frames import Freed
from headway.gateway.record import Attempt, Record
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.asked import Asked
    from headway.gateway.core import Gateway

__all__ = ["record_of", "tell_the_line"]


def record_of(
    gateway: Gateway,
    asked: Asked,
    attempts: list[Attempt],
    usage: Usage | None,
    *,
    status: int,
    error: str,
    first_byte: float | None,
) -> Record:
    """`first_byte` is loop time. To be called when the gate has settled what is charged."""
    accepted = asked.request.accepted
    duration = gateway.time() - accepted
    return Record(
        seq=0,
        id=asked.request.id,
        at=gateway.unix_time() - duration,
        path=asked.operation.path,
        model=asked.model,
        tenant=asked.gate.tenant,
        stream=asked.stream,
        status=status,
        error=error,
        ttft=first_byte - accepted if first_byte is not None else None,
        duration=duration,
        prompt_tokens=usage.prompt_tokens if usage else None,
        cached_tokens=usage.cached_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        attempts=attempts,
        table=gateway.catalog.version,
        charge=asked.gate.charge(),
    )


def tell_the_line(gateway: Gateway, asked: Asked, usage: Usage | None) -> None:
    """Others wait for the place that is free now."""
    if asked.model in gateway.hub.queueing:
        tokens = usage.completion_tokens or 0 if usage else 0
        gate = asked.gate
        gateway.hub.say(Freed(asked.model, gate.tenant, asked.priority, gate.weight, tokens))
