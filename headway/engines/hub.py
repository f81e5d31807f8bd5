"""The Hugging Face hub: what a revision is, and its files in the hub's usual cache, with the user's usual
token.

A revision is resolved to a commit once, when the user's file is applied; what is fetched later is that
commit. Without the hub (or with HF_HUB_OFFLINE) the cache answers for what it has. The client runs as a
program of its own (`hub_child`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headway.engines import child, hub_cache, stamps, workshop
from headway.engines.base import Report
from headway.engines.hub_cache import Repository
from headway.engines.rate import Rate
from headway.engines.sources import HubAddress
from headway.errors import EngineError, HeadwayError, ResourceError, SourceError, UnreachableError
from headway.paths import cache_dir
from headway.spec.revision import Pinned
from headway.store.secrets import is_secret, resolve_secret

__all__ = ["combined_digest", "fetch", "forget", "look", "pin", "remembered"]

RESOLVE_SECONDS = 12.0
FRESH_SECONDS = 30.0
"""An answer of the hub counts for so long: choosing the engine and pinning ask the same within one `up`."""

TIMEOUTS = {"HF_HUB_ETAG_TIMEOUT": "5", "HF_HUB_DOWNLOAD_TIMEOUT": "20", "HF_HUB_DISABLE_TELEMETRY": "1"}
CHILD = (sys.executable, "-P", "-m", "headway.engines.hub_child")

_answers: dict[tuple[str, str], tuple[float, Repository]] = {}


@dataclass(frozen=True, slots=True)
class _Failure:
    kind: str
    message: str


def look(address: HubAddress, env: Mapping[str, str]) -> Repository:
    """The repository at that revision: of the hub, else of its cache. Raises SourceError, UnreachableError,
    SecretError."""
    key = (address.repo, address.revision)
    at, known = _answers.get(key, (0.0, None))
    if known is not None and time.monotonic() - at < FRESH_SECONDS:
        return known
    failure = _Failure("unreachable", "HF_HUB_OFFLINE is set")
    if not _offline():
        found = _ask(address, env)
        if isinstance(found, Repository):
            _answers[key] = (time.monotonic(), found)
            _remember(address.repo, found)
            return found
        failure = found
    if failure.kind == "unreachable" and (cached := hub_cache.look(*key)):
        return remembered(address.repo, cached.commit) or cached
    raise _error(address, failure)


def forget() -> None:
    """Ask the hub anew, however fresh its last answer is."""
    _answers.clear()


def pin(uri: str, address: HubAddress, found: Repository, files: tuple[str, ...]) -> Pinned:
    """`files` of one commit, with the digest of its weights when the hub tells it of all of them."""
    stored = {name: found.files[name] for name in files}
    digests = {name: each.sha256 for name, each in stored.items() if _is_weights(name)}
    return Pinned(
        uri=uri,
        digest=combined_digest(digests) if digests and all(digests.values()) else "",
        commit=found.commit,
        files=files,
        size_bytes=sum(each.size for each in stored.values()),
    )


def fetch(repo: str, pinned: Pinned, env: Mapping[str, str], report: Report) -> Path:
    """The folder of the commit with all pinned files in it, their weights verified."""
    folder = hub_cache.snapshot(repo, pinned.commit)
    if missing := [name for name in pinned.files if not (folder / name).exists()]:
        _download(repo, pinned, missing, env, report)
    weights = [name for name in pinned.files if _is_weights(name)]
    if pinned.digest:
        digests = {name: stamps.digest(folder / name, report).removeprefix("sha256:") for name in weights}
        if combined_digest(digests) != pinned.digest:
            raise SourceError(
                f"{pinned.uri}: the hub's cache holds other bytes than the hub's digest says",
                hint=f"remove {folder} and try again",
            )
    return folder


def remembered(repo: str, commit: str) -> Repository | None:
    """What the hub said of that commit when it was last asked."""
    try:
        return msgspec.json.decode(_place(repo, commit).read_bytes(), type=Repository)
    except (OSError, msgspec.DecodeError):
        return None


def combined_digest(digests: Mapping[str, str]) -> str:
    """Of one file its own SHA-256; of several that of their sorted lines `DIGEST  NAME`, as sha256sum prints
    them."""
    if len(digests) == 1:
        return f"sha256:{next(iter(digests.values()))}"
    lines = "".join(f"{sha}  {name}\n" for name, sha in sorted(digests.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _is_weights(name: str) -> bool:
    return name.endswith((".gguf", ".safetensors"))


def _ask(address: HubAddress, env: Mapping[str, str]) -> Repository | _Failure:
    lines: list[str] = []
    argv = (*CHILD, "resolve", address.repo, address.revision)
    try:
        child.run(argv, on_line=lines.append, deadline=RESOLVE_SECONDS, env=_environment(env))
    except child.TimedOut:
        return _Failure("unreachable", f"no answer within {RESOLVE_SECONDS:.0f} s")
    for line in lines:
        try:
            return msgspec.json.decode(line, type=Repository)
        except msgspec.DecodeError:
            continue
    return _told(lines)


def _download(repo: str, pinned: Pinned, missing: list[str], env: Mapping[str, str], report: Report) -> None:
    where = hub_cache.root()
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"the hub's cache {where} cannot be written", hint="set HF_HOME to another") from error
    free = shutil.disk_usage(where).free
    if free < pinned.size_bytes:
        raise _disk_full(pinned, where)
    rate = Rate(report, repo, pinned.size_bytes)
    lines: list[str] = []

    def heard(line: str) -> None:
        rate.line(line)
        if line.startswith("{"):
            lines.append(line)

    argv = (*CHILD, "fetch", repo, pinned.commit, str(pinned.size_bytes), *missing)
    ended = child.run(argv, on_line=heard, tick=rate.again, env=_environment(env))
    if ended.code != 0:
        failure = _told(lines or list(ended.lines))
        if failure.kind == "disk_full":
            raise _disk_full(pinned, where)
        raise _error(HubAddress(repo, pinned.commit), failure)


def _disk_full(pinned: Pinned, where: Path) -> ResourceError:
    free = shutil.disk_usage(where).free
    return ResourceError(
        f"disk full in the hub's cache: needs {workshop.megabytes(pinned.size_bytes)} at {where}, "
        f"{workshop.megabytes(free)} free",
        hint="free some or set HF_HOME",
    )


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """The Model's own HF_* settings, its token among them, over our timeouts; the user's environment is there
    anyway."""
    ours = {key: value for key, value in TIMEOUTS.items() if key not in os.environ}
    theirs = {key: value for key, value in env.items() if key.startswith(("HF_", "HUGGING_FACE_"))}
    return ours | {key: resolve_secret(value) if is_secret(value) else value for key, value in theirs.items()}


def _told(lines: list[str]) -> _Failure:
    for line in reversed(lines):
        try:
            told = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(told, dict) and "failed" in told:
            return _Failure(str(told["failed"]), str(told["message"]))
    return _Failure("failed", lines[-1] if lines else "no output")


def _error(address: HubAddress, failure: _Failure) -> HeadwayError:
    name, host = f"hf://{address.repo}", os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    match failure.kind:
        case "unreachable":
            return UnreachableError(
                f"{name}: the hub at {host} does not answer, nor has its cache {address.revision} ({failure.message})",
                hint="check network and proxy, set HF_ENDPOINT to a mirror, or use builtin:// or file://",
            )
        case "no_repository":
            return SourceError(f"{name}: no such repository, or it is private", hint="check the name or set HF_TOKEN")
        case "gated":
            return SourceError(f"{name}: its owner gives access on request", hint="ask on its page, then set HF_TOKEN")
        case "no_revision":
            return SourceError(f"{name}: no revision {address.revision!r}", hint="use a branch, a tag or a commit")
        case "not_installed":
            return EngineError(f"{name}: the hub's client is missing", hint="pip install 'headway[local]'")
    return SourceError(f"{name}: {failure.message}", hint="check the source")


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _remember(repo: str, found: Repository) -> None:
    place = _place(repo, found.commit)
    fresh = place.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # a note for times without the hub; on a full disk there is none
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.encode(found))
        fresh.replace(place)


def _place(repo: str, commit: str) -> Path:
    return cache_dir() / "hub" / f"{repo.replace('/', '--')}@{commit}.json"
