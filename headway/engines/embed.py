"""The engine `embed`: MiniLM-class sentence embedders, without torch.

Safetensors are converted once to a GGUF in the cache (`bert_to_gguf`); llama-server serves it at `/v1/embeddings`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from headway.engines import builtin, child, llama_build, llama_flags, sources, workshop
from headway.engines.base import Capabilities, Prepared, Progress, Report, Settled
from headway.engines.flags import merge, refuse_owned
from headway.engines.llama_server import LlamaServer
from headway.errors import EngineError, SourceError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision

__all__ = ["EmbedEngine"]

CONVERTED = "q8_0.gguf"
CONVERT_WITHIN = 300.0
"""Seconds; MiniLM takes under one."""
LONGEST_INPUT = 512
"""Tokens that a model of this class reads."""


class EmbedEngine(LlamaServer):
    name = "embed"
    capabilities = Capabilities(tasks=("embedding",), schemes=("builtin",))

    def pin(self, model: Model) -> Pinned:
        refuse_owned(model.args, llama_flags.OWNED)
        source = sources.parse(model)
        if source.scheme != "builtin":
            raise sources.refuse(source, self.name, "use builtin://all-minilm-l6-v2")
        known = builtin.find(source.path)
        if known.engine != self.name:
            raise SourceError(f"{model.source} makes no embeddings", hint=f"use engine: {known.engine}")
        return builtin.pin(model.source, known)

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        if model.task not in (None, "embedding"):
            raise SpecError(f"{model.source} makes embeddings and nothing else", hint="leave task out", field="task")
        args, why = dict(merge({}, model.args)), {} if model.task else {"task": "embedding: a sentence embedder"}
        for flag, (value, reason) in llama_flags.defaults("embedding", LONGEST_INPUT).items():
            if flag not in args:
                args[flag] = value
                why[f"args.{flag}"] = f"{value}: {reason}"
        return Settled("embedding", args, why)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        folder = builtin.prepare(builtin.find(revision.source.uri.removeprefix("builtin://")), report)
        weights = _converted(folder, report)
        return Prepared(llama_build.ensure(report), weights)


def _converted(folder: Path, report: Report) -> Path:
    """The GGUF beside the folder that it was made from."""
    target = folder.parent / f"{folder.name}.{CONVERTED}"
    if target.exists():
        return target
    with workshop.only_one(target, report, folder.name):
        if not target.exists():
            _convert(folder, target, report)
    return target


def _convert(folder: Path, target: Path, report: Report) -> None:
    def tick() -> None:
        report(Progress("convert", f"{folder.name} to GGUF"))

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
