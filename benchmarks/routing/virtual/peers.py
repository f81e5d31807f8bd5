"""`cache_aware` of sglang-router, modelled after its source: one text tree in which each node remembers the worker that
it was made for. vllm-router has no model here: what its published source does is not what 0.1.17 did in real runs.

A prompt is a path of messages here, where the router has characters: messages of unlike keys part at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.routing.schedule import Message
from headway.policy.routing.baselines import AFFINITY, APART, TIMES
from headway.wire.usage import Usage

__all__ = ["CacheAware"]


class _Node:
    __slots__ = ("below", "worker")

    def __init__(self, worker: int) -> None:
        self.below: dict[tuple[str, int], _Node] = {}
        self.worker = worker


class CacheAware:
    """It does not look at the model's name: adapters are all one tree."""

    def __init__(self, engines: int) -> None:
        self._running = [0] * engines
        self._root = _Node(0)

    def hear(self, metrics: list[str]) -> None:
        """It does not look at load that others put there."""

    def picked(self, body: bytes, said: Sequence[Message]) -> tuple[int, _Going]:
        node, matched = self._root, 0
        for message in said:
            found = node.below.get((message.role, message.key))
            if found is None:
                break
            node, matched = found, matched + message.tokens
        most, least = max(self._running), min(self._running)
        even = most - least <= APART or most <= TIMES * least
        if even and matched > AFFINITY * sum(message.tokens for message in said):
            worker = node.worker
        else:
            worker = self._running.index(least)
        node = self._root
        for message in said:
            node = node.below.setdefault((message.role, message.key), _Node(worker))
        self._running[worker] += 1
        return worker, _Going(self._running, worker)


class _Going:
    def __init__(self, running: list[int], worker: int) -> None:
        self._running, self._worker = running, worker

    def first(self) -> None:
        """A first token changes nothing."""

    def ended(self, usage: Usage) -> None:
        self._running[self._worker] -= 1
