"""What a mock engine says of itself and lets be changed: models, adapters, sleep, metrics, the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from headway import __version__
from headway.engines import mock_pooling as pooling
from headway.engines.mock_core import Core
from headway.engines.mock_http import Exchange
from headway.engines.mock_lora import LoraSlots
from headway.engines.mock_metrics import exposition
from headway.engines.mock_text import BadRequest

__all__ = ["Admin", "Route"]

Route = Callable[[Exchange], None]
PLAIN = "text/plain; charset=utf-8"


@dataclass(slots=True, eq=False)
class Admin:
    """`adapters` is what is served beside the base model `alias`, in the order of loading."""

    alias: str
    longest: int
    adapters: dict[str, None]
    core: Core
    slots: LoraSlots
    sleeping: bool = False

    def routes(self) -> Mapping[tuple[str, str], Route]:
        return {
            ("GET", "/health"): lambda to: to.json({"status": "ok"}),
            ("GET", "/ping"): lambda to: to.json({"status": "ok"}),
            ("GET", "/version"): lambda to: to.json({"version": f"{__version__}+mock"}),
            ("GET", "/v1/models"): self._models,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/mock/totals"): self._totals,
            ("GET", "/is_sleeping"): lambda to: to.json({"is_sleeping": self.sleeping}),
            ("POST", "/sleep"): self._sleep,
            ("POST", "/wake_up"): self._wake,
            ("POST", "/reset_prefix_cache"): self._reset,
            ("POST", "/v1/load_lora_adapter"): self._load,
            ("POST", "/v1/unload_lora_adapter"): self._unload,
            ("POST", "/tokenize"): lambda to: to.json(pooling.tokenized(to.decoded(), self.longest)),
            ("POST", "/detokenize"): lambda to: to.json(pooling.detokenized(to.decoded())),
        }

    def _models(self, exchange: Exchange) -> None:
        base, created = self.alias, int(time.time())
        common = {"object": "model", "created": created, "owned_by": "mock"}
        cards: list[dict[str, Any]] = [
            {"id": base, **common, "root": base, "parent": None, "max_model_len": self.longest}
        ]
        cards += [{"id": name, **common, "root": name, "parent": base} for name in self.adapters]
        exchange.json({"object": "list", "data": cards})

    def _load(self, exchange: Exchange) -> None:
        body = exchange.decoded()
        name, path = (body.get(field) if isinstance(body, dict) else None for field in ("lora_name", "lora_path"))
        if not name or not path or not isinstance(name, str):
            raise BadRequest("Both 'lora_name' and 'lora_path' must be provided.")
        if name in self.adapters or name == self.alias:
            raise BadRequest(f"The lora adapter '{name}' has already been loaded.")
        self.adapters[name] = None
        exchange.send(200, "text/plain; charset=utf-8", f"Success: LoRA adapter '{name}' added successfully.".encode())

    def _unload(self, exchange: Exchange) -> None:
        body = exchange.decoded()
        name = body.get("lora_name") if isinstance(body, dict) else None
        if not name:
            raise BadRequest("'lora_name' needs to be provided to unload a LoRA adapter.")
        if name not in self.adapters:
            exchange.error(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
            return
        del self.adapters[name]
        self.slots.drop(name)
        done = f"Success: LoRA adapter '{name}' removed successfully."
        exchange.send(200, "text/plain; charset=utf-8", done.encode())

    def _sleep(self, exchange: Exchange) -> None:
        level = parse_qs(exchange.query).get("level", ["1"])[0]
        if level not in ("0", "1", "2"):
            raise BadRequest(f"level: found {level!r}, use 1 or 2")
        self.sleeping = True
        self.core.scheduler.cache.clear()
        exchange.send(200, "text/plain", b"")

    def _wake(self, exchange: Exchange) -> None:
        self.sleeping = False
        exchange.send(200, "text/plain", b"")

    def _reset(self, exchange: Exchange) -> None:
        self.core.scheduler.cache.clear()
        exchange.send(200, "text/plain", b"")

    def _metrics(self, exchange: Exchange) -> None:
        text = exposition(self.core.counts, self.core.scheduler, self.slots, self.alias)
        exchange.send(200, "text/plain; version=0.0.4; charset=utf-8", text.encode())

    def _totals(self, exchange: Exchange) -> None:
        under_way = {"running": self.core.scheduler.running, "waiting": self.core.scheduler.waiting}
        late = round(self.core.late_seconds, 3)
        exchange.json({**self.core.counts.totals(), "under_way": under_way, "late_seconds": late})
