"""Weights of any source into a folder: fetched in a room beside it, moved in, and only then marked as whole.

Idempotent: a folder that is whole is left alone, what a killed fetch left is swept, two at once do it once.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from headway.engines import builtin, child, gguf, hub, sources
from headway.engines.base import Progress, Report
from headway.engines.elsewhere import weights_bytes
from headway.engines.hub_cache import Repository
from headway.engines.weights import bucket, marker, registry
from headway.engines.weights.marker import Asked
from headway.engines.weights.wanted import wanted
from headway.engines.workshop import only_one, workplace
from headway.errors import EngineError, HeadwayError, ResourceError, SourceError
from headway.spec.source import Source

__all__ = ["GGUF_NAME", "bring", "wait"]

GGUF_NAME = "model.gguf"
"""Under which llama-server looks where the source names no file (`engines.container.GGUF`)."""
POLL = 2.0
"""Seconds."""


def bring(asked: Asked, to: Path, report: Report) -> bool:
    """False where all of it lay there already. Raises SourceError, UnreachableError, ResourceError; those who wait are
    told the same."""
    if marker.is_whole(to, asked):
        return False
    (to / marker.FAILED).unlink(missing_ok=True)
    try:
        return _bring(asked, to, report)
    except HeadwayError as error:
        marker.fail(to, asked, str(error))
        raise


def _bring(asked: Asked, to: Path, report: Report) -> bool:
    with only_one(to / "weights", report, asked.source):
        if marker.is_whole(to, asked):
            return False
        (to / marker.NAME).unlink(missing_ok=True)
        with workplace(to / "weights", weights_bytes(asked.source)) as room:
            inside = room / "model"
            inside.mkdir()
            file = _fetch(asked, inside, report)
            _form(asked, inside, file, report)
            _move(inside, to)
        marker.mark(to, asked)
    return True


def wait(asked: Asked, at: Path, seconds: float, report: Report, sleep: Callable[[float], None] = time.sleep) -> None:
    """Until somebody else has brought them. Raises SourceError when that failed, ResourceError after so long."""
    ends = time.monotonic() + seconds
    while not marker.is_whole(at, asked):
        if told := marker.failure(at, asked):
            raise SourceError(f"the fetch failed: {told}", hint="it is tried again; mend the source or its secret")
        if time.monotonic() > ends:
            message = f"{asked.source}: not in {at} after {seconds:.0f} s"
            raise ResourceError(
                message, hint="see the Job that fetches it: kubectl logs -l app.kubernetes.io/component=weights"
            )
        report(Progress("download", f"{asked.source}: waiting for who fetches it"))
        sleep(POLL)


def _fetch(asked: Asked, room: Path, report: Report) -> str:
    """Its files into `room`; the GGUF file that the source names."""
    source = Source.parse(asked.source)
    match source.scheme:
        case "builtin":
            return _builtin(source, room, report)
        case "hf":
            return _hub(asked, source, room, report)
        case "s3" | "gs":
            bucket.fetch(source, asked.form, room, report)
            return source.path.rpartition("/")[2] if source.path.endswith(".gguf") else ""
        case "oci" | "ollama":
            return registry.fetch(source, room, report)
    raise SourceError(
        f"{source} is not fetched", hint="pvc:// and file:// lie where the engine runs; openai:// is elsewhere"
    )


def _builtin(source: Source, room: Path, report: Report) -> str:
    known = builtin.find(source.path)
    os.environ["HEADWAY_CACHE_DIR"] = str(room.parent / "cache")
    folder = builtin.prepare(known, report)
    for name in known.files:
        (room / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).replace(room / name)
    return known.weights if known.engine == "llamacpp" else ""


def _hub(asked: Asked, source: Source, room: Path, report: Report) -> str:
    os.environ["HF_HUB_CACHE"] = str(room.parent / "hub")
    address = sources.hub_address(source)
    if asked.commit:
        address = sources.HubAddress(address.repo, asked.commit, address.file)
    found: Repository = hub.look(address, {})
    files = wanted(asked.source, asked.form, found.files, address.file)
    folder = hub.fetch(address.repo, hub.pin(asked.source, address, found, files), {}, report)
    for name in files:
        target = room / (Path(name).name if asked.form == "gguf" else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        _take((folder / name).resolve(), target)
    return Path(files[0]).name if address.file else ""


def _take(blob: Path, target: Path) -> None:
    """Two files of equal content are one blob of the hub's cache."""
    try:
        target.hardlink_to(blob)
    except OSError:  # a file system without links
        shutil.copyfile(blob, target)


def _form(asked: Asked, room: Path, file: str, report: Report) -> None:
    """As the engine wants them, and no more."""
    if asked.form == "bert":
        _convert(asked, room, report)
        return
    there = [str(each.relative_to(room)) for each in sorted(room.rglob("*")) if each.is_file()]
    kept = wanted(asked.source, asked.form, there, file)
    for name in there:
        if name not in kept:
            (room / name).unlink()
    if asked.form == "gguf":
        first = room / kept[0]
        gguf.read(first)  # a page of somebody's proxy is no model
        if not file and first != room / GGUF_NAME:
            first.replace(room / GGUF_NAME)


def _convert(asked: Asked, room: Path, report: Report) -> None:
    made = room / GGUF_NAME
    argv = (sys.executable, "-P", "-m", "headway.engines.bert_to_gguf", str(room), str(made))
    ended = child.run(argv, on_line=lambda _: None, tick=lambda: report(Progress("convert", f"{asked.source} to GGUF")))
    if ended.code != 0:
        said = ended.lines[-1] if ended.lines else f"status {ended.code}"
        if "No module named" in said:
            raise EngineError(f"to convert it: {said}", hint="pip install 'headway[local]'")
        raise SourceError(f"{asked.source} cannot be converted: {said}", hint="engine vllm may serve it")
    for each in sorted(room.rglob("*"), reverse=True):
        if each != made:
            each.unlink() if each.is_file() else each.rmdir()


def _move(room: Path, to: Path) -> None:
    for each in sorted(room.rglob("*")):
        if each.is_file():
            target = to / each.relative_to(room)
            target.parent.mkdir(parents=True, exist_ok=True)
            each.replace(target)
