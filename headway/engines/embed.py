"""The engine `embed`: sentence embedders of the MiniLM class (BERT, safetensors) served by llama-server,
without torch.

Sources: builtin://all-minilm-l6-v2, file:///folder, hf://org/name[@revision]. At first use the weights are
converted to GGUF in the cache. An input may be as long as the model has positions (512 tokens for MiniLM); it
is never cut short: a longer one is answered with an error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

from headway.engines import (
    bert_to_gguf,
    builtin,
    child,
    elsewhere,
    gguf,
    hub,
    llama_build,
    llama_flags,
    sources,
    stamps,
    workshop,
)
from headway.engines.base import Capabilities, Prepared, Progress, Report, Settled
from headway.engines.flags import merge, refuse_owned
from headway.engines.llama_server import LlamaServer
from headway.errors import EngineError, SourceError, SpecError
from headway.paths import cache_dir
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision
from headway.spec.source import Source

__all__ = ["ARCHITECTURES", "Embed"]

ARCHITECTURES = ("BertModel", "BertForMaskedLM")
CONVERTER = 1
"""Counts up when the conversion changes: what an older one made is then not used."""

POSITIONS = 512
"""Of BERT, where nothing else is known before the model is here."""


class Embed(LlamaServer):
    name = "embed"
    capabilities = Capabilities(("embedding",), ("builtin", "file", "hf"))
    form: ClassVar[Literal["gguf", "bert"]] = "bert"

    def pin(self, model: Model) -> Pinned:
        source = sources.parse(model)
        refuse_owned(model.args, llama_flags.OWNED)
        match source.scheme:
            case "builtin":
                known = builtin.find(source.path)
                if known.engine != self.name:
                    raise SourceError(f"{model.source} does not embed", hint=f"use engine: {known.engine}")
                return builtin.pin(model.source, known)
            case "file":
                return _pin_folder(model.source, sources.local_path(source))
            case "hf":
                return _pin_hub(model, sources.hub_address(source))
        raise sources.refuse(source, self.name, "use builtin://, file:// or hf://")

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        return _settled(model, _positions(model))

    def elsewhere(self, model: Model) -> tuple[Pinned, Settled]:
        refuse_owned(model.args, llama_flags.OWNED)
        source = elsewhere.source_of(model)
        if source.scheme not in (*self.capabilities.schemes, "s3", "gs", "pvc"):
            raise elsewhere.refuse(source, self.name, "hf://, s3://, gs://, pvc:// or builtin://")
        context = builtin.find(source.path).context if source.scheme == "builtin" else POSITIONS
        return elsewhere.pin(model), _settled(model, context)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        llama_build.foresee()
        name = (revision.source.digest.removeprefix("sha256:") or revision.source.commit)[:16]
        converted = cache_dir() / "converted" / f"{name}-{CONVERTER}.gguf"
        if not _is_good(converted):
            _convert(_bring(revision, report), converted, revision, report)
        return Prepared(llama_build.ensure(report), converted)


def _settled(model: Model, positions: int) -> Settled:
    if model.task not in (None, "embedding"):
        raise SpecError(f"{model.source} is an embedder: it does no {model.task}", field="task")
    given = merge({}, model.args)
    derived = {} if model.task else {"task": "embedding: all that an embedder does"}
    for key, (value, reason) in llama_flags.defaults("embedding", positions, given).items():
        if key not in given:
            given[key] = value
            derived[f"args.{key}"] = f"{value}: {reason}"
    return Settled("embedding", given, derived)


def _positions(model: Model) -> int:
    source = sources.parse(model)
    if source.scheme == "file":
        return int(_config(sources.local_path(source)).get("max_position_embeddings", POSITIONS))
    return builtin.find(source.path).context if source.scheme == "builtin" else POSITIONS


def _pin_folder(uri: str, folder: Path) -> Pinned:
    files = [name for name in (*bert_to_gguf.needed, *bert_to_gguf.optional) if (folder / name).is_file()]
    if missing := [name for name in bert_to_gguf.needed if name not in files]:
        raise SourceError(f"{uri} has no {missing[0]}", hint="engine embed wants a folder as the hub has it")
    if problem := bert_to_gguf.check(_config(folder), _config(folder, "tokenizer_config.json")):
        raise SourceError(f"{uri}: {problem}", hint="engine embed serves MiniLM-class models; vllm serves others")
    digest = stamps.digest(folder / "model.safetensors", _unheard)
    size = sum((folder / name).stat().st_size for name in files)
    return Pinned(uri, digest, files=tuple(files), size_bytes=size)


def _pin_hub(model: Model, address: sources.HubAddress) -> Pinned:
    found = hub.look(address, model.env)
    if found.architecture and found.architecture not in ARCHITECTURES:
        raise SourceError(f"{model.source} is a {found.architecture}", hint="engine embed serves BertModel")
    if missing := [name for name in bert_to_gguf.needed if name not in found.files]:
        raise SourceError(f"{model.source} has no {missing[0]}", hint="engine embed serves MiniLM-class models")
    files = (*bert_to_gguf.needed, *(name for name in bert_to_gguf.optional if name in found.files))
    return hub.pin(model.source, address, found, files)


def _bring(revision: Revision, report: Report) -> Path:
    """The folder with the model as it was published."""
    pinned, source = revision.source, Source.parse(revision.source.uri)
    if source.scheme == "builtin":
        return builtin.prepare(builtin.find(source.path), report)
    if source.scheme == "hf":
        return hub.fetch(sources.hub_address(source).repo, pinned, revision.env, report)
    folder = sources.local_path(source)
    if stamps.digest(folder / "model.safetensors", report) != pinned.digest:
        raise SourceError(f"{pinned.uri} has changed since it was pinned", hint="apply it again: headway up")
    return folder


def _convert(folder: Path, target: Path, revision: Revision, report: Report) -> None:
    def tell() -> None:
        report(Progress("convert", f"{revision.model} to GGUF"))

    tell()
    with workshop.only_one(target, report, revision.model):
        if _is_good(target):
            return
        with workshop.workplace(target, revision.source.size_bytes) as room:
            argv = (sys.executable, "-P", "-m", "headway.engines.bert_to_gguf", str(folder), str(room / "made.gguf"))
            ended = child.run(argv, on_line=lambda _: None, tick=tell)
            if ended.code != 0:
                said = ended.lines[-1] if ended.lines else f"status {ended.code}"
                if "No space left" in said:
                    raise workshop.disk_full(target.parent, revision.source.size_bytes)
                if "No module named" in said:
                    raise EngineError(f"to convert it: {said}", hint="pip install 'headway[local]'")
                raise SourceError(f"{revision.source.uri} cannot be converted: {said}", hint="engine vllm may serve it")
            gguf.read(room / "made.gguf")
            workshop.publish(room / "made.gguf", target)


def _is_good(converted: Path) -> bool:
    """There and whole; else it is made again."""
    try:
        return converted.is_file() and gguf.read(converted).embeds
    except SourceError:
        return False


def _config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    try:
        return dict(json.loads((folder / name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SourceError(f"{folder / name} cannot be read: {error}", hint="fetch the model again") from error


def _unheard(_: Progress) -> None:
    """Pinning has nobody to report to."""
