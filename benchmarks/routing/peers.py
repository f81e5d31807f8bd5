"""The peers, each in a virtual environment of its own: `~/.cache/headway/bench/NAME-VERSION`, from PyPI."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.routing.processes import BenchError

__all__ = ["FOLDER", "SGLANG_ROUTER", "VLLM_ROUTER", "Peer", "installed"]

FOLDER = Path.home() / ".cache/headway/bench"
INSTALL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Peer:
    package: str
    version: str

    @property
    def folder(self) -> Path:
        return FOLDER / f"{self.package}-{self.version}"

    @property
    def command(self) -> Path:
        return self.folder / "bin" / self.package


VLLM_ROUTER = Peer("vllm-router", "0.1.17")
SGLANG_ROUTER = Peer("sglang-router", "0.3.2")


def installed(peer: Peer) -> None:
    """Install it unless it is there. Two benchmarks may ask at once: one waits for the other."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f".{peer.folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not peer.command.exists():
            print(f"installing {peer.package} {peer.version} into {peer.folder}", file=sys.stderr)
            venv.create(peer.folder, with_pip=True, clear=True)
            pip = [
                str(peer.folder / "bin/python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                f"{peer.package}=={peer.version}",
            ]
            done = subprocess.run(pip, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            if done.returncode:
                raise BenchError(f"{peer.package} {peer.version}: pip: {done.stderr.strip()[-500:]}")
