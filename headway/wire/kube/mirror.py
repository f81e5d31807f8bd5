"""A copy of the objects of one kind, kept up to date by list and watch, for loops that look often and write seldom.

The list is read whole first (`open`), then a watch goes on from its version; a watch that ends is taken up again, a
version that the server has forgotten (410) is listed anew, and a server that does not answer is asked again with a
back-off while the copy stays as it was: who reads it goes on with what is known (`seen` says since when).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing

from headway.errors import HeadwayError
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref, ref
from headway.wire.kube.resource import Resource

__all__ = ["Mirror"]

log = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.2, 15.0  # seconds
OPENS_WITHIN = 120.0
"""Seconds of a server that asks for patience (it starts, a kind was just made) before that is an error."""


class Mirror:
    """`changed` is called with each object's Ref after the copy has it (or has it no more). `keep`: what of each object
    is kept, where the rest would only take memory."""

    def __init__(
        self,
        cluster: Cluster,
        of: Resource,
        changed: Callable[[Ref], None],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        keep: Callable[[Manifest], Manifest] | None = None,
    ) -> None:
        self._cluster, self._of, self._changed = cluster, of, changed
        self._namespace, self._labels, self._fields = namespace, labels, fields
        self._keep_of = keep or _whole
        self._objects: dict[Ref, Manifest] = {}
        self._version = ""
        self._watching: asyncio.Task[None] | None = None
        self.seen = 0.0
        """When the server was last heard (time.monotonic)."""

    @property
    def objects(self) -> Mapping[Ref, Manifest]:
        return self._objects

    async def open(self) -> None:
        """Read everything once, then go on in the background. Raises what the first list raises, of a server that
        only asks for patience when it did so for OPENS_WITHIN."""
        pause, until = FIRST_RETRY, time.monotonic() + OPENS_WITHIN
        while True:
            try:
                await self._list()
                break
            except ApiRefusal as refusal:
                if not refusal.passes or time.monotonic() + pause > until:
                    raise
                pause = await self._rest(pause, refusal)
        self._watching = asyncio.create_task(self._keep(), name=f"mirror {self._of.plural}")

    def note(self, written: Manifest) -> None:
        """What the server answered to a write of ours: the copy need not wait for the watch to tell it. What the watch
        has come past already it knows better (the object may be gone since)."""
        at, version = ref(written), _number(written)
        if version > max(_number(self._objects.get(at)), _as_number(self._version)):
            self._objects[at] = self._keep_of(written)

    async def close(self) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _keep(self) -> None:
        pause = FIRST_RETRY
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                pause = FIRST_RETRY
            except ApiRefusal as refusal:
                if refusal.status == 410:
                    self._version = ""
                    continue
                pause = await self._rest(pause, refusal)
            except HeadwayError as error:
                pause = await self._rest(pause, error)
            except Exception as error:
                log.exception("the watch of %s broke; it is taken up again", self._of.plural)
                pause = await self._rest(pause, error)

    async def _rest(self, pause: float, error: Exception) -> float:
        log.warning("%s are not watched now (%s); again in %.1f s", self._of.plural, error, pause)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads many watchers
        return min(pause * 2, LONGEST_RETRY)

    async def _list(self) -> None:
        listing = await self._cluster.list(self._of, self._namespace, labels=self._labels, fields=self._fields)
        fresh = {ref(each): self._keep_of(each) for each in listing.items}
        before, self._objects, self._version = self._objects, fresh, listing.version
        self.seen = time.monotonic()
        for each in sorted(before.keys() | fresh.keys()):
            if _version(before.get(each)) != _version(fresh.get(each)):
                self._changed(each)

    async def _watch(self) -> None:
        changes = self._cluster.watch(
            self._of, self._namespace, version=self._version, labels=self._labels, fields=self._fields
        )
        async with aclosing(changes):  # type: ignore[type-var]
            async for change in changes:
                self.seen = time.monotonic()
                self._version = change.object["metadata"]["resourceVersion"]
                if change.type == "BOOKMARK":
                    continue
                at = ref(change.object)
                if change.type == "DELETED":
                    if _number(change.object) >= _number(self._objects.get(at)):  # else it was made anew since
                        self._objects.pop(at, None)
                elif _number(change.object) > _number(self._objects.get(at)):
                    self._objects[at] = self._keep_of(change.object)
                self._changed(at)


def _version(manifest: Manifest | None) -> str:
    return manifest["metadata"]["resourceVersion"] if manifest else ""


def _number(manifest: Manifest | None) -> int:
    return _as_number(_version(manifest))


def _as_number(version: str) -> int:
    """Later versions are greater (Kubernetes API concepts, "Comparing resource versions")."""
    return int(version) if version.isdigit() else -1


def _whole(manifest: Manifest) -> Manifest:
    return manifest
