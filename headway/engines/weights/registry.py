"""oci:// and ollama:// from a registry.

Weights in an image lie in its layers (tar), as ModelCar images have them; artifacts (ORAS, ModelPack) have a file a
layer, named by `org.opencontainers.image.title`; Ollama's library marks the GGUF by its media type.
"""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

from headway.engines.base import Report
from headway.engines.rate import Rate
from headway.engines.weights.distribution import PIECE, Repository
from headway.errors import SourceError
from headway.spec.source import Source

__all__ = ["OLLAMA", "fetch"]

OLLAMA = "HEADWAY_OLLAMA_REGISTRY"
"""Another registry that holds Ollama's library, as host[:port]."""
TITLE = "org.opencontainers.image.title"
MODEL = "application/vnd.ollama.image.model"

_REFERENCE = re.compile(
    r"(?:(?P<host>[^/]*[.:][^/]*|localhost)/)?(?P<name>[^:@]+)"
    r"(?::(?P<tag>\w[\w.-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))?(?:/(?P<path>.+))?",
    re.ASCII,
)


def fetch(source: Source, room: Path, report: Report) -> str:
    """All files of the model into `room`; the name of the GGUF file that the source names, else nothing."""
    match = _REFERENCE.fullmatch(source.path)
    if match is None:
        raise SourceError(f"{source} names no image", hint="write oci://registry/name:tag or ollama://name:tag")
    if source.scheme == "ollama":
        name = match["name"] if "/" in match["name"] else f"library/{match['name']}"
        host = match["host"] or os.environ.get(OLLAMA) or "registry.ollama.ai"
        registry = Repository(source, host, name)
        _ollama(registry, match["tag"] or "latest", room, report)
        return ""
    registry = Repository(source, match["host"] or "registry-1.docker.io", match["name"])
    folder, named = _split(match["path"] or "")
    _layers(registry, match["digest"] or match["tag"] or "latest", folder, room, report)
    return named


def _split(path: str) -> tuple[str, str]:
    """The folder in the image, and the GGUF file in it where one is named."""
    folder, _, last = path.strip("/").rpartition("/")
    return (folder, last) if last.endswith(".gguf") else (path.strip("/"), "")


def _ollama(registry: Repository, tag: str, room: Path, report: Report) -> None:
    layers = [each for each in registry.manifest(tag)["layers"] if each.get("mediaType") == MODEL]
    if len(layers) != 1:
        raise SourceError(f"{registry.source}: {len(layers)} layers are a model, not one", hint="use hf:// instead")
    rate = Rate(report, str(registry.source), int(layers[0]["size"]))
    registry.blob(layers[0], room / "model.gguf", rate)


def _layers(registry: Repository, reference: str, folder: str, room: Path, report: Report) -> None:
    layers = registry.manifest(reference)["layers"]
    rate = Rate(report, str(registry.source), sum(int(each["size"]) for each in layers))
    for layer in layers:
        title = (layer.get("annotations") or {}).get(TITLE, "")
        blob = room / f".blob-{layer['digest'][7:19]}"
        registry.blob(layer, blob, rate)
        rate.next()
        if title and "tar" not in layer.get("mediaType", ""):
            _place(blob, room, title, registry.source)
        else:
            _unpack(blob, room, folder, registry.source)
            blob.unlink()
    if not any(each.is_file() for each in room.rglob("*")):
        where = f" in {folder}" if folder else ""
        raise SourceError(f"{registry.source}: no file lies{where}", hint="write oci://registry/name:tag/folder")


def _place(blob: Path, room: Path, title: str, source: Source) -> None:
    target = room / title.lstrip("/")
    if ".." in Path(title).parts:
        raise SourceError(f"{source}: a file is named {title!r}", hint="such an image is not to be trusted")
    target.parent.mkdir(parents=True, exist_ok=True)
    blob.replace(target)


def _unpack(blob: Path, room: Path, folder: str, source: Source) -> None:
    """Plain files below the folder; links, devices and paths that lead out of it are never made."""
    try:
        with tarfile.open(blob, "r:*") as packed:
            for member in packed:
                name = member.name.removeprefix("./").lstrip("/")
                inside = name.removeprefix(f"{folder}/") if folder else name
                if not member.isfile() or (folder and inside == name) or ".." in Path(inside).parts:
                    continue
                taken = packed.extractfile(member)
                target = room / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    while taken is not None and (piece := taken.read(PIECE)):
                        file.write(piece)
    except tarfile.TarError as error:
        raise SourceError(f"{source}: a layer is no tar file: {error}", hint="oci:// wants an image") from error
