"""A live cluster as offers of `headway plan`: the GPUs that are free now, and those that the planned Models hold there.

Slices that are cut already are offered as they are: nobody cuts a GPU anew because of a plan. GPUs that several pods
share are left out, because nobody could say how fast one of them would be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from headway.cli.on import Place as Where
from headway.cli.on import on_cluster
from headway.engines import registry
from headway.errors import HeadwayError, ResourceError, UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.plan.offer import Offer
from headway.sites.kubernetes.facts import Facts, Gpus, NodeFacts
from headway.sites.kubernetes.objects.replica import parts_of
from headway.sites.kubernetes.observe import facts
from headway.sites.kubernetes.prices import Priced, price_of
from headway.sites.kubernetes.stock import offered
from headway.spec.model import Model
from headway.spec.site import Site

__all__ = ["Live", "live_offers", "offers_of", "weights_on"]

ASSUMED = 0.05
"""Preemptions an hour of a GPU on spot of which nobody said it: once in 20 hours, as a careful guess, and told."""


@dataclass(frozen=True, slots=True)
class Live:
    """`told`: what there is, for people, with what a plan cannot use and why. `facts`: of the cluster as it is."""

    offers: list[Offer]
    told: str
    facts: Facts


@dataclass(slots=True)
class _Group:
    """GPUs of one product at one price, over all nodes."""

    priced: Priced
    there: int = 0
    free: list[int] = field(default_factory=list)  # by node


def live_offers(where: Where, site: Site | None, models: Collection[str]) -> Live:
    """`models`: that the plan is for; what their Replicas have there counts as free. Raises ResourceError."""
    return offers_of(on_cluster(where, lambda cluster: facts(cluster, without=models)), where.name, site)


def offers_of(found: Facts, name: str, site: Site | None) -> Live:
    groups: dict[tuple[str, bool, float], _Group] = {}
    left_out: dict[str, str] = {}
    for node in found.nodes:
        for gpus in offered(node):
            if why := _useless(node, gpus):
                left_out[f"{node.name}: {gpus.product or gpus.resource}"] = why
            elif (priced := price_of(node, gpus, site)) is None:
                left_out[gpus.product] = "has no price: write prices: [{gpu: NAME, price: 2.5/h}] into the Site"
            else:
                group = groups.setdefault((gpus.product, node.spot, priced.hourly), _Group(priced))
                group.there += gpus.count
                group.free.append(gpus.free)
    if not groups:
        why = "; ".join(f"{what} {each}" for what, each in left_out.items()) or "no node has a GPU"
        raise ResourceError(f"{name} has no GPU to plan with: {why}", hint=f"headway site show {name}")
    guessed = any(spot and group.priced.preemptions is None for (_, spot, _), group in groups.items())
    guess = [f"nobody said how often spot is taken away: {ASSUMED:g}/h assumed"] if guessed else []
    return Live(list(_offers(groups)), "; ".join([_told(name, groups), *guess, *_not_used(left_out)]), found)


def weights_on(model: Model, found: Facts) -> str:
    """How the weights reach the pods there and why so, or why they cannot; empty: there are none."""
    try:
        parts = parts_of(registry.revise_elsewhere(model).revision, found)
    except HeadwayError as error:
        return str(error)
    return f"{parts.way.kind}: {parts.way.why}" if parts and parts.way.kind else ""


def _useless(node: NodeFacts, gpus: Gpus) -> str:
    if not node.ready or not node.schedulable:
        return "its node takes no pods now"
    if gpus.shares > 1:
        return f"shared by {gpus.shares}"
    try:
        accelerator(gpus.product)
    except UsageError:
        return "not in the catalogue" if gpus.product else "no label says which product"
    return ""


def _offers(groups: dict[tuple[str, bool, float], _Group]) -> Iterator[Offer]:
    """`per_node` is what is free on the fullest node: a replica of more GPUs has no place."""
    for (product, spot, price), group in groups.items():
        what = accelerator(product)
        yield Offer(
            accelerator=what,
            pool=f"{product}{' spot' if spot else ''} at {price:g}",
            price=price,
            priced=group.priced.whose,
            per_node=1 if what.cut_from else max(1, *group.free),
            count=sum(group.free),
            preemptions=(ASSUMED if group.priced.preemptions is None else group.priced.preemptions) if spot else None,
        )


def _told(name: str, groups: dict[tuple[str, bool, float], _Group]) -> str:
    parts = [
        f"{sum(group.free)} of {group.there} {product}{' spot' if spot else ''} free"
        for (product, spot, _), group in groups.items()
    ]
    return f"Site {name}: {', '.join(parts)}"


def _not_used(left_out: dict[str, str]) -> Iterator[str]:
    if left_out:
        yield "left out: " + ", ".join(f"{what} ({why})" for what, why in left_out.items())
