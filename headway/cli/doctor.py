"""`headway doctor`: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from headway.cli.words import size
from headway.paths import StateDir, cache_dir

__all__ = ["Finding", "examine", "register"]

NEEDED_DISK = 2_000_000_000
"""Bytes free in the cache: the built-in models and the engine's sources, with room to build."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`state`: ok; note = works, but know this; missing = something cannot work until `fix` is done."""

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    fix: str = ""


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Tell what this machine has for serving, what is missing, and the command that gets it."""
    findings = list(examine())
    if as_json:
        print(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        width = max(len(each.name) for each in findings)
        for each in findings:
            print(f"{each.state:<8} {each.name:<{width}}  {each.found}")
            if each.fix:
                print(f"{'':<8} {'':<{width}}  -> {each.fix}")
    if any(each.state == "missing" for each in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield from _machine()
    yield _extra()
    yield from _llama()
    yield _vllm()
    yield from _folders()
    yield _hub()
    yield _control()


def _machine() -> Iterator[Finding]:
    from headway.sites.local.inventory import read_inventory  # noqa: PLC0415
    from headway.sites.local.nvml import Gpus  # noqa: PLC0415

    found = read_inventory(Gpus())
    yield Finding("cores", "ok", str(found.cores))
    yield Finding("memory", "ok", f"{size(found.memory_bytes)}, {size(found.free_memory_bytes)} free")
    if found.accelerators:
        for each in found.accelerators:
            named = f"{each.product} {each.profile}".strip()
            yield Finding("gpu", "ok", f"{named}, {size(each.memory_bytes)}, {size(each.free_bytes)} free")
    else:
        yield Finding("gpu", "note", "; ".join(found.notes) or "none; models run on the CPU")


def _extra() -> Finding:
    wanted = {"gguf": "gguf", "huggingface_hub": "huggingface-hub", "numpy": "numpy", "safetensors": "safetensors"}
    absent = [name for module, name in wanted.items() if importlib.util.find_spec(module) is None]
    if absent:
        return Finding("headway[local]", "missing", f"without {', '.join(absent)}", "pip install 'headway[local]'")
    return Finding("headway[local]", "ok", "installed")


def _llama() -> Iterator[Finding]:
    from headway.engines.llama_build import find  # noqa: PLC0415

    if (program := find()) is not None:
        yield Finding("llama-server", "ok", str(program))
        return
    yield Finding("llama-server", "note", "not here; built at first use: about 6 minutes of CPU time, divided by cores")
    compiler = next((each for each in ("c++", "g++", "clang++") if shutil.which(each)), None)
    if compiler:
        yield Finding("C++ compiler", "ok", str(shutil.which(compiler)))
    else:
        fix = "xcode-select --install" if sys.platform == "darwin" else "sudo apt-get install g++"
        yield Finding("C++ compiler", "missing", "none, and llama-server must be built", fix)


def _vllm() -> Finding:
    named = os.environ.get("HEADWAY_VLLM")
    found = named or shutil.which("vllm")
    if found:
        return Finding("vllm", "ok" if Path(found).exists() else "missing", found, "")
    return Finding(
        "vllm", "note", "not here; needed for safetensors models only", "pip install vllm, or set HEADWAY_VLLM"
    )


def _folders() -> Iterator[Finding]:
    for name, folder, needed in (("cache", cache_dir(), NEEDED_DISK), ("state", StateDir.default().root, 100_000_000)):
        existing = next(each for each in (folder, *folder.parents) if each.exists())
        free = shutil.disk_usage(existing).free
        told = f"{folder}, {size(free)} free"
        if not os.access(existing, os.W_OK):
            yield Finding(
                name, "missing", f"{folder} cannot be written", f"set HEADWAY_{name.upper()}_DIR to another folder"
            )
        elif free < needed:
            yield Finding(name, "missing", told, f"free some, or set HEADWAY_{name.upper()}_DIR to another disk")
        else:
            yield Finding(name, "ok", told)


def _hub() -> Finding:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return Finding("hub", "note", "HF_HUB_OFFLINE=1: hf:// works from its cache only")
    host = endpoint.partition("://")[2].partition("/")[0]
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or (443 if endpoint.startswith("https") else 80))), timeout=3).close()
    except OSError:
        return Finding(
            "hub", "note", f"{host} is not reachable; hf:// works from its cache only, builtin:// and file:// do"
        )
    return Finding("hub", "ok", f"{host} is reachable")


def _control() -> Finding:
    from headway.cli.client import ControlClient  # noqa: PLC0415
    from headway.errors import UnreachableError  # noqa: PLC0415

    try:
        snapshot = ControlClient().get("/state")
    except UnreachableError:
        return Finding("headway", "note", "nothing is running", "headway up examples/chat.yaml")
    return Finding("headway", "ok", f"running at {snapshot['gateway']['address']}, page {snapshot['control']['page']}")
