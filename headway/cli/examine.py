"""What `doctor` looks at. Each finding is made by itself; one that breaks is told and hides no other."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from headway.cli.words import duration, size
from headway.errors import HeadwayError, UnreachableError
from headway.paths import StateDir, cache_dir

__all__ = ["Finding", "examine"]

NEEDED_DISK = 2_000_000_000
"""Bytes free in the cache: the built-in models and the engine's sources, with room to build."""
NEEDED_STATE = 100_000_000
"""Bytes free in the state directory: logs and the database."""
HUB_WITHIN = 3.0
"""Seconds for the hub's name and a connection; a resolver without a network can take a minute to say no."""
PORTS = ((8484, "--port"), (8485, "--page-port"))


@dataclass(frozen=True, slots=True)
class Finding:
    """`state`: ok; note = works, but know this; missing = something cannot work until `fix` is done."""

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")
    parts: dict[str, Callable[[], Iterator[Finding]]] = {
        "machine": _machine,
        "headway[local]": _extra,
        "llama-server": _llama,
        "vllm": _vllm,
        "models": _models,
        "folders": _folders,
        "hub": _hub,
        "headway": _control,
    }
    for name, look in parts.items():
        try:
            yield from look()
        except HeadwayError as error:
            yield Finding(name, "missing", error.message, error.hint)


def _machine() -> Iterator[Finding]:
    from headway.sites.local.inventory import read_inventory  # noqa: PLC0415
    from headway.sites.local.nvml import Gpus  # noqa: PLC0415

    found = read_inventory(Gpus())
    yield Finding("cores", "ok", str(found.cores))
    yield Finding("memory", "ok", f"{size(found.memory_bytes)}, {size(found.free_memory_bytes)} free")
    for each in found.accelerators:
        named = f"{each.product} {each.profile}".strip()
        yield Finding("gpu", "ok", f"{named}, {size(each.memory_bytes)}, {size(each.free_bytes)} free")
    if not found.accelerators:
        why = "; ".join(found.notes) or "none"
        yield Finding("gpu", "note", f"{why}; models run on the CPU")


def _extra() -> Iterator[Finding]:
    wanted = {"gguf": "gguf", "huggingface_hub": "huggingface-hub", "numpy": "numpy", "safetensors": "safetensors"}
    absent = [name for module, name in wanted.items() if importlib.util.find_spec(module) is None]
    if absent:
        yield Finding("headway[local]", "missing", f"without {', '.join(absent)}", "pip install 'headway[local]'")
    else:
        yield Finding("headway[local]", "ok", "installed")


def _llama() -> Iterator[Finding]:
    from headway.engines.llama_build import find  # noqa: PLC0415
    from headway.engines.llama_compile import LLAMA_CPP, check_compiler  # noqa: PLC0415

    if (found := find()) is not None:
        yield Finding("llama-server", "ok", str(found))
        return
    takes = duration(LLAMA_CPP.cpu_seconds / (os.cpu_count() or 1))
    yield Finding("llama-server", "note", f"not here; built at first use, which takes about {takes}")
    try:
        check_compiler()
    except HeadwayError as error:
        yield Finding("C++ compiler", "missing", error.message, error.hint)
    else:
        yield Finding("C++ compiler", "ok", "found")


def _vllm() -> Iterator[Finding]:
    from headway.engines.vllm import find  # noqa: PLC0415

    if (found := find()) is not None:
        yield Finding("vllm", "ok", str(found))
    else:
        told = "not here; needed for safetensors models alone"
        yield Finding("vllm", "note", told, "pip install vllm, or set HEADWAY_VLLM")


def _models() -> Iterator[Finding]:
    from headway.engines.builtin import CATALOGUE  # noqa: PLC0415

    here = [name for name, each in CATALOGUE.items() if each.folder.is_dir()]
    absent = [f"{name} ({size(each.size)})" for name, each in CATALOGUE.items() if name not in here]
    parts = [f"in the cache: {', '.join(here)}"] if here else []
    parts += [f"fetched from PyPI at first use: {', '.join(absent)}"] if absent else []
    yield Finding("models", "ok", "; ".join(parts))


def _folders() -> Iterator[Finding]:
    for name, folder, needed in (("cache", cache_dir(), NEEDED_DISK), ("state", StateDir.default().root, NEEDED_STATE)):
        existing = next(each for each in (folder, *folder.parents) if each.exists())
        free = shutil.disk_usage(existing).free
        setting = f"HEADWAY_{name.upper()}_DIR"
        if not os.access(existing, os.W_OK):
            yield Finding(name, "missing", f"{folder} cannot be written", f"set {setting} to another folder")
        elif free < needed:
            told = f"{folder}, {size(free)} free, {size(needed)} may be needed"
            yield Finding(name, "missing", told, f"free some, or set {setting} to another disk")
        else:
            yield Finding(name, "ok", f"{folder}, {size(free)} free")


def _hub() -> Iterator[Finding]:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        yield Finding("hub", "note", "HF_HUB_OFFLINE is set: hf:// works from its cache alone")
        return
    from urllib.parse import urlsplit  # noqa: PLC0415
    from urllib.request import getproxies  # noqa: PLC0415

    endpoint = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    proxy = getproxies().get(endpoint.scheme)
    asked = urlsplit(proxy) if proxy else endpoint
    port = asked.port or (443 if asked.scheme == "https" else 80)
    by = f" (by the proxy {asked.hostname}:{port})" if proxy else ""
    if _connects(asked.hostname or "", port):
        yield Finding("hub", "ok", f"{endpoint.hostname} is reachable{by}")
    else:
        told = f"{endpoint.hostname} is not reachable{by}; hf:// works from its cache alone, builtin:// and file:// do"
        yield Finding("hub", "note", told)


def _connects(host: str, port: int) -> bool:
    reached = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=HUB_WITHIN).close()
        except OSError:
            return
        reached.set()

    looking = threading.Thread(target=connect, daemon=True)  # a stuck resolver must not hold us
    looking.start()
    looking.join(HUB_WITHIN)
    return reached.is_set()


def _control() -> Iterator[Finding]:
    from headway.cli.client import ControlClient  # noqa: PLC0415

    try:
        snapshot = ControlClient().get("/state")
    except UnreachableError as error:
        yield Finding("headway", "note", error.message, error.hint)
        yield from _ports()
    else:
        told = f"runs at {snapshot['gateway']['address']}, page {snapshot['control']['page']}"
        yield Finding("headway", "ok", told)


def _ports() -> Iterator[Finding]:
    from headway.control.gateway_process import claim_port  # noqa: PLC0415

    for port, option in PORTS:
        try:
            claim_port("127.0.0.1", port, option).close()
        except HeadwayError as error:
            yield Finding(f"port {port}", "note", error.message, error.hint)
        else:
            yield Finding(f"port {port}", "ok", "free")
