"""What is known of a file, for as long as the file has not changed: its digest, its header's facts.

Hashing a model takes seconds and a start may not. A stamp holds size, modification time and inode beside what
was found; when one of the three differs, the stamp counts for nothing. Stamps lie in the cache, one small
JSON file per path.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from headway.engines.base import Progress, Report
from headway.paths import cache_dir

__all__ = ["digest", "recall", "remember"]

_BLOCK = 4 << 20
_REPORT_EVERY = 0.25


def digest(path: Path, report: Report) -> str:
    """`sha256:…` of the file, from its stamp when it has one. Raises OSError."""
    if known := recall(path, "sha256"):
        return f"sha256:{known}"
    total = path.stat().st_size
    found, done, told = hashlib.sha256(), 0, 0.0
    started = time.monotonic()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
            done += len(block)
            if (now := time.monotonic()) - told > _REPORT_EVERY:
                told, eta = now, (now - started) / done * (total - done)
                report(Progress("verify", path.name, done, total, "bytes", eta))
    remember(path, "sha256", found.hexdigest())
    return f"sha256:{found.hexdigest()}"


def recall(path: Path, key: str) -> Any:
    """What was remembered under `key`; None when there is nothing or the file is another one by now."""
    try:
        stamp = msgspec.json.decode(_place(path).read_bytes())
        return stamp.get(key) if stamp.get("file") == _identity(path) else None
    except (OSError, msgspec.DecodeError, AttributeError):
        return None


def remember(path: Path, key: str, value: Any) -> None:
    place, identity = _place(path), _identity(path)
    stamp: dict[str, Any] = {"file": identity, "path": str(path)}
    with suppress(OSError, msgspec.DecodeError, AttributeError):
        before = msgspec.json.decode(place.read_bytes())
        stamp = before if before.get("file") == identity else stamp
    stamp[key] = value
    fresh = place.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # a stamp saves time and nothing else: on a full disk there is none
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.encode(stamp))
        fresh.replace(place)


def _identity(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _place(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:24]
    return cache_dir() / "stamps" / f"{name}.json"
