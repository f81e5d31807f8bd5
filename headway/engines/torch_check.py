"""Runs `torch_probe.py` in a Python that has PyTorch, with a deadline. PyTorch is no dependency of Headway.

Which Python: `HEADWAY_TORCH_PYTHON`, else our own if it has torch, else the one beside a vLLM that is installed, which
always has it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headway.engines import child, vllm
from headway.errors import EngineError
from headway.perf.catalog.architecture import Architecture

__all__ = ["SETTING", "Plan", "find", "run", "widths"]

SETTING = "HEADWAY_TORCH_PYTHON"
DEADLINE = 300.0
"""Seconds. Importing torch takes up to a minute from a cold disk; the measurements under one on a GPU."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured; the defaults are for a GPU. `shape`: layers that are really run, all other widths."""

    shape: dict[str, int]
    device: str = "cuda"
    copy_bytes: int = 1 << 30
    product: int = 8192
    dtypes: tuple[str, ...] = ("bf16", "fp8", "tf32")
    prefills: tuple[int, ...] = (512, 2048, 8192)
    decodes: tuple[tuple[int, int], ...] = ((1, 1024), (16, 1024), (64, 1024), (16, 8192))


def widths(model: Architecture) -> dict[str, int]:
    names = ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocabulary")
    return {name: getattr(model, name) for name in names}


def find() -> Path:
    """A Python with torch. Raises EngineError that says what to install."""
    if chosen := os.environ.get(SETTING):
        path = Path(chosen).expanduser().absolute()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise EngineError(f"{SETTING}={chosen}: no such program", hint="name a python that has torch, or unset it")
        return path
    if importlib.util.find_spec("torch"):
        return Path(sys.executable)
    program = vllm.find()
    beside = program.resolve().parent / "python" if program else None
    if beside is not None and beside.is_file():
        return beside
    raise EngineError(
        "measuring this device needs PyTorch, which no Python here has",
        hint=f"pip install torch, or name a Python that has it: {SETTING}=/path/to/python",
    )


def run(plan: Plan, tell: Callable[[dict[str, Any]], None], *, python: Path | None = None) -> None:
    """Calls `tell` with each result as it comes. Raises EngineError for a probe that fails or takes too long."""
    probe = Path(__file__).with_name("torch_probe.py")
    argv = [str(python or find()), str(probe), json.dumps(asdict(plan))]

    def heard(line: str) -> None:
        if line.startswith('{"what"'):
            tell(json.loads(line))

    try:
        ended = child.run(argv, on_line=heard, deadline=DEADLINE, env={"PYTHONUNBUFFERED": "1"})
    except child.TimedOut:
        raise EngineError(
            f"PyTorch did not measure {plan.device} within {DEADLINE:.0f} s", hint="is it busy?"
        ) from None
    except OSError as error:
        raise EngineError(f"{argv[0]} does not start: {error.strerror or error}", hint=f"set {SETTING}") from error
    if ended.code:
        why = next((line for line in reversed(ended.lines) if line.strip()), "no word")
        raise EngineError(f"PyTorch failed on {plan.device}: {why.strip()[:300]}", hint=f"{argv[0]} ran it")
