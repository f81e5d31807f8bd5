"""Engines that live as long as a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.gateway import Script, ScriptedEngine

Start = Callable[..., Awaitable[ScriptedEngine]]


@pytest.fixture
async def engine() -> AsyncIterator[Start]:
    """`await engine(script, …)` starts a ScriptedEngine."""
    started: list[ScriptedEngine] = []

    async def start(*scripts: Script) -> ScriptedEngine:
        started.append(await ScriptedEngine(*scripts).start())
        return started[-1]

    yield start
    for one in started:
        await one.stop()
