"""The engine `sglang`: safetensors served by SGLang, on a cluster's GPUs, and on this machine where it is installed.

Found here as `HEADWAY_SGLANG` (the path of a Python that has it), else in Headway's own Python. Sources, pinning and
what is refused are as with vLLM: the pinned folder is served, offline, and code that comes with a model is never run.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from headway.engines import served_folder
from headway.engines.base import Capabilities, Launch, Prepared, Report, Slot
from headway.engines.container import SCRATCH, Container, PodShape
from headway.engines.flags import merge, to_flags
from headway.engines.vllm import Vllm, bring
from headway.errors import EngineError
from headway.spec.revision import Revision
from headway.spec.source import Source

__all__ = ["SETTING", "SgLang", "find"]

SETTING = "HEADWAY_SGLANG"
VERSION = "v0.5.23"
IMAGES: Mapping[str, str] = {
    "nvidia": f"lmsysorg/sglang:{VERSION}",
    "amd": f"lmsysorg/sglang:{VERSION}-rocm700-mi30x",
}
"""By who made the GPU: the release whose metrics `signals` was read from."""

PORT = 30000
MODULE = "sglang.launch_server"
OWNED = (
    "host", "port", "served-model-name", "model", "model-path", "revision", "load-format", "api-key", "enable-metrics",
    "nnodes", "node-rank", "dist-init-addr",
)  # fmt: skip


class SgLang(Vllm):
    name = "sglang"
    capabilities = Capabilities(("chat", "completion", "embedding"), ("hf", "file"), gpu=True)
    owned: ClassVar[tuple[str, ...]] = OWNED
    embedding: ClassVar[Mapping[str, Any]] = {"is-embedding": True}

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        program = find()
        if program is None:
            raise EngineError("no SGLang here", hint=f"pip install sglang, or name its Python in {SETTING}")
        return Prepared(program, bring(revision, report))

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        ours: dict[str, Any] = {"tp-size": len(slot.gpus)} if len(slot.gpus) > 1 else {}
        flags = _flags(revision, str(prepared.weights), slot.host, slot.port, ours)
        quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        return Launch((str(prepared.program), "-m", MODULE, *flags), quiet | dict(revision.env))

    def container(self, revision: Revision, shape: PodShape) -> Container | None:
        """Of several pods all GPUs are one tensor parallel group (SGLang's own multi-node guide)."""
        if shape.vendor not in IMAGES:
            raise EngineError("sglang needs GPUs of NVIDIA or AMD on a cluster", hint="use engine: vllm or llamacpp")
        ours = served_folder.sharing(shape, "tp-size", "mem-fraction-static")
        if shape.pods > 1:
            ours |= {"tp-size": shape.gpus * shape.pods} | served_folder.joining(shape, "dist-init-addr")
        folder = served_folder.path(Source.parse(revision.source.uri))
        return Container(
            image=IMAGES[shape.vendor],
            command=("python3", "-m", MODULE),
            args=_flags(revision, folder, "0.0.0.0", PORT, ours),  # noqa: S104 - in a pod
            port=PORT,
            ready_path=self.ready_path,
            metrics_path=self.metrics_path,
            env={"HF_HUB_OFFLINE": "1"} | served_folder.home("sglang") | dict(revision.env),
            writable=("/tmp", SCRATCH),  # noqa: S108 - a mount of its own
            shared_memory_bytes=served_folder.SHARED_MEMORY if shape.gpus > 1 else 0,
            busy="sglang:num_running_reqs",
        )


def find() -> Path | None:
    """The Python that has it. Raises EngineError for a wrong setting."""
    if chosen := os.environ.get(SETTING):
        path = Path(chosen).expanduser().absolute()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise EngineError(f"{SETTING}={chosen}: no such program", hint="name a python, or unset it")
        return path
    return Path(sys.executable) if importlib.util.find_spec("sglang") else None


def _flags(revision: Revision, folder: str, host: str, port: int, ours: Mapping[str, Any]) -> tuple[str, ...]:
    owned = {
        "model-path": folder,
        "served-model-name": revision.model,
        "host": host,
        "port": port,
        "load-format": "safetensors",
        "enable-metrics": True,
    }
    return (*to_flags(owned), *to_flags(merge(ours, revision.args)))
