"""An Envoy before a picker, for as long as a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from headway.gateway.table import ModelRoute
from tests.support.gateway import ScriptedEngine
from tests.support.picker import EnvoyProcess, PickerProcess

Fronted = Callable[..., Awaitable[tuple[EnvoyProcess, PickerProcess]]]


@pytest.fixture
async def fronted(tmp_path: Path) -> AsyncIterator[Fronted]:
    """`await fronted(engines, *models)` starts a picker over the models, and an Envoy before the engines."""
    started: list[Any] = []

    async def start(
        engines: list[ScriptedEngine], *models: ModelRoute, more: tuple[str, ...] = (), envoy: Any = None, **beside: Any
    ) -> tuple[EnvoyProcess, PickerProcess]:
        picker = PickerProcess(tmp_path, *models, more=more, **beside)
        started.append(picker)
        front = EnvoyProcess(tmp_path, picker.front_port, [each.port for each in engines], **(envoy or {}))
        started.append(front)
        await front.ready()
        return front, picker

    yield start
    for each in reversed(started):
        each.stop()
