"""What routing knows of a request before it is sent anywhere: how long its prompt is, and who may have seen it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest

from headway.policy.prefix import BOUNDS, PrefixIndex, chain
from headway.policy.routing import Ask
from headway.wire.openai import Call, ChatCall, CompletionCall

if TYPE_CHECKING:
    from headway.gateway.learned import Learned

__all__ = ["Prompt", "Sessions", "seed_of"]

SESSION_SHARE = 0.5
"""Of a session's last prompt, so much is taken to be cached where it was sent, when the text does not say more."""


def seed_of(name: str) -> int:
    """Of a model or adapter: nothing is shared between two of them."""
    return xxh3_64_intdigest(name.encode())


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
        if isinstance(call, ChatCall | CompletionCall):
            text = memoryview(call.text)
            self.bytes = len(text)
            if len(tools := memoryview(call.tools)):
                seed = xxh3_64_intdigest(tools, seed)
                self.bytes += len(tools)
            if call.cache_salt:
                seed = xxh3_64_intdigest(call.cache_salt.encode(), seed)
            if len(text) >= BOUNDS[0]:
                self.hashes = chain(seed, text)
            most = call.max_completion_tokens or call.max_tokens
            self.output = min(learned.output, most) if most else learned.output
            session = session or (call.prompt_cache_key or call.user or "").encode()
        self.tokens = self.bytes / learned.bytes_per_token
        self.session = xxh3_64_intdigest(session, seed_of("session")) if session else 0

    def ask(
        self,
        endpoints: Sequence[str],
        slots: Sequence[int],
        index: PrefixIndex,
        sessions: Sessions,
        learned: Learned,
    ) -> Ask:
        """With what each endpoint is taken to have cached of it, in tokens. `slots[i]` is that of `endpoints[i]`."""
        cached = [0.0] * len(endpoints)
        if self.hashes and (found := index.match(self.hashes, slots)):
            for i, blocks in enumerate(found):
                if blocks:
                    cached[i] = BOUNDS[blocks - 1] / learned.bytes_per_token
        if self.session and (last := sessions.get(self.session)):
            endpoint, tokens = last
            for i, each in enumerate(endpoints):
                if each == endpoint:
                    cached[i] = max(cached[i], SESSION_SHARE * min(tokens, self.tokens))
        return Ask(self.tokens, cached, self.output)
