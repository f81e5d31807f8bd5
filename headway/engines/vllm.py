"""The engine `vllm`: safetensors served by any vLLM that is installed on this machine, for GPU or CPU.

Found as `HEADWAY_VLLM` (the path of a `vllm` or of a Python that has it), else `vllm` on PATH, else in
Headway's own Python. Sources: hf://org/name[@revision] and file:///folder. What is served is the pinned
folder, offline: vLLM fetches nothing itself. Code that comes with a model is never run: --trust-remote-code
is refused, .py files are not fetched, and weights are read as safetensors only.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from headway.engines import elsewhere, hub, hub_cache, served_folder, sources, stamps
from headway.engines.base import (
    Capabilities,
    External,
    Launch,
    Need,
    Prepared,
    Progress,
    Report,
    Settled,
    Slot,
)
from headway.engines.container import SCRATCH, Container, PodShape
from headway.engines.flags import merge, refuse_owned, to_flags
from headway.errors import EngineError, SourceError, SpecError
from headway.perf import memory
from headway.perf.memory import Part
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision, Task
from headway.spec.source import Source

__all__ = ["SETTING", "Vllm", "bring", "chosen", "find"]

SETTING = "HEADWAY_VLLM"
START_SECONDS = 900.0
"""vLLM compiles for minutes at its first start with a model; 85 s were seen for a tiny one on two cores."""

PROCESSES = 1 << 30
"""Bytes. A server and one worker on CPU were 0.9 GB with a model of no size."""

CPU_KV = "VLLM_CPU_KVCACHE_SPACE"
CPU_KV_GIB = "1"

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")
OWNED = (
    "host", "port", "uds", "served-model-name", "model", "revision", "code-revision", "tokenizer-revision",
    "load-format", "api-key", "nnodes", "node-rank", "master-addr", "headless", "root-path",
    "ssl-keyfile", "ssl-certfile",
)  # fmt: skip

VERSION = "v0.32.0"
IMAGES: Mapping[str, str] = {
    "nvidia": f"vllm/vllm-openai:{VERSION}",
    "amd": f"vllm/vllm-openai-rocm:{VERSION}",
    "google": f"vllm/vllm-tpu:{VERSION}",
    "": f"vllm/vllm-openai-cpu:{VERSION}",
}
"""By who made the accelerator: the release whose flags and metrics Headway's tests run against."""

PORT = 8000
UID = 2000
"""The user `vllm` of the images from v0.20 on; others run as it too, with a home of ours."""


class Vllm:
    name = "vllm"
    capabilities = Capabilities(("chat", "completion", "embedding"), ("hf", "file"), gpu=True)
    ready_path = "/health"
    metrics_path: ClassVar[str | None] = "/metrics"
    owned: ClassVar[tuple[str, ...]] = OWNED
    embedding: ClassVar[Mapping[str, Any]] = {"runner": "pooling"}
    """Flags that an embedder needs."""

    def pin(self, model: Model) -> Pinned:
        source = sources.parse(model)
        self._check(model)
        if source.scheme == "file":
            return _pin_folder(model.source, sources.local_path(source))
        if source.scheme == "hf":
            address = sources.hub_address(source)
            found = hub.look(address, model.env)
            return hub.pin(model.source, address, found, chosen(model.source, found.files))
        raise sources.refuse(source, self.name, "use hf:// or file:///folder")

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        return self._settled(model, *((model.task, "") if model.task else _task(sources.parse(model), pinned)))

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        program = find()
        if program is None:
            raise EngineError("no vLLM here", hint=f"pip install vllm and put it on PATH, or name it in {SETTING}")
        return Prepared(program, bring(revision, report))

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        """Of the machine's memory; with a GPU, weights and KV cache are in the GPU's."""
        parts: tuple[Part, ...]
        if revision.gpu not in ("", "cpu"):
            parts = (Part("of vLLM's processes (weights go to the GPU)", 2 * PROCESSES),)
        else:
            kv = int(float(revision.env.get(CPU_KV) or os.environ.get(CPU_KV) or CPU_KV_GIB) * (1 << 30))
            weights = Part("weights", revision.source.size_bytes)
            parts = (weights, Part(f"KV cache ({CPU_KV})", kv), Part("of vLLM's processes", PROCESSES))
        return Need(memory.total(parts), START_SECONDS, memory.explain(parts))

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        program, model = str(prepared.program), str(prepared.weights)
        python = Path(program).name.startswith("python")
        start = (
            (program, "-m", "vllm.entrypoints.openai.api_server", "--model", model)
            if python
            else (program, "serve", model)
        )
        owned = {
            "host": slot.host,
            "port": slot.port,
            "served-model-name": revision.model,
            "load-format": "safetensors",
        }
        ours: dict[str, Any] = {"tensor-parallel-size": len(slot.gpus)} if len(slot.gpus) > 1 else {}
        argv = (*start, *to_flags(owned), *to_flags(merge(ours, revision.args)))
        return Launch(argv, _environment(slot) | dict(revision.env))

    def external(self, revision: Revision) -> External | None:
        return None

    def elsewhere(self, model: Model) -> tuple[Pinned, Settled]:
        self._check(model)
        served_folder.check(elsewhere.source_of(model), self.name)
        return elsewhere.pin(model), self._settled(model, *elsewhere.task_of(model))

    def container(self, revision: Revision, shape: PodShape) -> Container | None:
        """Of several pods each has its tensor parallel group, and the groups are a pipeline: what crosses the network
        between nodes is then one activation a step and not one a layer (docs.vllm.ai, parallelism_scaling)."""
        folder = served_folder.path(Source.parse(revision.source.uri), streams=shape.streams)
        ours = served_folder.sharing(shape, "tensor-parallel-size", "gpu-memory-utilization")
        if shape.pods > 1:
            ours |= {"pipeline-parallel-size": shape.pods} | served_folder.joining(shape, "master-addr")
        owned = {
            "host": "0.0.0.0",  # noqa: S104 - in a pod
            "port": PORT,
            "served-model-name": revision.model,
            "load-format": "runai_streamer" if shape.streams else "safetensors",
        }
        return Container(
            image=IMAGES[shape.vendor],
            command=("vllm", "serve"),
            args=(folder, *to_flags(owned), *to_flags(merge(ours, revision.args))),
            worker_args=("--headless",) if shape.pods > 1 else (),
            port=PORT,
            ready_path=self.ready_path,
            metrics_path=self.metrics_path,
            env=_pod_environment(shape) | dict(revision.env),
            writable=("/tmp", SCRATCH),  # noqa: S108 - a mount of its own
            shared_memory_bytes=served_folder.SHARED_MEMORY if shape.gpus > 1 else 0,
            uid=UID,
            streams=("s3", "gs"),
            busy="vllm:num_requests_running",
        )

    def _settled(self, model: Model, task: Task, why: str) -> Settled:
        given, derived = merge({}, model.args), {"task": why} if why else {}
        for flag, value in self.embedding.items():
            if task == "embedding" and flag not in given:
                given[flag] = value
                derived[f"args.{flag}"] = f"{value}: the task is embedding"
        return Settled(task, given, derived)

    def _check(self, model: Model) -> None:
        refuse_owned(model.args, self.owned)
        if "trust-remote-code" in merge({}, model.args):
            message = "code that comes with a model is never run"
            raise SpecError(message, hint="remove it", field="args.trust-remote-code")


def _pod_environment(shape: PodShape) -> dict[str, str]:
    """No word to anybody outside, and nothing written but to SCRATCH."""
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    ours = quiet | served_folder.home("vllm") | {"VLLM_CACHE_ROOT": f"{SCRATCH}/vllm"}
    return ours if shape.vendor else ours | {"VLLM_CPU_OMP_THREADS_BIND": "nobind", CPU_KV: CPU_KV_GIB}


def find() -> Path | None:
    """The program: a `vllm`, or a Python that has it. Raises EngineError for a wrong setting."""
    if chosen := os.environ.get(SETTING):
        path = Path(chosen).expanduser().absolute()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise EngineError(f"{SETTING}={chosen}: no such program", hint="name a vllm or a python, or unset it")
        return path
    if on_path := shutil.which("vllm"):
        return Path(on_path).absolute()
    return Path(sys.executable) if importlib.util.find_spec("vllm") else None


def _environment(slot: Slot) -> dict[str, str]:
    """No word to anybody outside; on CPU the threads that the Site gave, wherever the kernel puts them."""
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    if slot.gpus:
        return quiet
    cpu = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(slot.threads)}
    return quiet | cpu | {CPU_KV: os.environ.get(CPU_KV, CPU_KV_GIB)}


def chosen(uri: str, names: Iterable[str]) -> tuple[str, ...]:
    """The files of the model itself: no subfolders (other formats), no second copy of the weights, no code."""
    files = [name for name in names if "/" not in name and any(fnmatch.fnmatch(name, each) for each in WANTED)]
    weights = [name for name in files if name.endswith(".safetensors")]
    if not weights or "config.json" not in files:
        what = "config.json" if weights else "safetensors files"
        raise SourceError(f"{uri} has no {what}", hint="vLLM is given safetensors only; a GGUF is for engine llamacpp")
    if any(not name.startswith("consolidated") for name in weights):
        files = [name for name in files if not name.startswith("consolidated")]
    return tuple(sorted(files))


def _pin_folder(uri: str, folder: Path) -> Pinned:
    if not folder.is_dir():
        raise SourceError(f"{uri} is a file", hint="vLLM serves a folder with config.json and safetensors files")
    files = chosen(uri, (each.name for each in folder.iterdir() if each.is_file()))
    size = sum((folder / name).stat().st_size for name in files)
    return Pinned(uri, _digest(folder, files, _unheard), files=files, size_bytes=size)


def bring(revision: Revision, report: Report) -> Path:
    pinned, source = revision.source, Source.parse(revision.source.uri)
    if source.scheme == "hf":
        return hub.fetch(sources.hub_address(source).repo, pinned, revision.env, report)
    folder = sources.local_path(source)
    if _digest(folder, pinned.files, report) != pinned.digest:
        raise SourceError(f"{pinned.uri} has changed since it was pinned", hint="apply it again: headway up")
    return folder


def _digest(folder: Path, files: Iterable[str], report: Report) -> str:
    """Of all files, the configuration and the tokenizer too: they change the answers as weights do."""
    try:
        return hub.combined_digest({name: stamps.digest(folder / name, report).partition(":")[2] for name in files})
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}", hint="the folder is not what was pinned") from error


def _task(source: Source, pinned: Pinned) -> tuple[Task, str]:
    """Chat when there is a chat template; so far as it can be seen."""
    if "chat_template.jinja" in pinned.files or "chat_template.json" in pinned.files:
        return "chat", "chat: it has a chat template"
    if source.scheme == "file":
        folder = sources.local_path(source)
    else:
        folder = hub_cache.snapshot(sources.hub_address(source).repo, pinned.commit)
    try:
        settings: Mapping[str, Any] = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "chat", "chat: assumed, its tokenizer is not here yet"
    if settings.get("chat_template"):
        return "chat", "chat: it has a chat template"
    return "completion", "completion: it has no chat template"


def _unheard(_: Progress) -> None:
    """Pinning has nobody to report to."""
