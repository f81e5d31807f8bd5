"""The engine `embed`: MiniLM-class sentence embedders, without torch.

Safetensors are converted once to a GGUF in the cache (`bert_to_gguf`), which llama-server then serves at `/v1/embeddings`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

from headway.engines import builtin, child, llama_build, workshop
from headway.engines.base import (
    Capabilities,
    External,
    Launch,
    Need,
    Prepared,
    Progress,
    Report,
    Settled,
    Signals,
    Slot,
)
from headway.engines.flags import merge, refuse_owned, to_flags
from headway.engines.llama_signals import read_signals
from headway.errors import EngineError, SourceError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision
from headway.spec.source import Source

__all__ = ["EmbedEngine"]

CONVERTED = "q8_0.gguf"
CONVERT_WITHIN = 300.0
"""Seconds; MiniLM takes under one."""
OVERHEAD_BYTES = 40_000_000
"""What llama-server takes beside the weights for 512 tokens at once: 54 MB resident with MiniLM's 25 MB."""
OWNED = ("host", "port", "model", "alias", "embeddings", "embedding")


class EmbedEngine:
    name = "embed"
    capabilities = Capabilities(tasks=("embedding",), schemes=("builtin",))
    ready_path = "/health"
    metrics_path: ClassVar[str | None] = "/metrics"

    def pin(self, model: Model) -> Pinned:
        refuse_owned(model.args, OWNED)
        source = Source.parse(model.source)
        if source.scheme != "builtin":
            raise SourceError(f"engine embed does not serve {model.source}", hint="use builtin://all-minilm-l6-v2")
        known = builtin.find(source.path)
        if known.engine != self.name:
            raise SourceError(
                f"{source.path} makes no embeddings", hint=f"leave out engine, or write engine: {known.engine}"
            )
        return builtin.pin(model.source, known)

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        if model.task not in (None, "embedding"):
            raise SpecError(f"{model.source} makes embeddings", hint="leave task out", field="task")
        why = {} if model.task else {"task": "embedding: it is a sentence embedder"}
        return Settled("embedding", dict(model.args), why)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        folder = builtin.prepare(builtin.find(Source.parse(revision.source.uri).path), report)
        return Prepared(llama_build.ensure(report), _converted(folder, revision.model, report))

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        weights = prepared.weights.stat().st_size if prepared.weights else 0
        why = f"{weights / 1e6:.0f} MB of weights and {OVERHEAD_BYTES / 1e6:.0f} MB to run them"
        return Need(weights + OVERHEAD_BYTES, start_seconds=60.0, why=why)

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        ours: dict[str, Any] = {
            "model": prepared.weights,
            "alias": revision.model,
            "host": slot.host,
            "port": slot.port,
            "threads": slot.threads,
            "embeddings": True,
            # Every text whole in one batch: 512 tokens is all that these models read.
            "ctx-size": 2048,
            "parallel": 4,
            "batch-size": 512,
            "ubatch-size": 512,
            "metrics": True,
        }
        return Launch((str(prepared.program), *to_flags(merge(ours, revision.args))), dict(revision.env))

    def signals(self, metrics: str) -> Signals:
        return read_signals(metrics)

    def external(self, revision: Revision) -> External | None:
        return None


def _converted(folder: Path, name: str, report: Report) -> Path:
    """The GGUF beside the folder it was made from."""
    target = folder.parent / f"{folder.name}.{CONVERTED}"
    if target.exists():
        return target
    with workshop.only_one(target, report, name):
        if not target.exists():
            _convert(folder, target, name, report)
    return target


def _convert(folder: Path, target: Path, name: str, report: Report) -> None:
    def tick() -> None:
        report(Progress("convert", f"{name} to GGUF"))

    size = (folder / "model.safetensors").stat().st_size
    with workshop.workplace(target, size) as room:
        made = room / CONVERTED
        argv = [sys.executable, "-m", "headway.engines.bert_to_gguf", str(folder), str(made), folder.name]
        ended = child.run(argv, on_line=lambda _: None, tick=tick, deadline=CONVERT_WITHIN)
        if ended.code != 0:
            last = ended.lines[-1] if ended.lines else f"status {ended.code}"
            if "No space left" in last:
                raise workshop.disk_full(target.parent, size)
            raise EngineError(f"{folder.name} cannot be converted to GGUF: {last.removeprefix('error: ')}")
        workshop.publish(made, target)
