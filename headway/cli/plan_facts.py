"""What a plan needs to know of a Model's weights: its shape, the engine that serves it, the dtype it is published in.

From the catalogue by the name in its source; from the config.json or GGUF file that is here; never from the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from headway.engines import hub_cache, sources
from headway.errors import SourceError, UsageError
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import architecture
from headway.perf.setting import EngineFamily
from headway.spec.model import Model
from headway.spec.source import Source

__all__ = ["Facts", "facts_of"]

CONFIG = "config.json"
GIVE_CONFIG = "give its config.json: --config FILE"


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
    if model.task == "embedding":
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
        return _of_config(config, source), str(config)
    if source.scheme == "file":
        return _of_file(source)
    name = f"builtin://{source.path}" if source.scheme == "builtin" else source.file or source.path
    try:
        found = architecture(name)
    except UsageError as error:
        if source.scheme == "hf" and (here := _cached(source)) is not None:
            return _of_config(here, source), str(here)
        raise UsageError(error.message, hint=f"{error.hint.partition('? ')[0].rstrip('?')}? Else {GIVE_CONFIG}"
                         if "did you mean" in error.hint else GIVE_CONFIG) from None  # fmt: skip
    return found, f"catalogue ({found.source})" if found.source else "catalogue"


def _cached(source: Source) -> Path | None:
    """Of a repository that was fetched before."""
    commit = hub_cache.commit_of(source.path, source.revision or "main")
    here = hub_cache.snapshot(source.path, commit) / CONFIG
    return here if commit and here.is_file() else None


def _of_file(source: Source) -> tuple[Architecture, str]:
    path = sources.local_path(source)
    if path.is_dir():
        return _of_config(path / CONFIG, source), str(path / CONFIG)
    from headway.engines.gguf_shape import shape_of  # noqa: PLC0415

    return shape_of(path), str(path)


def _of_config(path: Path, source: Source) -> Architecture:
    from headway.perf.catalog.config import from_config  # noqa: PLC0415

    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}", hint="check the path") from None
    except ValueError:
        raise SourceError(f"{path} is no JSON", hint="name the model's config.json") from None
    if not isinstance(data, dict):
        raise SourceError(f"{path} holds no mapping", hint="name the model's config.json")
    return replace(from_config(data, source.path))
