"""Engines that live as long as a test."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests.support.gateway import GatewayProcess, Script, ScriptedEngine

GRPC = "PollerCompletionQueue"  # one for all loops of a process: it stumbles where a test has closed its own


@pytest.fixture(autouse=True)
def nothing_is_swallowed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """asyncio logs what a callback raises; here it fails the test."""
    yield
    said = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.name == "asyncio" and record.levelno >= logging.WARNING and GRPC not in record.getMessage()
    ]
    assert not said


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


@pytest.fixture
def gateways() -> Iterator[list[GatewayProcess]]:
    """What is put into it is stopped after the test."""
    started: list[GatewayProcess] = []
    yield started
    for one in started:
        one.stop()
