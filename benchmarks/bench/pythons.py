"""A newer Python than ours, for a peer that will have no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gateway.environments import Missing

__all__ = ["newer_python"]

NEWER = 3
"""Minor versions beyond the least that are looked for."""


def newer_python(least: tuple[int, int]) -> Path:
    """Of this version or a little later: our own, one on the PATH, or one of pyenv's. Raises Missing."""
    for program in _candidates(least):
        if _runs(program, least):
            return program
    raise Missing(f"it needs Python {least[0]}.{least[1]} or later; install one as python{least[0]}.{least[1]}")


def _candidates(least: tuple[int, int]) -> Iterator[Path]:
    yield Path(sys.executable)
    names = [f"{least[0]}.{minor}" for minor in range(least[1], least[1] + NEWER)]
    yield from (Path(found) for name in names if (found := shutil.which(f"python{name}")))
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in names:
        yield from sorted(versions.glob(f"{name}.*/bin/python"))


def _runs(program: Path, least: tuple[int, int]) -> bool:
    """pyenv's programs on the PATH may be there and not run."""
    ask = f"import sys; sys.exit(sys.version_info[:2] < {least!r})"
    return subprocess.run([program, "-c", ask], capture_output=True, check=False).returncode == 0
