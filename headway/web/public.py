"""What the page is told of a Snapshot: whoever reaches the page needs no key, so nothing of the Tenants.

Who they are and what they spent is theirs; the command shows it, over a socket that only this user may open.
"""

from __future__ import annotations

import msgspec

from headway.control.snapshot import Snapshot

__all__ = ["public_json"]


def public_json(snapshot: Snapshot) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(snapshot, tenants=[], routes=[]))
