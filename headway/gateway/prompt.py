"""What routing knows of a request before it is sent anywhere: how long its prompt is, and who may have seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest

from headway.policy.prefix import BOUNDARIES, PrefixIndex, chain
from headway.policy.routing import Ask
from headway.wire.calls import Call, TextCall

if TYPE_CHECKING:
    from headway.gateway.catalog import Route
    from headway.gateway.learned import Learned

__all__ = ["Prompt", "Sessions", "point_of", "seed_of"]


def seed_of(name: str) -> int:
    """Of a model or adapter: nothing is shared between two of them."""
    return xxh3_64_intdigest(name.encode())


def point_of(identity: bytes, seed: int) -> float:
    """In [0, 1), the same for the same identity each time and everywhere."""
    return xxh3_64_intdigest(identity, seed) / 2**64


class Sessions:
    """Where a session's last request went and how many tokens it had. Bounded by `capacity`, in two generations."""

    def __init__(self, capacity: int) -> None:
        self._half = capacity // 2
        self._young: dict[int, tuple[str, float]] = {}
        self._old: dict[int, tuple[str, float]] = {}

    def get(self, key: int) -> tuple[str, float] | None:
        return self._young.get(key) or self._old.get(key)

    def put(self, key: int, endpoint: str, tokens: float) -> None:
        self._young[key] = (endpoint, tokens)
        if len(self._young) > self._half:
            self._old, self._young = self._young, {}


class Prompt:
    """`tokens` is an estimate by what the model's answers said of earlier prompts. `hashes`: see policy.prefix."""

    __slots__ = ("bytes", "hashes", "output", "session", "tokens")

    def __init__(self, call: Call, seed: int, learned: Learned, session: bytes, size: int) -> None:
        self.hashes: list[int] = []
        self.bytes, self.output = size, 0.0
        if isinstance(call, TextCall):
            text = memoryview(call.text)
            self.bytes = len(text)
            if len(tools := memoryview(call.tools)):
                seed = xxh3_64_intdigest(tools, seed)
                self.bytes += len(tools)
            if call.cache_salt:
                seed = xxh3_64_intdigest(call.cache_salt.encode(), seed)
            if len(text) >= BOUNDARIES[1]:
                self.hashes = chain(seed, text)
            most = call.max_completion_tokens or call.max_tokens
            self.output = learned.sizes.output(most)
            session = session or (call.prompt_cache_key or call.user or "").encode()
        self.tokens = self.bytes / learned.sizes.token_bytes
        self.session = xxh3_64_intdigest(session, seed_of("session")) if session else 0

    def ask(self, route: Route, index: PrefixIndex, sessions: Sessions, turn: int) -> Ask:
        """With what each endpoint is believed to have cached of it. `turn` counts requests."""
        unit = 1.0 / route.learned.sizes.token_bytes
        matched = index.match(self.hashes, route.slots, unit)
        ask = Ask(self.tokens, matched, self.output, route.model.adapter, turn=turn)
        if self.session and (last := sessions.get(self.session)):
            endpoint, tokens = last
            if endpoint in route.ids:
                ask.session, ask.session_tokens = route.slots[route.ids.index(endpoint)], min(tokens, self.tokens)
        return ask
