"""The engine `vllm`: safetensors on GPUs, or on CPUs with vLLM's CPU build. Any installed vLLM serves.

It is looked for as `HEADWAY_VLLM` (the `vllm` command, or a Python that has it), then as `vllm` on PATH; Headway
neither installs nor imports it. Sources: hf://org/name[@revision], and file:///folder with a config.json and safetensors.
Remote code is never run, and pickled weights are never loaded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from headway.engines import hub, sources, stamps
from headway.engines.base import Capabilities, External, Launch, Need, Prepared, Report, Settled, Signals, Slot
from headway.engines.exposition import mean, samples, total
from headway.engines.flags import merge, refuse_owned, to_flags
from headway.engines.sources import HubAddress
from headway.errors import EngineError, SourceError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision
from headway.spec.source import Source

__all__ = ["VllmEngine", "find"]

OWNED = ("host", "port", "model", "served-model-name", "revision", "tokenizer-revision", "api-key", "load-format")
REFUSED = ("trust-remote-code",)
TEXTS = (".json", ".txt", ".model", ".jinja")
CPU_KV_GIB = 1
"""GiB of KV cache on a CPU unless env VLLM_CPU_KVCACHE_SPACE says otherwise: enough to try with."""
OVERHEAD_BYTES = 1_500_000_000
"""torch, two processes and compiled code: 0.9 GB resident were seen with a model of a few MB."""
START_SECONDS = 600.0
"""85 s were seen for a tiny model's first start on two cores; compilation and large weights take their time."""
READ_BYTES_PER_SECOND = 50e6
"""A slow disk: what the weights may add to the start."""
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


class VllmEngine:
    name = "vllm"
    capabilities = Capabilities(tasks=("chat", "completion", "embedding"), schemes=("hf", "file"), gpu=True)
    ready_path = "/health"
    metrics_path: ClassVar[str | None] = "/metrics"

    def pin(self, model: Model) -> Pinned:
        refuse_owned(model.args, OWNED)
        for key in model.args:
            if key.lstrip("-").replace("_", "-") in REFUSED:
                raise SpecError(
                    "code that comes with a model is never run", hint=f"remove {key!r}", field=f"args.{key}"
                )
        source = sources.parse(model)
        if source.scheme == "file":
            return _pin_folder(model.source, sources.local_path(source))
        if source.scheme == "hf":
            return _pin_hub(model, sources.hub_address(source))
        raise sources.refuse(source, self.name, "use hf:// or file:///FOLDER")

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        why = (
            {}
            if model.task
            else {"task": "chat: vLLM serves it by the model's own template; write task to say otherwise"}
        )
        return Settled(model.task or "chat", dict(model.args), why)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        program = find()
        if program is None:
            raise EngineError(
                "vLLM is not installed", hint="pip install vllm, or set HEADWAY_VLLM to its command or Python"
            )
        source = Source.parse(revision.source.uri)
        if source.scheme == "hf":
            repo = sources.hub_address(source).repo
            return Prepared(program, hub.fetch(repo, revision.source, revision.env, report))
        folder = sources.local_path(source)
        if _digest(folder, revision.source.files) != revision.source.digest:
            raise SourceError(
                f"{revision.source.uri} has changed since it was pinned", hint="apply it again: headway up"
            )
        return Prepared(program, folder)

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        weights = revision.source.size_bytes
        cache = int(revision.env.get("VLLM_CPU_KVCACHE_SPACE", CPU_KV_GIB)) << 30
        why = (
            f"{weights / 1e6:.0f} MB of weights, {cache >> 30} GiB of KV cache, {OVERHEAD_BYTES / 1e9:.1f} GB for vLLM"
        )
        return Need(weights + cache + OVERHEAD_BYTES, START_SECONDS + weights / READ_BYTES_PER_SECOND, why)

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        if prepared.program is None or prepared.weights is None:
            raise EngineError(f"{revision.model}: not prepared")
        ours: dict[str, Any] = {
            "served-model-name": revision.model,
            "host": slot.host,
            "port": slot.port,
            "load-format": "safetensors",
        }
        if len(slot.gpus) > 1:
            ours["tensor-parallel-size"] = len(slot.gpus)
        env = ENVIRONMENT | ({} if slot.gpus else _on_cpu(slot.threads)) | dict(revision.env)
        argv = (*_serve(prepared.program), str(prepared.weights), *to_flags(merge(ours, revision.args)))
        return Launch(argv, env)

    def signals(self, metrics: str) -> Signals:
        """By newer names, else by older ones; what neither says stays None."""
        found = samples(metrics)
        return Signals(
            running=total(found, "vllm:num_requests_running"),
            waiting=total(found, "vllm:num_requests_waiting"),
            kv_used=mean(found, "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
            prompt_tokens=total(found, "vllm:prompt_tokens_total"),
            cached_prompt_tokens=total(found, "vllm:prompt_tokens_cached_total", "vllm:prefix_cache_hits_total"),
            generated_tokens=total(found, "vllm:generation_tokens_total"),
        )

    def external(self, revision: Revision) -> External | None:
        return None


def find() -> Path | None:
    """The `vllm` command, or a Python that has vLLM."""
    chosen = os.environ.get("HEADWAY_VLLM") or shutil.which("vllm")
    return Path(chosen) if chosen and Path(chosen).exists() else None


def _serve(program: Path) -> tuple[str, ...]:
    if program.name.startswith("python"):
        return (str(program), "-m", "vllm.entrypoints.cli.main", "serve")
    return (str(program), "serve")


def _on_cpu(threads: int) -> dict[str, str]:
    return {"VLLM_CPU_KVCACHE_SPACE": str(CPU_KV_GIB), "OMP_NUM_THREADS": str(threads)}


def _pin_hub(model: Model, address: HubAddress) -> Pinned:
    """The safetensors at the root of the repository, with the texts that say how to use them; no pickle, no code."""
    found = hub.look(address, model.env)
    if found.remote_code:
        raise SourceError(
            f"{model.source} wants code of its own to be run", hint="choose a model that vLLM has built in"
        )
    files = tuple(sorted(name for name in found.files if "/" not in name and name.endswith((".safetensors", *TEXTS))))
    if not any(name.endswith(".safetensors") for name in files):
        raise SourceError(
            f"{model.source}: no safetensors there", hint="a repository of GGUF files is for engine llamacpp"
        )
    return hub.pin(model.source, address, found, files)


def _pin_folder(uri: str, folder: Path) -> Pinned:
    files = tuple(sorted(path.name for path in folder.glob("*.safetensors")))
    if not (folder / "config.json").is_file() or not files:
        hint = "vLLM serves a folder with config.json and *.safetensors; a .gguf file is for engine llamacpp"
        raise SourceError(f"{uri}: no model of safetensors there", hint=hint)
    size = sum((folder / name).stat().st_size for name in files)
    return Pinned(uri=uri, digest=_digest(folder, files), files=files, size_bytes=size)


def _digest(folder: Path, files: Iterable[str]) -> str:
    try:
        found = {name: stamps.digest(folder / name, lambda _: None).partition(":")[2] for name in files}
    except OSError as error:
        raise SourceError(f"{error.filename}: {error.strerror}", hint="check the path and its permissions") from error
    return hub.combined_digest(found)
