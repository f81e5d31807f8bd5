"""What keeps a tenant's prompts apart inside engines: `cache_salt`, which they mix into the keys of their caches.

A tenant's salt is a keyed hash of its name, so no caller can make another's; what a caller sends itself is hashed into
it. The key is the hub's (`hub.saltkey`), the same in all workers.
"""

from __future__ import annotations

import hashlib

__all__ = ["SALTED_ENGINES", "SALTED_PATHS", "salt_within", "tenant_salt"]

SALTED_ENGINES = frozenset(("vllm", "sglang", "mock"))
"""Those that know the field. Others would refuse the call, or ignore the field and keep nobody apart."""
SALTED_PATHS = frozenset(("/v1/responses",))
"""Besides chat and completions, whatever path those came by."""

_BYTES = 32


def tenant_salt(tenant: str, key: bytes) -> str:
    return hashlib.blake2b(tenant.encode(), key=key, digest_size=_BYTES).hexdigest()


def salt_within(salt: str, own: str | None) -> str:
    """The tenant's salt, or what its caller's own makes of it."""
    return hashlib.blake2b(own.encode(), key=bytes.fromhex(salt), digest_size=_BYTES).hexdigest() if own else salt
