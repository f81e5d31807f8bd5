"""Which engine serves a Model that names none: by what its source holds."""

from __future__ import annotations

import json
from pathlib import Path

from headway.engines import builtin, embed, gguf, hub, sources
from headway.errors import SourceError
from headway.spec.model import EngineName, Model
from headway.spec.source import Source

__all__ = ["choose"]

NO_VLLM = "install vLLM (or name it in HEADWAY_VLLM), or use a GGUF of this model"


def choose(model: Model) -> tuple[EngineName, str]:
    """The engine and why. Raises SourceError in one line when there is none."""
    source = sources.parse(model)
    match source.scheme:
        case "builtin" if source.path == "mock":
            return "mock", "builtin://mock is the mock engine"
        case "builtin":
            known = builtin.find(source.path)
            return known.engine, f"{known.name} is {'an embeddings' if known.task == 'embedding' else 'a GGUF'} model"
        case "openai":
            return "openai", "somebody else serves it"
        case "file":
            return _of_path(model, source)
        case "hf":
            return _of_repository(model, source)
    raise SourceError(f"no engine serves {model.source}", hint="use builtin://, file://, hf:// or openai://")


def _of_path(model: Model, source: Source) -> tuple[EngineName, str]:
    path = sources.local_path(source)
    if path.is_file():
        gguf.read(path)
        return "llamacpp", "it is a GGUF file"
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        architecture = next(iter(config.get("architectures") or ()), "")
    except (OSError, ValueError, AttributeError) as error:
        raise SourceError(f"{model.source} is a folder without a config.json", hint="name a .gguf file") from error
    names = [str(file.relative_to(path)) for file in path.glob("*.safetensors")]
    return _of_weights(model, names, architecture, where=str(path))


def _of_repository(model: Model, source: Source) -> tuple[EngineName, str]:
    address = sources.hub_address(source)
    if address.file.endswith(".gguf"):
        return "llamacpp", "it is a GGUF file"
    found = hub.look(address, model.env)
    if any(name.endswith(".gguf") for name in found.files):
        return "llamacpp", "the repository has GGUF files"
    return _of_weights(model, list(found.files), found.architecture, where=address.repo)


def _of_weights(model: Model, files: list[str], architecture: str, *, where: str) -> tuple[EngineName, str]:
    if not any(Path(name).suffix == ".safetensors" for name in files):
        raise SourceError(
            f"{where} has neither GGUF nor safetensors files", hint="other formats can run code when they are read"
        )
    if architecture in embed.ARCHITECTURES and model.task in (None, "embedding"):
        return "embed", f"{architecture} is an embedder of the MiniLM class"
    from headway.engines import vllm  # noqa: PLC0415 - only when it comes to that

    if vllm.find() is None:
        raise SourceError(f"{where} has safetensors files only, and there is no vLLM here", hint=NO_VLLM)
    return "vllm", "the repository has safetensors files, and vLLM is here"
