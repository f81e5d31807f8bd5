"""This checkout, compiled, in an environment of its own beside the peers', as an operator would install it.

Named after the sources it was made from: a changed file is another environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.gateway.environments import Missing

__all__ = ["compiled_headway"]

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 900.0


def compiled_headway(cache: Path) -> Path:
    """Its python. Raises Missing with the last lines of the build when there is no compiler."""
    folder = cache / f"headway-compiled-{_state_of_sources()}"
    python = folder / "bin/python"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "headway-compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            for old in cache.glob("headway-compiled-*/"):
                shutil.rmtree(old)
            print(f"compiling headway into {folder} (about a minute)", file=sys.stderr)
            _build(folder)
            (folder / "whole").touch()
    return python


def _state_of_sources() -> str:
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes())
    for path in sorted((ROOT / "headway").rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(folder: Path) -> None:
    command = ["scripts/compiled", str(folder), sys.executable]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"headway was not compiled after {BUILD_SECONDS:.0f} s") from None
    if done.returncode:
        raise Missing(f"headway could not be compiled: {' '.join(done.stderr.strip().splitlines()[-3:])}")
