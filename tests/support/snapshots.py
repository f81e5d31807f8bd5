"""Snapshots for tests of what shows them, and a Stage that shows one after another as a control process does."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from headway.control.snapshot import (
    ControlView,
    DecisionView,
    GatewayView,
    ModelView,
    ReplicaView,
    SiteView,
    Snapshot,
)

__all__ = ["Stage", "a_decision", "a_model", "a_replica", "a_snapshot"]


def a_replica(name: str = "chat-0", **fields: Any) -> ReplicaView:
    defaults: dict[str, Any] = {
        "name": name,
        "revision": "3fa92c81d0",
        "state": "ready",
        "reason": "Ready",
        "message": "answers at 127.0.0.1:40123",
        "next_action": "",
        "address": "127.0.0.1:40123",
        "pid": 4711,
        "threads": 4,
        "gpus": [],
        "memory_bytes": 212_000_000,
        "restarts": 0,
        "since": time.time() - 754,
        "log": f"~/.local/state/headway/logs/{name}.log",
        "derived": {},
        "progress": None,
        "signals": {"running": 0, "waiting": 0, "kv_used": 0.0, "generated_tokens": 0},
    }
    return ReplicaView(**(defaults | fields))


def a_model(name: str = "chat", **fields: Any) -> ModelView:
    replicas = fields.get("replicas", [a_replica(f"{name}-0")])
    defaults: dict[str, Any] = {
        "name": name,
        "state": "ready",
        "reason": "Ready",
        "message": "all replicas answer",
        "next_action": "",
        "task": "chat",
        "engine": "llamacpp",
        "source": "builtin://smollm2-135m-instruct",
        "revision": "3fa92c81d0",
        "address": "http://127.0.0.1:8484/v1",
        "replicas_wanted": len(replicas),
        "replicas_ready": sum(replica.state == "ready" for replica in replicas),
        "since": time.time() - 754,
        "replicas": replicas,
        "derived": {},
    }
    return ModelView(**(defaults | fields))


def a_decision(**fields: Any) -> DecisionView:
    defaults: dict[str, Any] = {
        "at": time.time(),
        "object": "chat",
        "action": "start",
        "reason": "TooFewReplicas",
        "message": "1 of 2 wanted replicas exists",
        "numbers": {"wanted": 2, "have": 1},
        "look_again": None,
    }
    return DecisionView(**(defaults | fields))


def a_snapshot(
    *models: ModelView,
    decisions: list[DecisionView] | None = None,
    gateway: dict[str, Any] | None = None,
    site: dict[str, Any] | None = None,
) -> Snapshot:
    now = time.time()
    of_gateway: dict[str, Any] = {
        "state": "ready",
        "address": "http://127.0.0.1:8484/v1",
        "pid": 4700,
        "message": "",
        "table_version": 3,
        "running": 0,
        "waiting": 0,
        "requests_total": 0,
        "failures_total": 0,
        "tokens_per_second": 0.0,
    }
    of_site: dict[str, Any] = {
        "name": "local",
        "kind": "local",
        "cores": 8,
        "memory_bytes": 16_000_000_000,
        "free_memory_bytes": 9_400_000_000,
        "accelerators": [],
        "notes": [],
    }
    return Snapshot(
        at=now,
        control=ControlView(
            pid=os.getpid(),
            version="0.1.0",
            started_at=now - 800,
            page="http://127.0.0.1:8485",
            state_dir="~/.local/state/headway",
        ),
        gateway=GatewayView(**(of_gateway | (gateway or {}))),
        site=SiteView(**(of_site | (site or {}))),
        models=list(models),
        decisions=decisions or [],
    )


class Stage:
    """The control process as a page sees it: `show` puts up the next Snapshot, `end` closes the streams."""

    def __init__(self, first: Snapshot) -> None:
        self._now = first
        self._ended = False
        self._lock = threading.Lock()
        self._wakes: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def snapshot(self) -> Snapshot:
        return self._now

    @property
    def watchers(self) -> int:
        return len(self._wakes)

    def show(self, snapshot: Snapshot) -> None:
        self._now = snapshot
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            for loop, event in self._wakes:
                loop.call_soon_threadsafe(event.set)

    async def watch(self) -> AsyncIterator[Snapshot]:
        event = asyncio.Event()
        mine = (asyncio.get_running_loop(), event)
        with self._lock:
            self._wakes.append(mine)
        try:
            while not self._ended:
                await event.wait()
                event.clear()
                if not self._ended:
                    yield self._now
        finally:
            with self._lock:
                self._wakes.remove(mine)
