"""The Record of a request that has ended: all that is known of it in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.gateway.record import Attempt, Record
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.asked import Asked
    from headway.gateway.core import Gateway

__all__ = ["record_of"]


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
