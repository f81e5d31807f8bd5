"""The backend and the load generator: C, compiled here once per version of their source."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from benchmarks.gateway.process import BenchError

__all__ = ["build"]

HERE = Path(__file__).resolve().parent
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wshadow")


def build(name: str, cache: Path) -> Path:
    """The program made of NAME.c."""
    source, header = HERE / f"{name}.c", HERE / "net.h"
    digest = hashlib.sha256(source.read_bytes() + header.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:12]
    program = cache / "native" / f"{name}-{digest}"
    if program.exists():
        return program
    if not (compiler := shutil.which("gcc") or shutil.which("cc")):
        raise BenchError("no C compiler (gcc) for the backend and the load generator; install gcc")
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_suffix(".new")
    done = subprocess.run(
        [compiler, *FLAGS, "-o", str(fresh), str(source)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"{source.name} does not compile: {done.stderr.strip()[:600]}")
    fresh.replace(program)
    return program
