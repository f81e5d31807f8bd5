"""The engine `openai`: somebody else's OpenAI-compatible provider. Nothing is launched; the gateway forwards.

source: openai://gpt-4o-mini                     the model as the provider names it
env: {OPENAI_API_KEY: secret:openai/key}         sent as a bearer token; left out = none is sent
args: {base-url: https://openrouter.ai/api}      without /v1; left out = https://api.openai.com
"""

from __future__ import annotations

import ipaddress
from typing import ClassVar
from urllib.parse import urlsplit

from headway.engines.base import Capabilities, External, Launch, Need, Prepared, Report, Settled, Signals, Slot
from headway.errors import EngineError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision
from headway.spec.source import Source
from headway.store.secrets import is_secret

__all__ = ["OpenAIEngine"]

DEFAULT_BASE = "https://api.openai.com"
KEY = "OPENAI_API_KEY"


class OpenAIEngine:
    name = "openai"
    capabilities = Capabilities(tasks=("chat", "completion", "embedding"), schemes=("openai",), external=True)
    ready_path = "/v1/models"
    metrics_path: ClassVar[str | None] = None

    def pin(self, model: Model) -> Pinned:
        """No network: a provider may be down when the file is applied. It pins a name, which is all there is."""
        for key in model.args:
            if key != "base-url":
                raise SpecError(
                    f"engine openai takes base-url alone, not {key!r}", hint="remove it", field=f"args.{key}"
                )
        for key in model.env:
            if key != KEY:
                raise SpecError(f"engine openai takes {KEY} alone, not {key}", hint="remove it", field=f"env.{key}")
        key_name = model.env.get(KEY, "")
        if key_name and not is_secret(key_name):
            raise SpecError(
                "a key in the clear", hint="write secret:NAME/KEY, e.g. secret:openai/key", field=f"env.{KEY}"
            )
        _check_base(str(model.args.get("base-url", DEFAULT_BASE)), bool(key_name))
        return Pinned(uri=model.source)

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        why = {} if model.task else {"task": "chat: what most providers' models do; write task to say otherwise"}
        return Settled(model.task or "chat", dict(model.args), why)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        return Prepared()

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        return Need(0, why="nothing runs here")

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        raise EngineError(f"{revision.model} is served elsewhere and cannot be launched here")

    def signals(self, metrics: str) -> Signals:
        return Signals()

    def external(self, revision: Revision) -> External:
        base = str(revision.args.get("base-url", DEFAULT_BASE)).rstrip("/").removesuffix("/v1")
        return External(base, Source.parse(revision.source.uri).path, revision.env.get(KEY, ""))


def _check_base(base: str, with_key: bool) -> None:
    url = urlsplit(base)
    if url.scheme not in ("https", "http") or not url.hostname:
        raise SpecError(f"found {base!r}", hint="write https://HOST[/PREFIX], without /v1", field="args.base-url")
    if url.scheme == "http" and with_key and not _is_loopback(url.hostname):
        raise SpecError(f"{base} would carry the key in the clear", hint="use https://", field="args.base-url")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
