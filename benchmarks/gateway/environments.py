"""Where the peers come from: PyPI wheels, each in a virtual environment of its own, and the distribution's packages.

Versions are pinned, so that a figure means the same thing next year and nobody's newest upload runs here unread.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.gateway.process import BenchError

__all__ = ["Missing", "system_program", "virtual_environment"]

PIP_SECONDS = 900.0
MALICIOUS = {"litellm": {"1.82.7", "1.82.8", "1.107.0"}}
"""Uploads that carried malware. Never installed, whatever a pin says."""


class Missing(BenchError):
    """A peer cannot be had here; the others are measured without it."""


def virtual_environment(
    cache: Path, package: str, version: str, extra: str = "", *, python: Path = Path(sys.executable)
) -> Path:
    """The bin/ folder of an environment of that Python with this package. Several benchmarks may share it: it is made
    under a lock."""
    if version in MALICIOUS.get(package, ()):
        raise Missing(f"{package} {version} carried malware: pin another version")
    folder = cache / f"{package}-{version}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{package}-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _installed(folder, package) != version:
            print(f"setting up {package} {version} in {folder}", file=sys.stderr)
            subprocess.run([python, "-m", "venv", "--clear", folder], check=True, capture_output=True)
            _pip_install(folder, f"{package}{extra}=={version}")
    return folder / "bin"


def _installed(folder: Path, package: str) -> str:
    """The version there, or an empty string. Metadata is written last, so a half-done install has none."""
    if not (folder / "bin/python").exists():
        return ""
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([folder / "bin/python", "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _pip_install(folder: Path, requirement: str) -> None:
    command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-input", requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"pip had not installed {requirement} after {PIP_SECONDS:.0f} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
        raise Missing(f"pip cannot install {requirement}: {errors[-1][:300]}")


def system_program(name: str) -> tuple[Path, str]:
    """A program of the distribution and its version line; installed by apt if it is absent and we may."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = shutil.which(name, path=search)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {name} with apt-get", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # RUNLEVEL=1: start no service
        command = ["apt-get", "install", "-y", "--no-install-recommends", name]
        subprocess.run(command, env=quiet, capture_output=True, timeout=PIP_SECONDS, check=False)
        found = shutil.which(name, path=search)
    if not found:
        raise Missing(f"{name} is not installed and apt-get could not bring it; install it to have its row")
    said = subprocess.run([found, "-v"], capture_output=True, text=True, check=False)
    return Path(found), (said.stdout + said.stderr).splitlines()[0]
