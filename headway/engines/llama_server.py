"""What the engines on llama-server share: how it is started, what it takes, what it says of itself."""

from __future__ import annotations

from typing import ClassVar

from headway.engines import gguf, gguf_choice, llama_flags
from headway.engines.base import External, Launch, Need, Prepared, Slot
from headway.errors import EngineError
from headway.perf import memory
from headway.spec.revision import Revision

__all__ = ["LlamaServer"]

START_SECONDS = 60.0
SLOW_DISK = 50e6
"""Bytes a second; reading the weights at less than this is not a healthy start."""


class LlamaServer:
    """Base of the engines that run llama-server; each brings the weights in its own way."""

    ready_path = "/health"
    metrics_path: ClassVar[str | None] = "/metrics"

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        if prepared.weights is None:
            raise EngineError(f"{revision.model} has not been prepared", hint="prepare comes before need")
        weights = sum(part.stat().st_size for part in gguf_choice.parts(prepared.weights))
        parts = llama_flags.parts(gguf.read(prepared.weights), weights, revision.args, revision.task)
        return Need(memory.total(parts), START_SECONDS + weights / SLOW_DISK, memory.explain(parts))

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        argv = llama_flags.command(str(prepared.program), str(prepared.weights), revision, slot)
        return Launch(argv, llama_flags.environment(revision.args) | dict(revision.env))

    def external(self, revision: Revision) -> External | None:
        return None
