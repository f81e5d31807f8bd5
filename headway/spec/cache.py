"""`cache`: what the gateway may keep of a Model's answers, on each of its hosts. A Model carries it, and a Route may.

Sizes are bytes and times seconds in the code. Nothing is kept unless the file says so.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from headway.spec import about_cache as about
from headway.spec.fault import Fault, describe
from headway.spec.fields import Bytes, Seconds, Wait
from headway.spec.strict import Strict
from headway.spec.units import format_duration, format_size

__all__ = ["Cache", "EmbeddingCache", "ResponseCache"]

LEAST_SIZE = 10**6
MOST_TTL = 90 * 86400.0


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Fault(f"found {describe(value)}", "write true or false")
    return value


Flag = Annotated[bool, BeforeValidator(_read_flag), WithJsonSchema({"type": "boolean"})]


class _Kept(Strict):
    size: Annotated[Bytes, about.SIZE] = 256 * 10**6
    ttl: Annotated[Seconds, about.TTL] = 3600.0
    wait: Annotated[Wait, about.WAIT] = 10.0
    shared: Annotated[Flag, about.SHARED] = False

    @model_validator(mode="after")
    def _bounded(self) -> _Kept:
        if self.size < LEAST_SIZE:
            raise Fault(f"found {format_size(self.size)}, which is too little", "write 1MB or more", ("size",))
        if not 1 <= self.ttl <= MOST_TTL:
            raise Fault(f"found {format_duration(self.ttl)}", "write 1s to 90d", ("ttl",))
        return self


class ResponseCache(_Kept):
    """Whole answers, each in the form (stream or not) in which it was first asked for."""

    which: Annotated[Literal["deterministic", "all"], about.WHICH] = "deterministic"


class EmbeddingCache(_Kept):
    """Embeddings one by one, whatever lists they were asked for in."""

    ttl: Annotated[Seconds, about.TTL] = 86400.0


class Cache(Strict):
    """Which answers are kept."""

    responses: Annotated[ResponseCache | None, about.RESPONSES] = None
    embeddings: Annotated[EmbeddingCache | None, about.EMBEDDINGS] = None

    @model_validator(mode="after")
    def _keeps_something(self) -> Cache:
        if self.responses is None and self.embeddings is None:
            raise Fault("says not what to keep", "write cache: {responses: {}}, or leave it out")
        return self
