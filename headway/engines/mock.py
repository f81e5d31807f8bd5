"""The engine `mock`: our own server instead of a model and a GPU, for trying and testing everything above it.
Source `builtin://mock`.

`args` are the flags of `headway mock-engine`: {profile: h100-8b, adapters: "legal,code", max-loras: 1}. It speaks
vLLM's API and metrics, so what works with it works with vLLM.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from headway.engines.base import Capabilities, External, Launch, Need, Prepared, Report, Settled, Slot
from headway.engines.container import Container, PodShape
from headway.engines.flags import refuse_owned, to_flags
from headway.engines.own_image import own_image
from headway.errors import SourceError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision

__all__ = ["MockEngine"]

PORT = 8000
"""In a pod."""

MEMORY_BYTES = 64 << 20
"""A Python process with uvloop is about 30 MB resident; the rest is for its callers."""


class MockEngine:
    name = "mock"
    capabilities = Capabilities(tasks=("chat", "completion", "embedding"), schemes=("builtin",))
    ready_path = "/health"
    metrics_path: ClassVar[str | None] = "/metrics"

    def pin(self, model: Model) -> Pinned:
        if model.source != "builtin://mock":
            raise SourceError(f"engine mock does not serve {model.source}", hint="use source: builtin://mock")
        refuse_owned(model.args, ("host", "port", "alias", "count", "speeds"))
        return Pinned(uri=model.source)

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        why = {} if model.task else {"task": "chat: the mock's default"}
        return Settled(model.task or "chat", dict(model.args), why)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        return Prepared(program=Path(sys.executable))

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        return Need(MEMORY_BYTES, start_seconds=10.0, why="64 MB: the mock engine has no weights")

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        own = {"host": slot.host, "port": slot.port, "alias": revision.model}
        argv = (sys.executable, "-P", "-m", "headway.engines.mock_server", *to_flags(own | dict(revision.args)))
        return Launch(argv, dict(revision.env))

    def external(self, revision: Revision) -> External | None:
        return None

    def elsewhere(self, model: Model) -> tuple[Pinned, Settled]:
        pinned = self.pin(model)
        return pinned, self.settle(model, pinned)

    def container(self, revision: Revision, shape: PodShape) -> Container | None:
        own = {"host": "0.0.0.0", "port": PORT, "alias": revision.model}  # noqa: S104 - in a pod
        return Container(
            image=own_image(),
            command=("headway", "mock-engine"),
            args=to_flags(own | dict(revision.args)),
            port=PORT,
            ready_path=self.ready_path,
            metrics_path=self.metrics_path,
            env=dict(revision.env),
            busy="vllm:num_requests_running",
            form="",
        )
