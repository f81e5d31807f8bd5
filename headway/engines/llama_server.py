"""What the engines on llama-server share: how it is started, what it takes, what it says of itself."""

from __future__ import annotations

from typing import ClassVar, Literal

from headway.engines import elsewhere, gguf, gguf_choice, llama_flags
from headway.engines.base import External, Launch, Need, Prepared, Slot
from headway.engines.container import GGUF, Container, PodShape
from headway.errors import EngineError
from headway.perf import memory
from headway.spec.revision import Revision
from headway.spec.source import Source

__all__ = ["LlamaServer"]

BUILD = "b11434"
IMAGES = {
    "nvidia": f"ghcr.io/ggml-org/llama.cpp:server-cuda-{BUILD}",
    "amd": f"ghcr.io/ggml-org/llama.cpp:server-rocm-{BUILD}",
    "": f"ghcr.io/ggml-org/llama.cpp:server-{BUILD}",
}
"""By who made the GPU: the build that `llama_build` makes for laptops."""

PROGRAM = "/app/llama-server"
PORT = 8080
THREADS = 2
"""Where nobody says how many cores a Replica has."""

START_SECONDS = 60.0
SLOW_DISK = 50e6
"""Bytes a second; reading the weights at less than this is not a healthy start."""


class LlamaServer:
    """Base of the engines that run llama-server; each brings the weights in its own way."""

    ready_path = "/health"
    metrics_path: ClassVar[str | None] = "/metrics"
    form: ClassVar[Literal["gguf", "bert"]] = "gguf"
    """How the weights come to a pod (`Container.form`)."""

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        if prepared.weights is None:
            raise EngineError(f"{revision.model} has not been prepared", hint="prepare comes before need")
        weights = sum(part.stat().st_size for part in gguf_choice.parts(prepared.weights))
        parts = llama_flags.parts(gguf.read(prepared.weights), weights, revision.args, revision.task)
        return Need(memory.total(parts), START_SECONDS + weights / SLOW_DISK, memory.explain(parts))

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        argv = llama_flags.command(str(prepared.program), str(prepared.weights), revision, slot)
        return Launch(argv, llama_flags.environment(revision.args) | dict(revision.env))

    def external(self, revision: Revision) -> External | None:
        return None

    def container(self, revision: Revision, shape: PodShape) -> Container | None:
        if shape.vendor not in IMAGES:
            raise EngineError(f"llama-server does not run on accelerators of {shape.vendor}", hint="use engine: vllm")
        weights = GGUF if self.form == "bert" else elsewhere.gguf_path(Source.parse(revision.source.uri))
        slot = Slot("", "0.0.0.0", PORT, max(1, round(revision.cpu or THREADS)), ("0",) * shape.gpus)  # noqa: S104
        return Container(
            image=IMAGES[shape.vendor],
            command=(PROGRAM,),
            args=llama_flags.command(PROGRAM, weights, revision, slot)[1:],
            port=PORT,
            ready_path=self.ready_path,
            metrics_path=self.metrics_path,
            env=llama_flags.environment(revision.args) | dict(revision.env),
            form=self.form,
            busy="llamacpp:requests_processing",
            looks="curl",
        )
