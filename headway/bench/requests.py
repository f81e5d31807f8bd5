"""Requests as bytes, head and body in one piece, ready before they are due."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import msgspec

from headway.bench.prompts import Prompts
from headway.bench.target import PATHS, Heads
from headway.perf.traffic.planned import Planned

__all__ = ["Requests", "served_name"]


class Requests:
    """`dialect`: see plan.Dialect. An adapter is asked for as `model:adapter`, its name on Headway; those that are
    `plain` by their own name, as engines have it."""

    def __init__(
        self, heads: Heads, prompts: Prompts, dialect: Literal["engine", "openai"], plain: Collection[str] = ()
    ) -> None:
        self.prompts, self._plain = prompts, plain
        self._heads, self._engine = heads, dialect == "engine"
        self._begins: dict[tuple[str, str], bytes] = {}

    def make(self, planned: Planned, said: Sequence[bytes] | None = None) -> bytes:
        """`said`: the conversation, user and assistant by turns; None = the planned prompt alone."""
        parts = said or [self.prompts.text(planned.prompt)]
        body = self._begin(planned) + self._asked(planned, parts) + self._options(planned) + b"}"
        return self._heads.post(PATHS[planned.operation], planned.tenant, planned.number, len(body)) + body

    def _begin(self, planned: Planned) -> bytes:
        begin = self._begins.get((planned.model, planned.adapter))
        if begin is None:
            name = served_name(planned, self._plain)
            begin = self._begins[planned.model, planned.adapter] = b'{"model":' + msgspec.json.encode(name)
        return begin

    def _asked(self, planned: Planned, parts: Sequence[bytes]) -> bytes:
        if planned.operation == "chat":
            turns = [_TURNS[number % 2] % part for number, part in enumerate(parts)]
            return b',"messages":[%b]' % b",".join(turns)
        return b',"%b":"%b"' % (b"input" if planned.operation == "embedding" else b"prompt", b"".join(parts))

    def _options(self, planned: Planned) -> bytes:
        if planned.operation == "embedding":
            return b""
        tokens = max(1, planned.output_tokens)
        options = b',"max_tokens":%d' % tokens
        if self._engine:
            options += b',"min_tokens":%d,"ignore_eos":true' % tokens
        if planned.stream:
            more = b',"continuous_usage_stats":true' if self._engine else b""
            options += b',"stream":true,"stream_options":{"include_usage":true%b}' % more
        return options


def served_name(planned: Planned, plain: Collection[str]) -> str:
    """What a request calls its model."""
    if not planned.adapter:
        return planned.model
    return planned.adapter if planned.adapter in plain else f"{planned.model}:{planned.adapter}"


_TURNS = (b'{"role":"user","content":"%b"}', b'{"role":"assistant","content":"%b"}')
