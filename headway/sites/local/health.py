"""What the probes of one engine say: is it ready yet, and later, has it stopped answering.

Silence and refusal are told apart from an error: a ready engine that answers its health path with an error is alive
and may be busy, so it is left alone far longer than one that says nothing, and as long as it still makes tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from headway.engines.signals import Signals
from headway.errors import UnreachableError
from headway.sites.local.marks import Marks
from headway.sites.local.settings import LocalSettings
from headway.wire.probe import get

__all__ = ["HOST", "answers_ready", "until_ready", "until_unwell"]

HOST = "127.0.0.1"

_BACK_OFF = 0.05
"""Readiness is asked for again after this share of the time already waited: the answer comes at most 5 % late."""


async def answers_ready(marks: Marks, timeout: float) -> bool:
    try:
        return (await get(HOST, marks.port, marks.ready_path, timeout=timeout)).status == 200
    except UnreachableError:
        return False


async def until_ready(marks: Marks, settings: LocalSettings) -> str | None:
    """None when the engine is ready; after `start_seconds` without that, what it said last."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while True:
        try:
            answer = await get(HOST, marks.port, marks.ready_path, timeout=settings.live_probe_timeout)
            if answer.status == 200:
                return None
            last = f"{marks.ready_path} answers {answer.status}"
        except UnreachableError as error:
            last = error.message
        waited = loop.time() - begun
        if waited >= marks.start_seconds:
            return f"not ready within {marks.start_seconds:g} s; {last}"
        pause = min(settings.ready_probe_slowest, max(settings.ready_probe_first, waited * _BACK_OFF))
        await asyncio.sleep(min(pause, marks.start_seconds - waited))


async def until_unwell(
    marks: Marks, settings: LocalSettings, read_signals: Callable[[], Awaitable[Signals | None]]
) -> str:
    """Watch a ready engine; returns, as words, why it is to be ended."""
    loop = asyncio.get_running_loop()
    silent = 0
    well_at, tokens = loop.time(), None
    while True:
        await asyncio.sleep(settings.live_probe_every)
        signals = await read_signals()
        try:
            answer = await get(HOST, marks.port, marks.ready_path, timeout=settings.live_probe_timeout)
        except UnreachableError as error:
            silent += 1
            if silent >= settings.live_probes_silent:
                return f"was ready, then no answer to {silent} probes in a row: {error.message}"
            continue
        silent = 0
        made = signals.generated_tokens if signals else None
        if answer.status < 500 or made != tokens:
            well_at, tokens = loop.time(), made
        elif loop.time() - well_at >= settings.sick_seconds:
            return f"was ready, then {marks.ready_path} answered {answer.status} for {settings.sick_seconds:g} s"
