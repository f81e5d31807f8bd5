"""Where the Hugging Face hub's client keeps what it fetched, read without the client.

The layout is the client's documented one: models--ORG--NAME/{refs/REVISION, snapshots/COMMIT/FILE ->
blobs/ETAG}. A file stands in a snapshot only when it is whole, and a large file's etag is its SHA-256.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Repository", "StoredFile", "commit_of", "look", "root", "snapshot"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class StoredFile(msgspec.Struct, frozen=True):
    size: int
    sha256: str = ""  # empty for a small file


class Repository(msgspec.Struct, frozen=True):
    """What is known of one commit of a repository, from the hub or from the cache."""

    commit: str
    files: Mapping[str, StoredFile]
    architecture: str = ""  # of config.json, e.g. BertModel
    chat_template: bool | None = None  # None = not known
    context: int = 0  # of its GGUF, 0 = not known


def root() -> Path:
    """As the client finds it."""
    if chosen := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(chosen).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def snapshot(repo: str, commit: str) -> Path:
    return _folder(repo) / "snapshots" / commit


def commit_of(repo: str, revision: str) -> str:
    """The commit that the cache has for a revision; empty when it has none."""
    if _COMMIT.fullmatch(revision) and snapshot(repo, revision).is_dir():
        return revision
    try:
        return (_folder(repo) / "refs" / revision).read_text().strip()
    except OSError:
        return ""


def look(repo: str, revision: str) -> Repository | None:
    """The files of a revision that are in the cache, which may be fewer than the hub has."""
    commit = commit_of(repo, revision)
    folder = snapshot(repo, commit)
    if not commit or not folder.is_dir():
        return None
    files = {str(path.relative_to(folder)): _stored(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    config = _config(folder / "config.json")
    return Repository(
        commit=commit,
        files=files,
        architecture=next(iter(config.get("architectures") or ()), ""),
    )


def _stored(path: Path) -> StoredFile:
    blob = path.resolve()
    return StoredFile(blob.stat().st_size, blob.name if _SHA256.fullmatch(blob.name) else "")


def _config(path: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _folder(repo: str) -> Path:
    return root() / f"models--{repo.replace('/', '--')}"
