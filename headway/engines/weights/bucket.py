"""s3:// and gs:// by obstore (Rust's object_store), with the credentials that a pod of such a cloud usually has:
environment variables, a mounted key, or the service account's own identity."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headway.engines.base import Report
from headway.engines.rate import Rate
from headway.engines.weights.wanted import wanted
from headway.errors import EngineError, SourceError
from headway.spec.source import Source

__all__ = ["fetch"]

EXTRA = "pip install 'headway[weights]'"
PIECE = 8 << 20
"""Bytes that are written at a time."""


def fetch(source: Source, form: str, room: Path, report: Report) -> None:
    """Raises SourceError for a bucket or key that is not there, or may not be read."""
    bucket, _, key = source.path.partition("/")
    named = key.rpartition("/")[2] if key.endswith(".gguf") else ""
    prefix = key.removesuffix(named).strip("/")
    store = _store(source, bucket)
    sizes = _list(store, source, prefix)
    files = wanted(str(source), form, sizes, named)
    rate = Rate(report, str(source), sum(sizes[name] for name in files))
    for name in files:
        _download(store, source, f"{prefix}/{name}" if prefix else name, room / name, rate)
        rate.next()


def _store(source: Source, bucket: str) -> Any:
    try:
        from obstore.store import GCSStore, S3Store  # noqa: PLC0415 - only where a bucket is read
    except ImportError as error:
        raise EngineError(f"{source}: the client of object stores is missing", hint=EXTRA) from error
    return S3Store(bucket) if source.scheme == "s3" else GCSStore(bucket)


def _list(store: Any, source: Source, prefix: str) -> dict[str, int]:
    """Names below the prefix -> bytes."""
    try:
        batches: Iterable[Any] = store.list(prefix=f"{prefix}/" if prefix else None)
        below = len(prefix) + 1 if prefix else 0
        found = {each["path"][below:]: int(each["size"]) for batch in batches for each in batch}
    except Exception as error:  # obstore's own classes, of an optional package
        raise _told(source, error) from error
    if not found:
        raise SourceError(f"{source}: nothing lies there", hint="check the bucket and the prefix")
    return found


def _download(store: Any, source: Source, key: str, target: Path, rate: Rate) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    try:
        found = store.get(key)
        total = int(found.meta["size"])
        with target.open("wb") as file:
            for piece in found.stream(min_chunk_size=PIECE):
                done += file.write(bytes(piece))
                rate.line(f"Progress {done} of {total}")
    except OSError:
        raise
    except Exception as error:
        raise _told(source, error) from error
    if done != total:
        raise SourceError(f"{source}: {key} ended after {done} of {total} bytes", hint="it is fetched again")


def _told(source: Source, error: Exception) -> SourceError:
    said = " ".join(str(error).split())[:300]
    denied = any(word in said for word in ("403", "401", "PermissionDenied", "Unauthenticated", "credentials"))
    hint = "give the pod a key: env: {AWS_ACCESS_KEY_ID: secret:NAME/KEY, …}, or a service account that may read it"
    return SourceError(f"{source}: {said}", hint=hint if denied else "check the bucket, its region and the prefix")
