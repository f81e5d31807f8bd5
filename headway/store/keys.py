"""API keys: made here, shown once, kept as a hash.

A key is `hw-ID-SECRET`. ID may be shown and names the key to people; SECRET has 238 random bits. What is kept is the
SHA-256 of the whole: a slow hash protects secrets that people choose and others can guess, and nobody guesses 2^238;
a fast one lets the gateway check a key on every request by one look-up.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headway.errors import UsageError
from headway.store.database import Database

__all__ = ["Key", "KeyState", "KeyStore", "NewKey", "hash_key", "made", "replaced", "unknown_key"]

ID_LENGTH = 10
SECRET_LENGTH = 40
_ID_LETTERS = string.ascii_lowercase + string.digits
_SECRET_LETTERS = string.ascii_letters + string.digits
LONGEST_NAME = 100

KeyState = Literal["active", "replaced", "expired", "revoked"]
"""replaced: rotated, and still valid until it expires."""


def hash_key(key: str) -> str:
    """As the store and the RoutingTable have it: hex digits."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """All that is known of a key, which is not the key. Times are Unix seconds; `models` None = all of the Tenant's."""

    id: str
    sha256: str
    tenant: str
    name: str
    models: tuple[str, ...] | None
    created: float
    expires: float | None = None
    revoked: float | None = None
    successor: str | None = None

    def state(self, now: float) -> KeyState:
        if self.revoked is not None:
            return "revoked"
        if self.expires is not None and self.expires <= now:
            return "expired"
        return "replaced" if self.successor else "active"

    def is_valid(self, now: float) -> bool:
        return self.state(now) in ("active", "replaced")


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is the key itself: it exists nowhere else."""

    secret: str
    key: Key


class KeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, tenant: str | None = None) -> list[Key]:
        """Oldest first."""
        query = "SELECT * FROM keys WHERE ? IS NULL OR tenant = ? ORDER BY tenant, created, id"
        return [_key(dict(row)) for row in self._database.rows(query, tenant, tenant)]

    def new(
        self,
        tenant: str,
        *,
        now: float,
        name: str = "",
        models: Sequence[str] | None = None,
        lasts: float | None = None,
    ) -> NewKey:
        """`lasts` in seconds; None = until it is revoked. Raises UsageError when there is no such Tenant."""
        with self._database.transaction() as connection:
            known = [row["name"] for row in self._database.rows("SELECT name FROM tenants ORDER BY name")]
            new = made(tenant, known, now=now, name=name, models=models, lasts=lasts)
            connection.execute(_INSERT, _row(new.key))
        return new

    def revoke(self, key_id: str, now: float) -> Key:
        """At once and for good; again changes nothing."""
        with self._database.transaction() as connection:
            self._named(key_id)
            connection.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (now, key_id))
        return self._named(key_id)

    def rotate(self, key_id: str, grace: float, now: float) -> NewKey:
        """Another key of the same name, scope and span. The old one stays valid for `grace` seconds, not longer than
        it would have been."""
        with self._database.transaction() as connection:
            old = self._named(key_id)
            ending, new = replaced(old, grace, now)
            connection.execute(_INSERT, _row(new.key))
            changes = (ending.expires, ending.successor, key_id)
            connection.execute("UPDATE keys SET expires = ?, successor = ? WHERE id = ?", changes)
        return new

    def _named(self, key_id: str) -> Key:
        rows = self._database.rows("SELECT * FROM keys WHERE id = ?", key_id)
        if not rows:
            raise unknown_key(key_id)
        return _key(dict(rows[0]))


def made(
    tenant: str,
    tenants: Sequence[str],
    *,
    now: float,
    name: str = "",
    models: Sequence[str] | None = None,
    lasts: float | None = None,
) -> NewKey:
    """A key for one of `tenants`, wherever it will be kept. Raises UsageError."""
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError("the name of the key", hint=f"write at most {LONGEST_NAME} letters on one line")
    if tenant not in tenants:
        hint = f"tenants: {', '.join(tenants)}" if tenants else "write kind: Tenant into a file, and headway up it"
        raise UsageError(f"no tenant {tenant!r} here", hint=hint)
    return _generate(tenant, name, models, now, None if lasts is None else now + lasts)


def replaced(old: Key, grace: float, now: float) -> tuple[Key, NewKey]:
    """The old key as it is from now on, and its successor. Raises UsageError."""
    if old.state(now) != "active":
        done = f"was replaced by {old.successor}" if old.state(now) == "replaced" else f"is {old.state(now)}"
        raise UsageError(f"the key {old.id} {done}", hint=f"make one: headway key new {old.tenant}")
    span = None if old.expires is None else now + (old.expires - old.created)
    new = _generate(old.tenant, old.name, old.models, now, span)
    until = now + grace if old.expires is None else min(old.expires, now + grace)
    return replace(old, expires=until, successor=new.key.id), new


def unknown_key(key_id: str) -> UsageError:
    shown = "that is a whole key, not its id" if key_id.startswith("hw-") else f"no key {key_id!r} here"
    return UsageError(shown, hint="headway key ls names them by id")


def _generate(tenant: str, name: str, models: Sequence[str] | None, now: float, expires: float | None) -> NewKey:
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(ID_LENGTH))
    secret = f"hw-{key_id}-" + "".join(secrets.choice(_SECRET_LETTERS) for _ in range(SECRET_LENGTH))
    scope = None if models is None else tuple(models)
    return NewKey(secret, Key(key_id, hash_key(secret), tenant, name, scope, now, expires))


_INSERT = """
    INSERT INTO keys (id, sha256, tenant, name, models, created, expires, revoked, successor)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def _row(key: Key) -> tuple[object, ...]:
    models = None if key.models is None else json.dumps(key.models)
    return (key.id, key.sha256, key.tenant, key.name, models, key.created, key.expires, key.revoked, key.successor)


def _key(row: dict[str, object]) -> Key:
    models = row["models"]
    scope = tuple(json.loads(models)) if isinstance(models, str) else None
    return Key(**{**row, "models": scope})  # type: ignore[arg-type]
