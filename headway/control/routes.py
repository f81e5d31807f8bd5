"""What the Site has and what is wanted -> the RoutingTable. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from headway.gateway.table import Endpoint, ModelRoute
from headway.sites.base import Replica, ReplicaState
from headway.store.models import DesiredModel

__all__ = ["endpoint_id", "routes"]


def endpoint_id(replica: Replica) -> str:
    return f"{replica.name}.{replica.incarnation}"


def routes(
    desired: Mapping[str, DesiredModel],
    replicas: Iterable[Replica],
    leaving: Collection[str],
    external: Mapping[str, Endpoint],
) -> tuple[ModelRoute, ...]:
    """One ModelRoute for each wanted Model. `external`: Revision id -> the Endpoint that somebody else runs."""
    by_model: dict[str, list[Replica]] = {name: [] for name in desired}
    for replica in replicas:
        if replica.model in by_model and replica.name not in leaving:
            by_model[replica.model].append(replica)
    return tuple(_route(desired[name], by_model[name], external) for name in sorted(desired))


def _route(wanted: DesiredModel, replicas: list[Replica], external: Mapping[str, Endpoint]) -> ModelRoute:
    ready = [each for each in replicas if each.state is ReplicaState.READY]
    coming = [each for each in replicas if each.state not in (ReplicaState.READY, ReplicaState.FAILED)]
    told = next(iter([*coming, *replicas]), None)
    etas = [each.progress.eta for each in coming if each.progress and each.progress.eta is not None]
    count = wanted.model.replicas.wanted
    return ModelRoute(
        name=wanted.model.name,
        task=wanted.revision.task,
        endpoints=tuple(_endpoint(each, external) for each in sorted(ready, key=lambda each: each.name)),
        created=int(wanted.created),
        reason="" if ready else told.message if told else "replicas: 0 is wanted" if not count else "no replica yet",
        eta=None if ready else min(etas, default=None),
        expected=bool(ready or coming or (count and not replicas)),
    )


def _endpoint(replica: Replica, external: Mapping[str, Endpoint]) -> Endpoint:
    if elsewhere := external.get(replica.revision):
        return elsewhere
    return Endpoint(
        id=endpoint_id(replica),
        replica=replica.name,
        revision=replica.revision,
        url=f"http://{replica.host}:{replica.port}",
    )
