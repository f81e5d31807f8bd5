"""What a `source` may be for an engine, and one clear line when it may not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headway.errors import SourceError, SpecError
from headway.spec.model import Model
from headway.spec.source import Source

__all__ = ["HubAddress", "hub_address", "local_path", "parse", "refuse"]

CLUSTER_ONLY = ("s3", "gs", "pvc", "oci", "ollama")
INSTEAD = "use hf://, file:// or builtin://"


@dataclass(frozen=True, slots=True)
class HubAddress:
    repo: str  # org/name
    revision: str  # as written, or main
    file: str = ""


def parse(model: Model) -> Source:
    """Raises SpecError for the field `source`, SourceError for a scheme that works on Kubernetes Sites alone."""
    try:
        source = Source.parse(model.source)
    except ValueError as error:
        raise SpecError(str(error), field="source") from error
    if source.scheme in CLUSTER_ONLY:
        raise SourceError(
            f"{model.source}: {source.scheme}:// sources work on Kubernetes sites, not on local", hint=INSTEAD
        )
    return source


def refuse(source: Source, engine: str, hint: str) -> SourceError:
    return SourceError(f"{source}: engine {engine} does not serve {source.scheme}:// sources", hint=hint)


def hub_address(source: Source) -> HubAddress:
    return HubAddress(source.path, source.revision or "main", source.file)


def local_path(source: Source) -> Path:
    """The absolute path of a file:// source. Raises SourceError when it is relative or not there."""
    path = Path(source.path)
    if source.is_relative:
        raise SourceError(f"{source}: the path is relative", hint="write file:///absolute/path")
    if not path.exists():
        raise SourceError(f"{source}: no such file", hint="check the path; it is read on the machine that serves")
    return path
