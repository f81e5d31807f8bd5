"""The engine `llamacpp`: GGUF files served by llama-server, on CPU or GPU.

Sources: builtin://NAME, file:///path.gguf, hf://org/name[@revision][/file.gguf]. The server is found or built
by `llama_build`; its command line and memory are in `llama_flags`.
"""

from __future__ import annotations

from dataclasses import replace

from headway.engines import elsewhere, gguf_sources, llama_build, llama_flags, sources
from headway.engines.base import Capabilities, Prepared, Report, Settled
from headway.engines.flags import merge, refuse_owned
from headway.engines.gguf_sources import Known
from headway.engines.llama_server import LlamaServer
from headway.errors import SpecError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision, Task

__all__ = ["LlamaCpp"]

OWN_TEMPLATE = frozenset({"chat-template", "chat-template-file"})


class LlamaCpp(LlamaServer):
    name = "llamacpp"
    capabilities = Capabilities(("chat", "completion", "embedding"), ("builtin", "file", "hf"), gpu=True)

    def pin(self, model: Model) -> Pinned:
        refuse_owned(model.args, llama_flags.OWNED)
        return gguf_sources.pin(model, sources.parse(model))

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        return self._settled(model, gguf_sources.know(sources.parse(model), pinned))

    def elsewhere(self, model: Model) -> tuple[Pinned, Settled]:
        refuse_owned(model.args, llama_flags.OWNED)
        source, pinned = elsewhere.source_of(model), elsewhere.pin(model)
        if source.scheme == "builtin":
            return pinned, self._settled(model, gguf_sources.know(source, pinned))
        task, why = elsewhere.task_of(model)
        settled = self._settled(model.model_copy(update={"task": task}), Known())
        return pinned, replace(settled, why=({"task": why} if why else {}) | dict(settled.why))

    def _settled(self, model: Model, known: Known) -> Settled:
        given = merge({}, model.args)
        task, why = _task(model, known, own_template=not OWN_TEMPLATE.isdisjoint(given))
        derived = {} if model.task else {"task": why}
        settled = llama_flags.defaults(task, known.context, given)
        settled |= {key: (value, "this model answers best so") for key, value in known.advice.items()}
        for key, (value, reason) in settled.items():
            if key not in given:
                given[key] = value
                derived[f"args.{key}"] = f"{value}: {reason}"
        return Settled(task, given, derived)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        llama_build.foresee()
        weights = gguf_sources.bring(revision, report)
        program = llama_build.ensure(report)
        if revision.gpu not in ("", "cpu", "auto"):
            llama_build.check_gpu(program, revision.gpu)
        return Prepared(program, weights)


def _task(model: Model, known: Known, *, own_template: bool) -> tuple[Task, str]:
    """The task and why. Raises SpecError for a chat with a model that cannot."""
    if model.task == "chat" and known.chat_template is False and not own_template:
        raise SpecError(
            f"{model.source} has no chat template",
            hint="use task: completion, or give one: args: {chat-template: chatml}",
            field="task",
        )
    if model.task:
        return model.task, "as written"
    if known.task == "embedding":
        return "embedding", "embedding: its architecture embeds and does not generate"
    if known.chat_template or own_template:
        return "chat", "chat: it has a chat template"
    if known.chat_template is None:
        return "chat", "chat: assumed, the hub does not tell of a chat template"
    return "completion", "completion: it has no chat template"
