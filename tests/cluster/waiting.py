"""Waiting for what others do, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["until"]


async def until(what: Callable[[], Awaitable[Any]], deadline: float = 120.0) -> Any:
    """The first true value of `await what()`."""
    async with asyncio.timeout(deadline):
        while not (found := await what()):  # noqa: ASYNC110 - others do it
            await asyncio.sleep(0.05)
        return found
