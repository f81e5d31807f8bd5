"""The address at which a person's command can call the gateway: as it is, or through the API server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headway.cli.on import Place

__all__ = ["reached"]


@contextmanager
def reached(where: Place, snapshot: dict[str, Any], model: dict[str, Any]) -> Iterator[str]:
    """Base URL that ends in /v1, good for as long as the context is."""
    if where.is_local or not snapshot["gateway"]["is_inside"]:
        yield model["address"]
        return
    from headway.cli.forwarding import forwarded  # noqa: PLC0415

    with forwarded(where) as address:
        yield f"{address}/v1"
