"""The engine `openai`: a model that somebody else serves. Nothing runs here; the gateway forwards.

    source: openai://gpt-4o-mini                    at https://api.openai.com
    source: openai://api.example.com/prefix/NAME    at https://api.example.com/prefix; the first of several parts is a
                                                    host when it has a dot or a port, or is localhost
    source: openai://org/NAME                       with args: {base-url: https://router.example.com/api}:
                                                    all of org/NAME is the name of the model
    env: {OPENAI_API_KEY: secret:openai/key}        sent as a bearer token; left out = none is sent

A loopback host is asked by http, every other one by https; plain http elsewhere needs base-url and takes no key.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from headway.engines import sources
from headway.engines.base import Capabilities, External, Launch, Need, Prepared, Report, Settled, Slot
from headway.engines.container import Container, PodShape
from headway.engines.flags import merge
from headway.errors import EngineError, SourceError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision, Task
from headway.spec.source import Source
from headway.store.secrets import is_secret

__all__ = ["OpenAI"]

DEFAULT = "https://api.openai.com"
KEY = "OPENAI_API_KEY"


class OpenAI:
    name = "openai"
    capabilities = Capabilities(("chat", "completion", "embedding"), ("openai",), external=True)
    ready_path = "/v1/models"
    metrics_path: ClassVar[str | None] = None

    def pin(self, model: Model) -> Pinned:
        """Nothing to fetch and nobody is asked: what the provider serves under the name is the provider's
        affair."""
        _address(sources.parse(model), model.args, model.env)
        return Pinned(uri=model.source)

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        if model.task:
            return Settled(model.task, merge({}, model.args), {})
        task: Task = "embedding" if "embed" in model.source.rpartition("/")[2] else "chat"
        return Settled(task, merge({}, model.args), {"task": f"{task}: by the model's name"})

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        return Prepared()

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        return Need(0, why="somebody else serves it")

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        raise EngineError(f"{revision.model} is served by somebody else", hint="there is nothing to launch")

    def external(self, revision: Revision) -> External | None:
        return _address(Source.parse(revision.source.uri), revision.args, revision.env)

    def elsewhere(self, model: Model) -> tuple[Pinned, Settled]:
        pinned = self.pin(model)
        return pinned, self.settle(model, pinned)

    def container(self, revision: Revision, shape: PodShape) -> Container | None:
        return None


def _address(source: Source, args: Mapping[str, Any], env: Mapping[str, str]) -> External:
    if source.scheme != "openai":
        raise sources.refuse(source, "openai", "write openai://MODEL or openai://HOST/MODEL")
    key = _key(env)
    base, name = _base_url(args), source.path
    host, slash, rest = source.path.partition("/")
    if not base and slash and _is_host(host):
        prefix, _, name = rest.rpartition("/")
        base = f"{'http' if _is_loopback(host) else 'https'}://{host}/{prefix}".rstrip("/")
    base = base or DEFAULT
    if not name:
        raise SourceError(f"{source} names no model", hint="write openai://HOST/MODEL")
    parts = urlsplit(base)
    if key and parts.scheme == "http" and not _is_loopback(parts.netloc):
        raise SpecError(
            f"{base}: the key would travel in the clear", hint="use https, or no key", field="args.base-url"
        )
    return External(base.removesuffix("/v1"), name, key)


def _base_url(args: Mapping[str, Any]) -> str:
    given = merge({}, args)
    base = str(given.pop("base-url", "") or "").rstrip("/")
    if given:
        field = f"args.{next(iter(given))}"
        raise SpecError("nothing is launched here, so there is nobody to give it to", hint="remove it", field=field)
    parts = urlsplit(base)
    if base and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.username):
        raise SpecError(f"found {base!r}, use http(s)://host[:port][/prefix]", field="args.base-url")
    return base


def _key(env: Mapping[str, str]) -> str:
    for name, value in env.items():
        if name != KEY:
            raise SpecError(
                "nothing is launched here, so it has no environment", hint=f"only {KEY}", field=f"env.{name}"
            )
        if not is_secret(value):
            raise SpecError("a key is named, never written here", hint="write secret:NAME/KEY", field=f"env.{name}")
    return env.get(KEY, "")


def _is_host(part: str) -> bool:
    return "." in part or ":" in part or part == "localhost"


def _is_loopback(netloc: str) -> bool:
    host = urlsplit(f"//{netloc}").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
