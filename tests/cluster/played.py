"""A Player in a thread of its own, so that nodes go on living whatever the test waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from headway.wire.kube.manifest import Manifest
from tests.cluster.addresses import Addresses
from tests.cluster.behaviour import Behaviour, annotated
from tests.cluster.clients import connect
from tests.cluster.player import Player

__all__ = ["Played"]

T = TypeVar("T")
DEADLINE = 120.0


class Played:
    """`serving`: pods that serve a Model (or that `serves` names) get a mock engine on their address."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.addresses = Addresses()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="player", daemon=True)
        self._thread.start()
        self._player = self._do(_opened(kubeconfig, self.addresses, folder))
        self.reset()

    @property
    def can_serve(self) -> bool:
        return self.addresses.real

    def add(self, *nodes: Manifest) -> None:
        self._do(self._player.add(nodes))

    def remove(self, *names: str) -> None:
        self._do(self._player.remove(names))

    def lose(self, name: str) -> None:
        """The machine hangs."""
        self._do(self._player.lose(name))

    def kill_engine(self, namespace: str, pod: str) -> None:
        """The container starts again, as its kubelet sees to."""
        self._loop.call_soon_threadsafe(self._player.kill_engine, namespace, pod)

    def behave(self, behaves: Callable[[Manifest], Behaviour]) -> None:
        """For pods that come from now on."""
        self._player.world.behaves = behaves

    def serve(self, serves: Callable[[Manifest], bool], *engine_flags: str) -> None:
        """Which pods get a mock engine, and its flags (headway mock-engine --help)."""
        self._player.world.serves, self._player.world.engine_flags = serves, engine_flags

    def reset(self) -> None:
        self.behave(annotated)
        self.serve(lambda _: False)

    def log_of(self, namespace: str, pod: str) -> str:
        path = self._player.log_of(namespace, pod)
        return path.read_text(errors="replace") if path.exists() else ""

    def lives(self) -> int:
        return self._player.lives()

    def close(self) -> None:
        self._do(self._player.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()
        self.addresses.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)


async def _opened(kubeconfig: Path, addresses: Addresses, folder: Path) -> Player:
    player = Player(connect(kubeconfig, manager="kubelet"), addresses, folder)
    await player.open()
    return player
