"""The endpoints that a data plane may try, best first."""

from __future__ import annotations

from math import isfinite

from headway.gateway.catalog import Route
from headway.policy.routing import Choice

__all__ = ["in_order"]


def in_order(route: Route, choice: Choice, now: float) -> list[int]:
    """Indices: the choice, then those next in cost (or the least loaded, where the policy has no costs) that are well
    and know the model by the same name, for the body that they get is the same."""
    name = route.names[choice.index]
    others = [
        index
        for index, each in enumerate(route.upstreams)
        if index != choice.index and each.cooling_until <= now and route.names[index] == name
    ]
    if choice.costs:
        others = [index for index in others if isfinite(choice.costs[index])]
        others.sort(key=choice.costs.__getitem__)
    else:
        others.sort(key=lambda index: route.upstreams[index].running)
    return [choice.index, *others]
