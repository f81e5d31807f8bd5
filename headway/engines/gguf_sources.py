"""Where a GGUF model comes from: built in, a file of the user's, the hub. Pin it, know it, bring it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway.engines import builtin, gguf, gguf_choice, hub, hub_cache, sources, stamps
from headway.engines.base import Progress, Report
from headway.errors import SourceError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision, Task
from headway.spec.source import Source

__all__ = ["Known", "bring", "know", "pin"]

ENGINE = "llamacpp"
INSTEAD = "use builtin://, file:// or hf://"


@dataclass(frozen=True, slots=True)
class Known:
    """What can be said of a model before it is here. None and 0 = not known."""

    context: int = 0
    chat_template: bool | None = None
    task: Task | None = None
    advice: Mapping[str, Any] = field(default_factory=dict)  # flags it answers best with


def pin(model: Model, source: Source) -> Pinned:
    match source.scheme:
        case "builtin":
            known = builtin.find(source.path)
            if known.engine != ENGINE:
                raise SourceError(f"{model.source} is not a GGUF model", hint=f"use engine: {known.engine}")
            return builtin.pin(model.source, known)
        case "file":
            return _pin_file(model.source, sources.local_path(source))
        case "hf":
            address = sources.hub_address(source)
            found = hub.look(address, model.env)
            files = gguf_choice.choose(address.repo, found.files, address.file)
            return hub.pin(model.source, address, found, files)
    raise sources.refuse(source, ENGINE, INSTEAD)


def know(source: Source, pinned: Pinned) -> Known:
    """From the catalogue, else the file's header when it is here, else what the hub said when it was asked."""
    if source.scheme == "builtin":
        model = builtin.find(source.path)
        return Known(model.context, model.task == "chat", model.task, model.args)
    if source.scheme == "file":
        return _from_header(sources.local_path(source))
    repo = sources.hub_address(source).repo
    here = hub_cache.snapshot(repo, pinned.commit) / pinned.files[0]
    if here.exists():
        return _from_header(here)
    said = hub.remembered(repo, pinned.commit)
    return Known(said.context, said.chat_template) if said else Known()


def bring(revision: Revision, report: Report) -> Path:
    """The file (of a split model the first one), on this machine and verified."""
    pinned, source = revision.source, Source.parse(revision.source.uri)
    match source.scheme:
        case "builtin":
            known = builtin.find(source.path)
            return builtin.prepare(known, report) / known.weights
        case "file":
            path = sources.local_path(source)
            if _digest([path.with_name(name) for name in pinned.files], report) != pinned.digest:
                raise SourceError(f"{pinned.uri} has changed since it was pinned", hint="apply it again: headway up")
            return path.with_name(pinned.files[0])
        case "hf":
            folder = hub.fetch(sources.hub_address(source).repo, pinned, revision.env, report)
            gguf.read(folder / pinned.files[0])
            return folder / pinned.files[0]
    raise sources.refuse(source, ENGINE, INSTEAD)


def _pin_file(uri: str, path: Path) -> Pinned:
    if path.is_dir():
        raise SourceError(f"{uri} is a folder", hint="name the .gguf file in it; engine vllm serves folders")
    try:
        names = gguf_choice.choose("", [each.name for each in path.parent.iterdir()], path.name)
        files = [path.with_name(name) for name in names]
    except SourceError:
        files = [path]  # a GGUF file by any other name
    for file in files:
        gguf.read(file)
    size = sum(file.stat().st_size for file in files)
    return Pinned(uri, _digest(files, _unheard), files=tuple(file.name for file in files), size_bytes=size)


def _digest(files: list[Path], report: Report) -> str:
    try:
        return hub.combined_digest({file.name: stamps.digest(file, report).partition(":")[2] for file in files})
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}", hint="check the path and its permissions") from error


def _from_header(path: Path) -> Known:
    facts = gguf.read(path)
    return Known(facts.context, facts.chat_template, "embedding" if facts.embeds else None)


def _unheard(_: Progress) -> None:
    """Pinning has nobody to report to."""
