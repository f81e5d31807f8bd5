"""The architecture of whatever the user names: a model of the catalogue, a config.json, or a GGUF file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from headway.engines import gguf
from headway.errors import SourceError, UsageError
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.config import from_config
from headway.perf.catalog.gguf_header import from_header
from headway.perf.catalog.models import architecture

__all__ = ["shape_of"]

CONFIG = "config.json"


def shape_of(text: str) -> Architecture:
    """`text`: a name of the catalogue, or the path of a config.json, of the folder that holds one, or of a GGUF file.

    Raises UsageError for a name that is not known or a config that says too little, SourceError for a file that cannot
    be read.
    """
    path = Path(text.removeprefix("file://")).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        header = gguf.header(path)
        return replace(from_header(header.pairs, header.tensors, path.stem), source=f"the header of {path}")
    if path.is_dir() and (path / CONFIG).is_file():
        path /= CONFIG
    if path.suffix == ".json" and (path.is_file() or "/" in text):
        name = path.parent.resolve().name if path.name == CONFIG else path.stem
        return replace(from_config(_read(path), name), source=str(path))
    return architecture(text)


def _read(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_bytes())
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}", hint="check the path and its permissions") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", hint="give the config.json of a model") from error
    if not isinstance(told, dict):
        raise UsageError(f"{path} holds no JSON object", hint="give the config.json of a model")
    return told
