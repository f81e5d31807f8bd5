"""API keys of a cluster: their hashes, in one Secret of the system namespace, an entry a key.

    data: {ID: {"sha256": …, "tenant": …, "of": uid of the Tenant, "name": …, "models": …, "created": …, …}}

A key belongs to the Tenant object that was there when it was made: one that is deleted and made anew begins without
keys. Who may write this Secret may let anybody in; who reads it learns no key. Gateways watch it, so a revoked key is
refused as soon as the API server has it. One Secret has room for about 4,000 keys (1 MiB).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar

import msgspec

from headway.errors import HeadwayError, ResourceError
from headway.sites.kubernetes.labels import MANAGED, SYSTEM
from headway.store.keys import Key, NewKey, made, replaced, unknown_key
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["SECRET", "ClusterKeys", "keys_in"]

SECRET = "headway-keys"  # noqa: S105 - its name
TRIES = 5
"""Of a write that met another one."""
KEPT = 30 * 86_400.0
"""Seconds that a key which has ended is still listed; then the next new key takes its room."""
_CONFLICT, _UNPROCESSABLE = 409, 422

Tenants = Mapping[str, str]
"""Name -> uid."""
Entries = dict[str, str | None]
"""Id -> a key as it is kept; None removes it."""
Done = TypeVar("Done")


def keys_in(secret: Manifest | None, tenants: Tenants) -> list[Key]:
    """Those of the Tenants that there are. Entries that are no keys are passed over."""
    data = (secret or {}).get("data") or {}
    keys = [key for name, text in data.items() if (key := _read(name, text, tenants)) is not None]
    return sorted(keys, key=lambda key: (key.tenant, key.created, key.id))


class ClusterKeys:
    """What store.keys.KeyStore does, for a cluster. Raises UsageError, ApiRefusal, UnreachableError."""

    def __init__(self, cluster: Cluster, namespace: str = SYSTEM, secret: str = SECRET) -> None:
        self._cluster, self._namespace, self._secret = cluster, namespace, secret

    async def all(self, tenant: str | None = None) -> list[Key]:
        """Oldest first."""
        found = keys_in(await self._get(), await self._tenants())
        return [each for each in found if tenant in (None, each.tenant)]

    async def new(self, tenant: str, *, now: float, **more: Any) -> NewKey:
        """`more`: name, models, lasts, as store.keys.made has them."""

        def work(keys: list[Key], tenants: Tenants) -> tuple[NewKey, Entries]:
            new = made(tenant, sorted(tenants), now=now, **more)
            gone: Entries = {each.id: None for each in keys if _ended(each) < now - KEPT}
            return new, gone | {new.key.id: _written(new.key, tenants)}

        return await self._change(work)

    async def revoke(self, key_id: str, now: float) -> Key:
        """At once and for good; again changes nothing."""

        def work(keys: list[Key], tenants: Tenants) -> tuple[Key, Entries]:
            key = _named(keys, key_id)
            if key.revoked is not None:
                return key, {}
            key = replace(key, revoked=now)
            return key, {key_id: _written(key, tenants)}

        return await self._change(work)

    async def rotate(self, key_id: str, grace: float, now: float) -> NewKey:
        """As KeyStore.rotate: both entries are written together."""

        def work(keys: list[Key], tenants: Tenants) -> tuple[NewKey, Entries]:
            ending, new = replaced(_named(keys, key_id), grace, now)
            return new, {key_id: _written(ending, tenants), new.key.id: _written(new.key, tenants)}

        return await self._change(work)

    async def _change(self, work: Callable[[list[Key], Tenants], tuple[Done, Entries]]) -> Done:
        """Read, work, write what was not changed meanwhile; else begin again."""
        for _ in range(TRIES):
            secret, tenants = await self._get(), await self._tenants()
            done, entries = work(keys_in(secret, tenants), tenants)
            if not entries or await self._put(secret, entries):
                return done
        raise HeadwayError(f"others write {self._place} at the same time", hint="try again")

    async def _put(self, before: Manifest | None, entries: Entries) -> bool:
        """False: somebody else was faster."""
        change: Manifest = {"stringData": entries}
        if gone := [name for name, text in entries.items() if text is None]:
            change = {
                "data": dict.fromkeys(gone),
                "stringData": {name: text for name, text in entries.items() if text is not None},
            }
        try:
            if before is None:
                await self._cluster.create(self._fresh(change["stringData"]))
            else:
                version = {"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}}
                await self._cluster.patch(resource("Secret"), self._secret, version | change, self._namespace)
        except ApiRefusal as refusal:
            if refusal.status == _CONFLICT:
                return False
            if refusal.status == _UNPROCESSABLE:
                full = f"{self._place} takes no more: {refusal.message}"
                raise ResourceError(full, hint="end keys that nobody uses") from None
            raise
        return True

    def _fresh(self, entries: Mapping[str, str | None]) -> Manifest:
        metadata = {"name": self._secret, "namespace": self._namespace, "labels": {MANAGED: "headway"}}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": entries}

    async def _get(self) -> Manifest | None:
        return await self._cluster.get(resource("Secret"), self._secret, self._namespace)

    async def _tenants(self) -> dict[str, str]:
        listing = await self._cluster.list(resource("Tenant"), self._namespace)
        return {each["metadata"]["name"]: each["metadata"]["uid"] for each in listing.items}

    @property
    def _place(self) -> str:
        return f"Secret {self._namespace}/{self._secret}"


def _named(keys: list[Key], key_id: str) -> Key:
    found = next((each for each in keys if each.id == key_id), None)
    if found is None:
        raise unknown_key(key_id)
    return found


def _ended(key: Key) -> float:
    """Unix seconds; infinite for one that is valid until somebody ends it."""
    return min(each for each in (key.revoked, key.expires, float("inf")) if each is not None)


def _written(key: Key, tenants: Tenants) -> str:
    fields = {name: value for name, value in asdict(key).items() if name != "id" and value not in (None, "")}
    return msgspec.json.encode(fields | {"of": tenants[key.tenant]}).decode()


class _Entry(msgspec.Struct):
    """One key in the Secret. Unknown fields are a newer Headway's."""

    sha256: str
    tenant: str
    of: str
    created: float
    name: str = ""
    models: tuple[str, ...] | None = None
    expires: float | None = None
    revoked: float | None = None
    successor: str | None = None


def _read(key_id: str, text: str, tenants: Tenants) -> Key | None:
    try:
        found = msgspec.json.decode(base64.b64decode(text), type=_Entry)
    except (ValueError, msgspec.MsgspecError):
        return None
    if tenants.get(found.tenant) != found.of:
        return None
    return Key(
        key_id,
        found.sha256,
        found.tenant,
        found.name,
        found.models,
        found.created,
        found.expires,
        found.revoked,
        found.successor,
    )
