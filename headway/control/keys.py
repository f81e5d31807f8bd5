"""What `headway key` asks, answered from the store (by the control process when it runs, else by the command itself) or
from the Secret of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headway.errors import UsageError
from headway.store.keys import Key, KeyStore, NewKey

if TYPE_CHECKING:
    from headway.sites.kubernetes.keys import ClusterKeys

__all__ = ["answer", "answer_there"]


def answer(keys: KeyStore, verb: str, asked: Mapping[str, Any], now: float) -> dict[str, Any]:
    """As JSON values: `keys` of ls; `key` of revoke; `key` and, this once, `secret` of new and rotate.

    Raises UsageError, and KeyError or TypeError for what no command of this version asks.
    """
    if verb == "ls":
        return _listed(keys.all(asked.get("tenant")), now)
    if verb == "new":
        made = keys.new(
            asked["tenant"], now=now, name=asked.get("name", ""), models=asked.get("models"), lasts=asked.get("lasts")
        )
        return _new(made, now)
    if verb == "revoke":
        return {"key": _told(keys.revoke(asked["id"], now), now)}
    if verb == "rotate":
        return _new(keys.rotate(asked["id"], asked["grace"], now), now)
    raise _nothing(verb)


async def answer_there(keys: ClusterKeys, verb: str, asked: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Likewise of a cluster's keys. Raises ApiRefusal and UnreachableError too."""
    if verb == "ls":
        return _listed(await keys.all(asked.get("tenant")), now)
    if verb == "new":
        more = {name: asked.get(name) for name in ("models", "lasts")}
        return _new(await keys.new(asked["tenant"], now=now, name=asked.get("name", ""), **more), now)
    if verb == "revoke":
        return {"key": _told(await keys.revoke(asked["id"], now), now)}
    if verb == "rotate":
        return _new(await keys.rotate(asked["id"], asked["grace"], now), now)
    raise _nothing(verb)


def _nothing(verb: str) -> UsageError:
    return UsageError(f"nothing to do for key {verb}", hint="is this the same version of headway?")


def _listed(keys: Iterable[Key], now: float) -> dict[str, Any]:
    return {"keys": [_told(each, now) for each in keys]}


def _new(made: NewKey, now: float) -> dict[str, Any]:
    return {"key": _told(made.key, now), "secret": made.secret}


def _told(key: Key, now: float) -> dict[str, Any]:
    """Without its hash, which is of use to nobody."""
    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "state": key.state(now),
        "models": None if key.models is None else list(key.models),
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "successor": key.successor,
    }
