"""What is asked before any load: is there a server, does it know the models and the keys, which fields does it take.

One small request for each kind of request that the schedule begins with. A server that is busy (429, 5xx) is one to be
measured; one that does not know what it is asked for is not.
"""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Literal

import msgspec

from headway.bench.ask import ask
from headway.bench.framing import Head
from headway.bench.plan import Target
from headway.bench.prompts import Prompts
from headway.bench.requests import Requests, served_name
from headway.bench.said import trouble_of
from headway.bench.target import Address, Heads
from headway.errors import HeadwayError
from headway.perf.traffic.planned import Piece, Planned

__all__ = ["Found", "Preflight"]

_LOOKED_AT: Final = 500
_MOST_ASKED: Final = 16
_TOKENS: Final = 8
_DENIED: Final = (401, 403)
_MISFIT: Final = (400, 422)


@dataclass(frozen=True, slots=True)
class Found:
    """Which dialect the server takes, and which adapters it serves by their own names, as engines do."""

    dialect: Literal["engine", "openai"]
    plain_adapters: frozenset[str] = frozenset()


class Preflight:
    """`seconds`: how long each answer may take."""

    def __init__(self, target: Target, address: Address, trust: ssl.SSLContext | None, seconds: float) -> None:
        self._target, self._address, self._trust, self._seconds = target, address, trust, seconds
        self._heads = Heads(target, address, "preflight")
        self._names: Sequence[str] = ()
        self._plain: frozenset[str] = frozenset()

    async def fly(self, planned: Iterator[Planned]) -> Found:
        """Raises UnreachableError, or HeadwayError that says what the server refuses."""
        head, body = await ask(self._address, self._trust, self._heads.get("/v1/models"), self._seconds)
        if head.status in _DENIED:
            raise self._denied(body)
        if head.status == 200:
            self._names = _names(body)
        dialect: Literal["engine", "openai"] = "openai" if self._target.dialect == "openai" else "engine"
        kinds = _kinds(planned)
        adapters = {(one.adapter, f"{one.model}:{one.adapter}") for one in kinds if one.adapter}
        self._plain = frozenset(own for own, full in adapters if own in self._names and full not in self._names)
        for one in kinds:
            head, body = await self._try(one, dialect)
            if head.status in _MISFIT and self._target.dialect == "auto" and dialect == "engine":
                plain, plain_body = await self._try(one, "openai")
                if plain.status < 300:
                    head, body, dialect = plain, plain_body, "openai"
            self._judge(one, head, body)
        return Found(dialect, self._plain)

    async def _try(self, planned: Planned, dialect: Literal["engine", "openai"]) -> tuple[Head, bytes]:
        request = Requests(self._heads, Prompts(0), dialect, self._plain).make(planned)
        return await ask(self._address, self._trust, request, self._seconds)

    def _judge(self, planned: Planned, head: Head, body: bytes) -> None:
        status, words = head.status, trouble_of(body).rstrip(".") if head.status >= 300 else ""
        name = served_name(planned, self._plain)
        if status in _DENIED:
            raise self._denied(body, planned.tenant)
        if status == 404:
            raise HeadwayError(
                f"{self._target.url} does not serve {name!r} ({planned.operation}): {words.rstrip('.')}",
                hint=self._hint(name),
            )
        if 300 <= status < 500 and status not in (408, 409, 425, 429):
            raise HeadwayError(
                f"{self._target.url} refuses a {planned.operation} of {name!r} with {status}: {words}",
                hint="see what it takes, then change the workload",
            )

    def _denied(self, body: bytes, tenant: str = "") -> HeadwayError:
        whose = f"the key of tenant {tenant!r}" if tenant else "the key"
        if not self._target.keys.get(tenant) and not self._target.keys.get(""):
            whose = "a request without a key"
        return HeadwayError(
            f"{self._target.url} refuses {whose}: {trouble_of(body)}", hint="give one that it knows, with --key"
        )

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._names, n=1)
        if near:
            return f"did you mean {near[0]!r}?"
        known = ", ".join(self._names[:10])
        return f"it has {known}" if known else "check the model's name and the address's path"


def _kinds(planned: Iterator[Planned]) -> list[Planned]:
    """One small request for each kind among the first."""
    found: dict[tuple[str, ...], Planned] = {}
    for one in islice(planned, _LOOKED_AT):
        kind = (one.operation, one.model, one.adapter, one.tenant)
        if kind not in found and len(found) < _MOST_ASKED:
            piece = (Piece(len(found), _TOKENS),)
            found[kind] = replace(one, number=len(found), prompt=piece, output_tokens=1, cancel_after=None)
    return list(found.values())


def _names(body: bytes) -> list[str]:
    """Of GET /v1/models; a server may answer that with anything."""
    try:
        found: Any = msgspec.json.decode(body)
        return sorted(str(each["id"]) for each in found["data"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return []
