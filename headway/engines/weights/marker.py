"""The note that says that a folder's weights are whole: what was asked for, and each file with its size.

It is written last, in one step. Whoever reads it compares the sizes on disk, so that a volume that lost a file, or that
holds another model, does not count.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

__all__ = ["Asked", "fail", "failure", "is_whole", "mark"]

NAME = ".headway-weights.json"
FAILED = ".headway-weights.failed.json"
"""Why they are not there, for those who wait; gone when the next one tries."""


class Asked(msgspec.Struct, frozen=True):
    """What the folder is to hold. `form`: folder, gguf or bert."""

    source: str
    form: str
    commit: str = ""


class _Failure(msgspec.Struct, frozen=True):
    asked: Asked
    message: str


class _Marker(msgspec.Struct, frozen=True):
    asked: Asked
    files: Mapping[str, int]


def is_whole(folder: Path, asked: Asked) -> bool:
    try:
        marker = msgspec.json.decode((folder / NAME).read_bytes(), type=_Marker)
        return marker.asked == asked and all((folder / name).stat().st_size == n for name, n in marker.files.items())
    except (OSError, msgspec.DecodeError):
        return False


def mark(folder: Path, asked: Asked) -> None:
    """Of all files that lie there now."""
    files = {str(each.relative_to(folder)): each.stat().st_size for each in _files(folder)}
    _write(folder / NAME, _Marker(asked, files))


def fail(folder: Path, asked: Asked, message: str) -> None:
    with suppress(OSError):  # a full disk may be the failure
        _write(folder / FAILED, _Failure(asked, message))


def failure(folder: Path, asked: Asked) -> str:
    """What the last try ended with; empty: there was none, or another is at it."""
    try:
        told = msgspec.json.decode((folder / FAILED).read_bytes(), type=_Failure)
    except (OSError, msgspec.DecodeError):
        return ""
    return told.message if told.asked == asked else ""


def _write(place: Path, what: msgspec.Struct) -> None:
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(what))
    fresh.replace(place)


def _files(folder: Path) -> list[Path]:
    """Hidden ones are locks, and what a fetch is at."""
    inside = (each for each in folder.rglob("*") if each.is_file())
    return [each for each in inside if not any(part.startswith(".") for part in each.relative_to(folder).parts)]
