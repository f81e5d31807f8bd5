"""Headway's routing as the gateway has it: its own Catalog, Placement, Stay, Prompt and prefix index, fed with what
they are fed with there. What is left out is HTTP, limits, and everything that the mock engines never do (fail)."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

from benchmarks.routing.schedule import Message
from benchmarks.routing.subjects import Policy, table
from benchmarks.routing.virtual.clock import Clock
from headway.engines.signals import read_signals
from headway.gateway.board import Section
from headway.gateway.catalog import Catalog, Route
from headway.gateway.frames import Load
from headway.gateway.placement import Placement
from headway.gateway.prompt import Prompt, Sessions
from headway.gateway.settings import Settings
from headway.gateway.upstream import Upstream
from headway.policy.prefix import PrefixIndex
from headway.policy.routing import Stay
from headway.wire.openai import OPERATIONS, Refusal, read_call
from headway.wire.usage import Usage

__all__ = ["Ours"]

CELLS = 16
"""More than an endpoint has on the board."""

CHAT = OPERATIONS["/v1/chat/completions"]


class Ours:
    def __init__(self, clock: Clock, engines: int, adapters: tuple[str, ...], policy: Policy, seed: int) -> None:
        settings = Settings()
        self._clock = clock
        section = Section(memoryview(bytearray(CELLS * 8 * engines)).cast("q"), 0)
        index = PrefixIndex(settings.index_blocks)
        catalog = Catalog(settings, cast("Any", clock), [section], 0, index)
        urls = [f"http://127.0.0.1:{9000 + number}" for number in range(engines)]
        made = table(policy, urls, adapters)
        self._slots = {endpoint.id: slot for slot, endpoint in enumerate(made.models[0].endpoints)}
        problems = catalog.apply(made, self._slots)
        if problems:
            raise ValueError(problems)
        self.gateway: Any = SimpleNamespace(
            catalog=catalog,
            index=index,
            sessions=Sessions(settings.sessions_max),
            settings=settings,
            news=SimpleNamespace(went=lambda hashes, slot: None),
            draw=random.Random(seed).random,
        )

    def picked(self, body: bytes, said: list[Message]) -> tuple[int, Going]:
        call = read_call(CHAT, body)
        if isinstance(call, Refusal):
            raise TypeError(call.message)
        route = self.gateway.catalog.routes[call.model]
        asked = _Asked(call, route, len(body))
        placement = Placement(self.gateway, cast("Any", asked))
        now = self._clock.now
        choice = placement.pick(route, now)
        if choice is None:
            raise AssertionError("there are always engines")
        return choice.index, Going(self._clock, placement, placement.settle_in(route, choice, now))

    def hear(self, metrics: list[str]) -> None:
        """What each engine's /metrics said just now."""
        loads: dict[int, Load | None] = {}
        for slot, text in enumerate(metrics):
            told = read_signals(text)
            loads[slot] = Load(told.running or 0, told.waiting or 0, told.kv_used, told.kv_tokens, told.adapters)
        self.gateway.catalog.hear(loads, self._clock.now)


class _Asked:
    """As much of `gateway.asked.Asked` as a Placement looks at."""

    def __init__(self, call: Any, route: Route, size: int) -> None:
        self.model = call.model
        self._made = Prompt(call, route.seed, route.learned, b"", size)

    def prompt(self, route: Route) -> Prompt:
        return self._made


class Going:
    """One request under way."""

    def __init__(self, clock: Clock, placement: Placement, stay: Stay[Upstream]) -> None:
        self._clock, self._placement, self._stay = clock, placement, stay

    def first(self) -> None:
        self._stay.first_token(self._clock.now)

    def ended(self, usage: Usage) -> None:
        self._placement.learn(usage, self._stay, self._clock.now)
        self._stay.leave()
