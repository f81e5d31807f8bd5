"""Whom `headway bench` asks: an address, a Model of this machine's Headway, or what that Headway serves; and with
which keys.

A key is told to the server and to nobody else: it is neither printed nor written into a file of a run.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from headway.cli.client import ControlClient
from headway.errors import UnreachableError, UsageError

__all__ = ["Server", "model_of", "server_asked"]

KEY_VARIABLES = ("HEADWAY_API_KEY", "OPENAI_API_KEY")
TASKS = {"chat": ("chat",), "completion": ("completion", "chat"), "embedding": ("embedding",)}
"""Which Models do what is asked for."""
LIST_WITHIN = 10.0
"""Seconds for a list of models."""
MOST_LISTED = 1_000_000
"""Bytes of such a list."""
_TENANT_KEY = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?)=([^=].*)")


@dataclass(frozen=True, slots=True)
class Server:
    """`keys`: tenant -> key, "" for all others. `models`: those that are known without asking it, by operation."""

    url: str
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    models: tuple[tuple[str, str], ...] = ()


def server_asked(target: str | None, keys: Sequence[str]) -> Server:
    """Raises UsageError, SecretError or UnreachableError."""
    found = _keys(keys)
    if target is not None and (target == "localhost" or any(mark in target for mark in ":./")):
        return Server(_url(target), found)
    snapshot = ControlClient().get("/state")
    models = tuple((each["name"], each["task"]) for each in snapshot["models"])
    if target is not None:
        if target not in [name for name, _ in models]:
            known = ", ".join(name for name, _ in models) or "none"
            raise UsageError(f"no model {target!r} here", hint=f"models: {known}; or give an address: http://HOST:PORT")
        models = tuple(each for each in models if each[0] == target)
    return Server(snapshot["gateway"]["address"], found, models)


def model_of(server: Server, operation: str) -> str:
    """The one model that there is. Raises UsageError with the names where there are several."""
    names = [name for name, task in server.models if task in TASKS[operation]]
    names = names if server.models else _listed(server)
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(f"{server.url}: no model for {operation}", hint="say which: --model NAME")
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    raise UsageError("which model?", hint=f"--model NAME; {server.url} has {shown}")


def _url(target: str) -> str:
    url = target if "://" in target else f"http://{target}"
    parts = urlsplit(url)
    try:
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        known = False
    if not known or parts.username or parts.query or parts.fragment:
        raise UsageError(
            f"{_without_user(target)}: no address of a server", hint="write http://HOST:PORT, or https://HOST/PATH"
        )
    return url.rstrip("/")


def _without_user(target: str) -> str:
    """user:password@ may stand in it, and is nobody's business."""
    return re.sub(r"//[^/@]*@", "//", target)


def _keys(given: Sequence[str]) -> dict[str, str]:
    from headway.store.secrets import is_secret, resolve_secret  # noqa: PLC0415

    found: dict[str, str] = {}
    for each in given:
        match = _TENANT_KEY.fullmatch(each)
        tenant, value = (match[1], match[3]) if match else ("", each)
        if tenant in found:
            raise UsageError(
                f"--key: two keys for {tenant or 'everybody'}", hint="give each tenant's once: --key TENANT=KEY"
            )
        found[tenant] = resolve_secret(value) if is_secret(value) else value
    if "" not in found and (default := next(filter(None, map(os.environ.get, KEY_VARIABLES)), None)):
        found[""] = default
    for tenant, value in found.items():
        if not value.isascii() or not value.isprintable() or " " in value:
            raise UsageError(
                f"the key of {tenant or 'everybody'} has characters that no header may have",
                hint="check where it comes from",
            )
    return found


def _listed(server: Server) -> list[str]:
    """GET /v1/models."""
    url = urlsplit(server.url)
    path = url.path.removesuffix("/v1") + "/v1/models"
    headers = {"authorization": f"Bearer {server.keys['']}"} if "" in server.keys else {}
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=LIST_WITHIN)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        told: Any = json.loads(answer.read(MOST_LISTED))
        if answer.status != 200:
            raise UsageError(
                f"{server.url}: status {answer.status} for the list of models",
                hint="say which: --model NAME; and --key KEY where it wants one",
            )
        return [str(each["id"]) for each in told["data"]]
    except (OSError, ssl.SSLError) as error:
        raise UnreachableError(
            f"{server.url}: {error.strerror or error}", hint="check the address, and that the server runs"
        ) from error
    except (ValueError, KeyError, TypeError, http.client.HTTPException):
        raise UsageError(f"{server.url}: tells no list of models", hint="say which: --model NAME") from None
    finally:
        connection.close()
