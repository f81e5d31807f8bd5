"""What can be said of a Model with nothing looked up: for a cluster, whose pods fetch the weights themselves.

From what is written and Headway's own catalogue alone, so that the same file gives the same Revision on every machine.
A branch of a hub stays a branch here; a commit that is written is pinned.
"""

from __future__ import annotations

import re

from headway.engines import builtin
from headway.engines.container import GGUF, WEIGHTS
from headway.errors import SourceError, SpecError, UsageError
from headway.perf.catalog.models import architecture, quantised_as
from headway.perf.catalog.parameters import weight_bytes
from headway.spec.model import EngineName, Model
from headway.spec.revision import Pinned, Task
from headway.spec.source import Source

__all__ = ["engine_of", "gguf_path", "pin", "refuse", "source_of", "task_of", "weights_bytes"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_EMBEDS = re.compile(r"embed|(^|[-_/])(bge|e5|gte|minilm|mpnet|sentence)([-_]|$)", re.IGNORECASE)


def source_of(model: Model) -> Source:
    """Raises SpecError for the field `source`."""
    try:
        return Source.parse(model.source)
    except ValueError as error:
        raise SpecError(str(error), field="source") from error


def pin(model: Model) -> Pinned:
    """So far as the text of the source fixes it."""
    source = source_of(model)
    if source.scheme == "builtin" and source.path != "mock":
        return builtin.pin(model.source, builtin.find(source.path))
    commit = source.revision if _COMMIT.fullmatch(source.revision) else ""
    return Pinned(uri=model.source, commit=commit)


def engine_of(model: Model) -> tuple[EngineName, str]:
    """The engine for a Model that names none, and why."""
    source = source_of(model)
    if source.scheme == "builtin":
        if source.path == "mock":
            return "mock", "builtin://mock is the mock engine"
        known = builtin.find(source.path)
        return known.engine, f"{known.name} is {'an embeddings' if known.task == 'embedding' else 'a GGUF'} model"
    if source.scheme == "openai":
        return "openai", "somebody else serves it"
    if _is_gguf(source):
        return "llamacpp", "Ollama's library holds GGUF files" if source.scheme == "ollama" else "its name says GGUF"
    if model.gpu == "cpu" and _does_embed(model, source):
        return "embed", "an embedder on cores: llama-server is lighter there"
    return "vllm", "safetensors, and nothing says another"


def task_of(model: Model) -> tuple[Task, str]:
    """The task, and why; empty: as written."""
    if model.task:
        return model.task, ""
    source = source_of(model)
    if source.scheme == "builtin" and source.path != "mock":
        task = builtin.find(source.path).task
        return task, f"{task}: what {source.path} is for"
    if _EMBEDS.search(source.file or source.path):
        return "embedding", "embedding: its name says so; write task: if it is not"
    return "chat", "chat: what most models are for; write task: if it is not"


def _does_embed(model: Model, source: Source) -> bool:
    return model.task == "embedding" or (model.task is None and bool(_EMBEDS.search(source.path)))


def gguf_path(source: Source) -> str:
    """Where llama-server finds its file: by the source's own name where that says one."""
    if source.scheme == "builtin":
        return f"{WEIGHTS}/{builtin.find(source.path).weights}"
    if source.scheme == "file":
        return source.path
    path = source.file or source.path
    return f"{WEIGHTS}/{path.rpartition('/')[2]}" if path.endswith(".gguf") else GGUF


def refuse(source: Source, engine: str, able: str) -> SourceError:
    return SourceError(f"{source}: engine {engine} does not serve {source.scheme}:// sources", hint=f"use {able}")


def weights_bytes(uri: str) -> int:
    """Of all files together, so far as the catalogue knows the model by its name; 0 = it does not."""
    source = Source.parse(uri)
    if source.scheme == "builtin" and source.path != "mock":
        return builtin.find(source.path).size
    if source.scheme in ("openai", "builtin"):
        return 0
    for name in filter(None, (source.file, source.path)):
        try:
            found = architecture(name)
        except UsageError:
            continue
        dtype = quantised_as(source.file or source.path) or ("q4_k_m" if _is_gguf(source) else "")
        return int(weight_bytes(found, dtype))
    return 0


def _is_gguf(source: Source) -> bool:
    """Of several files Q4_K_M is taken (`gguf_choice`)."""
    return source.scheme == "ollama" or "gguf" in re.split(r"[-_/.]", f"{source.path}/{source.file}".casefold())
