"""What a user may ask of the control process: want these Models, want them no more, explain.

`apply` answers when the wish is on disk with every source pinned to exact content; from then on the loop works on it,
through kills and restarts. A wish that cannot be pinned changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from headway.control.loop import ControlLoop
from headway.control.settings import ControlSettings
from headway.engines import registry
from headway.errors import HeadwayError, UsageError
from headway.spec.model import Model
from headway.store.models import Change, DesiredModel

__all__ = ["Desire"]


class Desire:
    def __init__(self, control: ControlLoop, settings: ControlSettings) -> None:
        self._control, self._settings = control, settings
        self._one_at_a_time = asyncio.Lock()

    async def apply(self, models: Sequence[Model], *, prune: bool, origin: str) -> list[Change]:
        """Pin every source, then want all of it in one transaction. Raises the first fault; nothing changes then."""
        async with self._one_at_a_time:
            known = self._control.models.all()
            wanted = await asyncio.gather(*(self._pin(model, known.get(model.name), origin) for model in models))
            changes = self._control.models.apply(wanted, prune=prune, now=time.time())
        self._control.poke()
        await self._control.passed()
        return changes

    async def remove(self, name: str | None, grace: float) -> list[str]:
        """Want it no more (None: nothing at all); return when its Replicas are gone."""
        async with self._one_at_a_time:
            there = {each.model for each in self._control.site.replicas()}
            if name is not None and name not in self._control.models.all() and name not in there:
                known = ", ".join(self._control.models.all()) or "none"
                raise UsageError(f"no model {name!r} here", hint=f"models: {known}")
            gone = self._control.models.remove(name)
        self._control.poke()
        deadline = self._settings.drain_deadline + self._settings.stop_grace + grace
        try:
            async with asyncio.timeout(deadline):
                while any(name in (None, each.model) for each in self._control.site.replicas()):
                    await self._control.passed()
        except TimeoutError:
            raise HeadwayError(
                f"{name or 'some replicas'} did not end within {deadline:.0f} s",
                hint="see headway ls and headway logs",
            ) from None
        return gone

    async def _pin(self, model: Model, known: DesiredModel | None, origin: str) -> DesiredModel:
        here = model.on(self._control.site.name, self._control.site.kind)
        revised = await asyncio.to_thread(registry.revise, here)
        return DesiredModel(
            model=here,
            revision=revised.revision,
            derived=revised.derived,
            origin=origin,
            created=known.created if known else time.time(),
        )
