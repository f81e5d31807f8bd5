"""Who calls: the key in `authorization`, found by its hash among those of the table.

Without a Tenant in the table the gateway is open, to callers on this machine alone. With one, every call needs a key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from xxhash import xxh3_64_intdigest

from headway.gateway.salt import tenant_salt
from headway.gateway.table import KeyEntry, RoutingTable, TenantRule
from headway.policy.admission import Ceiling, ceilings
from headway.policy.budget import BUDGETS
from headway.wire.openai import Refusal

__all__ = ["Caller", "Keyring", "caller_of"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A key and its tenant, with its limits made ready (`names` and `sizes` tell of them). `seed` keeps its prompts
    apart in caches, `salt` in those of engines; 0 and empty = shared."""

    key: KeyEntry
    rule: TenantRule
    limits: tuple[Ceiling, ...]
    seed: int
    salt: str
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    budgeted: bool  # one of its limits is a budget
    may: set[str]  # models that were found in its scope


def caller_of(key: KeyEntry, rule: TenantRule, salt: bytes = b"") -> Caller:
    limits = ceilings(rule)
    names, sizes = tuple(each.limit.name.lower() for each in limits), tuple(each.size for each in limits)
    own = tenant_salt(rule.name, salt) if rule.isolated and salt else ""
    budgeted = any(each.limit in BUDGETS for each in limits)
    return Caller(key, rule, limits, _seed(rule), own, names, sizes, budgeted, set())


class Keyring:
    def __init__(self, table: RoutingTable, salt: bytes) -> None:
        self.closed = bool(table.tenants)
        rules = {rule.name: rule for rule in table.tenants}
        self._callers = {
            key.sha256: caller_of(key, rules[key.tenant], salt) for key in table.keys if key.tenant in rules
        }

    def find(self, headers: dict[bytes, bytes], *, near: bool) -> Caller | Refusal | None:
        """Who it is; None when nobody needs a key here. `near`: the caller is on this machine."""
        if not self.closed:
            return None if near else _NOT_NEAR
        sent = headers.get(b"authorization", b"")
        key = sent[7:].strip() if sent[:7].lower() == b"bearer " else headers.get(b"x-api-key", b"")
        if not key:
            return _NO_KEY
        caller = self._callers.get(hashlib.sha256(key).hexdigest())
        if caller is None:
            return Refusal(401, "invalid_api_key", f"The API key {_shown(key)} is not one of this gateway's.")
        return caller


_NO_KEY: Final = Refusal(
    401,
    "invalid_api_key",
    "An API key is needed: send `authorization: Bearer hw-…` or `x-api-key: hw-…`; headway key new makes one.",
)
_NOT_NEAR: Final = Refusal(
    401,
    "invalid_api_key",
    "Without a Tenant this gateway is open to callers on its own machine alone; add a Tenant, and a key for you.",
)


def _shown(key: bytes) -> str:
    """As much as helps to find which key it was."""
    text = key[:10].decode("latin-1")
    return repr(text + "…") if text.isprintable() else "sent"


def _seed(rule: TenantRule) -> int:
    """The same in all workers, for they share what they know of caches."""
    return xxh3_64_intdigest(rule.name.encode(), 1) if rule.isolated else 0
