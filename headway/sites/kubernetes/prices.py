"""What an hour of a GPU costs on a node: the Site's own prices, then the node's label, then the list. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.sites.kubernetes.facts import Gpus, NodeFacts
from headway.sites.kubernetes.labels import PRICE
from headway.sites.kubernetes.products import known_as
from headway.spec.site import Site

__all__ = ["Priced", "price_of"]


@dataclass(frozen=True, slots=True)
class Priced:
    """`hourly`: of one GPU, or of one slice, in `currency`. `preemptions`: an hour, of one; None: it is never taken
    away, or nobody said how often. `whose`: where the price comes from."""

    hourly: float
    currency: str
    whose: str
    preemptions: float | None = None


def price_of(node: NodeFacts, gpus: Gpus, site: Site | None) -> Priced | None:
    """None: nobody knows. A slice costs the larger of its shares of arithmetic and memory."""
    return _of_site(node, gpus, site) or _of_label(node, gpus, site) or _of_list(gpus, node, site)


def _of_site(node: NodeFacts, gpus: Gpus, site: Site | None) -> Priced | None:
    whole = gpus.product.partition("/")[0]
    for each in site.prices if site else ():
        fits = known_as(each.gpu) == whole and each.labels.items() <= node.labels.items()
        if not fits or site is None:
            continue
        share, whose = _share(gpus.product), f"Site {site.name}"
        if node.spot and each.spot is not None:
            return Priced(each.spot.price.amount * share, site.currency, whose, each.spot.preemptions)
        return Priced(each.price.amount * share, site.currency, whose)
    return None


def _of_label(node: NodeFacts, gpus: Gpus, site: Site | None) -> Priced | None:
    """The node's price, shared evenly by all of its GPUs (a node of slices: by its slices)."""
    if not node.price or not gpus.count:
        return None
    together = sum(each.count for each in node.gpus if each.dra == gpus.dra)
    return Priced(node.price / together, site.currency if site else "USD", f"label {PRICE}")


def _of_list(gpus: Gpus, node: NodeFacts, site: Site | None) -> Priced | None:
    """List prices are in USD: of a Site with another currency they say nothing."""
    if site is not None and site.currency != "USD":
        return None
    try:
        prices = accelerator(gpus.product).prices
    except UsageError:
        return None
    found = prices.spot if node.spot and prices.spot is not None else prices.neocloud or prices.on_demand
    return (
        None if found is None else Priced(found, "USD", f"list price, {prices.date}" if prices.date else "list price")
    )


def _share(product: str) -> float:
    whole, _, profile = product.partition("/")
    if not profile:
        return 1.0
    cut = next((each for each in accelerator(whole).slices if each.profile == profile), None)
    return max(cut.compute, cut.memory) if cut else 1.0
