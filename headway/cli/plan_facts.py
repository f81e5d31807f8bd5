"""What a plan needs to know of a Model's weights: its shape, the engine that serves it, the dtype it is published in.

From the catalogue by the name in its source; from the config.json or GGUF file that is here; never from the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headway.engines import builtin, hub_cache, sources
from headway.engines.shape import shape_of
from headway.errors import SourceError, UsageError
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import architecture
from headway.perf.setting import EngineFamily
from headway.spec.model import Model
from headway.spec.source import Source

__all__ = ["Facts", "facts_of"]

CONFIG = "config.json"
GIVE_CONFIG = "give its config.json (--config FILE)"


@dataclass(frozen=True, slots=True)
class Facts:
    """`name`: as the source says it; `native`: the dtype of the weights as published; `read_from`: for people."""

    name: str
    architecture: Architecture
    engine: EngineFamily
    native: str
    read_from: str


def facts_of(model: Model, config: Path | None = None) -> Facts:
    """Raises SourceError or UsageError where its shape is not to be known, or where nothing is served here."""
    source = sources.parse(model)
    if model.engine in ("openai", "mock", "embed") or source.scheme == "openai" or source.path == "mock":
        raise SourceError(
            f"{model.name}: {model.source} takes no GPU", hint="a plan is for models that are served here"
        )
    is_embedder = source.scheme == "builtin" and builtin.find(source.path).task == "embedding"
    if model.task == "embedding" or is_embedder:
        raise SourceError(f"{model.name} is an embedder", hint="a plan reckons with models that write answers")
    found, where = _shape(source, config)
    engine: EngineFamily = "llamacpp" if _is_gguf(model, source) else "vllm"
    name = source.file or source.path
    return Facts(name, found, engine, found.native, where)


def _is_gguf(model: Model, source: Source) -> bool:
    named = (source.file or source.path).casefold()
    return model.engine == "llamacpp" or source.scheme == "builtin" or named.endswith((".gguf", "-gguf"))


def _shape(source: Source, config: Path | None) -> tuple[Architecture, str]:
    if config is not None:
        return shape_of(str((config if config.suffix == ".json" else config / CONFIG).absolute())), str(config)
    if source.scheme == "file":
        path = sources.local_path(source)
        return shape_of(str(path)), str(path)
    name = f"builtin://{source.path}" if source.scheme == "builtin" else source.file or source.path
    try:
        found = architecture(name)
    except UsageError as error:
        if source.scheme == "hf" and (here := _cached(source)) is not None:
            return shape_of(str(here)), str(here)
        raise UsageError(error.message, hint=error.hint.replace("give its config.json", GIVE_CONFIG)) from None
    return found, f"catalogue ({found.source})" if found.source else "catalogue"


def _cached(source: Source) -> Path | None:
    """Of a repository that was fetched before."""
    commit = hub_cache.commit_of(source.path, source.revision or "main")
    here = hub_cache.snapshot(source.path, commit) / CONFIG
    return here if commit and here.is_file() else None
