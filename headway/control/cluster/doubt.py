"""When a cluster takes all Replicas of a Model for not ready at once, they are asked themselves.

A Replica that is not ready is not routed to: the kubelet has asked it. But where a node's kubelet or the API server was
away for a minute, the node lifecycle controller marks every pod of the node as not ready, and engines that answer every
second caller would be given up together. So the Replicas that were used a moment ago are asked for what their own probe
asks; those that answer stay, until the cluster takes at least one for ready. Who does not answer, is leaving, or was
never ready is believed to be as the cluster says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from headway.control.routes import endpoint_id
from headway.errors import UnreachableError
from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from headway.wire.probe import get

__all__ = ["Doubt", "answers"]

log = logging.getLogger(__name__)

Ask = Callable[[Replica, str], Awaitable[bool]]
AT_ONCE = 64
SECONDS = 2.0
"""For one answer: longer than a readiness probe has (1 s, Kubernetes' default), shorter than a caller waits."""
MOMENT = 120.0
"""Seconds after which one that was given up is no more remembered: pods of one node are marked one by one."""


async def answers(replica: Replica, path: str) -> bool:
    """Whether it says of itself that it is ready."""
    try:
        return (await get(replica.host, replica.port, path, timeout=SECONDS)).status == 200
    except UnreachableError:
        return False


class Doubt:
    """Remembers who was ready, and when."""

    def __init__(self, ask: Ask = answers) -> None:
        self._ask = ask
        self._used: dict[str, float] = {}
        self.lasts = False
        """Whether somebody was asked the last time."""
        self._told: frozenset[str] = frozenset()

    async def settled(self, replicas: Iterable[Replica], paths: Mapping[str, str], now: float) -> tuple[Replica, ...]:
        """The Replicas as they are to be routed to. `paths`: what each Model's engine is asked for; `now`: seconds."""
        replicas = tuple(replicas)
        served = {each.model for each in replicas if each.state is ReplicaState.READY}
        doubtful = [each for each in replicas if self._is_doubtful(each, served) and each.model in paths]
        self.lasts, places = bool(doubtful), asyncio.Semaphore(AT_ONCE)

        async def ask(replica: Replica) -> bool:
            async with places:
                return await self._ask(replica, paths[replica.model])

        said = await asyncio.gather(*(ask(each) for each in doubtful))
        alive = {endpoint_id(each) for each, answer in zip(doubtful, said, strict=True) if answer}
        self._tell(frozenset(each.model for each in doubtful if endpoint_id(each) in alive))
        found = tuple(_believed(each) if endpoint_id(each) in alive else each for each in replicas)
        self._used = {name: at for name, at in self._used.items() if at > now - MOMENT}
        self._used |= {endpoint_id(each): now for each in found if each.state is ReplicaState.READY}
        return found

    def _is_doubtful(self, replica: Replica, served: set[str]) -> bool:
        is_unready = replica.state is ReplicaState.STARTING and replica.model not in served
        return is_unready and endpoint_id(replica) in self._used

    def _tell(self, models: frozenset[str]) -> None:
        for model in sorted(models - self._told):
            log.warning("the cluster takes every Replica of %s for not ready; those that answer are used on", model)
        self._told = models


def _believed(replica: Replica) -> Replica:
    message = "it answers, whatever the cluster says"
    return replace(replica, state=ReplicaState.READY, reason=Reason.READY, message=message)
