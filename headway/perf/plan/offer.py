"""What can be had to serve on: accelerators or slices of them, how many, at which price, and for how long.

From a Site's inventory, or from the whole catalogue at list prices where no Site is named. A slice is charged by the
larger of its shares of arithmetic and memory: what it leaves of its GPU is for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from headway.perf.catalog.accelerator import Accelerator, Prices, Slice
from headway.spec.fault import Fault, nearest
from headway.spec.site import Site, Stock

__all__ = ["Find", "Offer", "of_catalogue", "of_site"]

Find = Callable[[str], Accelerator]
"""By name or alias, whole (`H100-SXM`) or a slice (`H100-SXM/3g.40gb`). Raises a HeadwayError."""

LARGEST_MACHINE = 16
"""Accelerators; what has more in its link's domain is built of trays of four (NVL72)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """`price`: of one (a whole GPU, or a slice) for an hour, in the Site's currency; `priced`: whose it is, with its
    date. `count`: whole GPUs that there are, None: as many as wanted; offers of one `pool` share them. `most`: so many
    of it on one GPU (slices). `preemptions`: an hour, of one; None: it is never taken away. `threads`: of an
    engine on cores."""

    accelerator: Accelerator
    pool: str
    price: float
    priced: str
    per_node: int
    count: int | None = None
    most: int = 1
    preemptions: float | None = None
    threads: int | None = None

    @property
    def name(self) -> str:
        return self.accelerator.name + (" spot" if self.preemptions is not None else "")

    @property
    def is_slice(self) -> bool:
        return bool(self.accelerator.cut_from)

    def room(self, each: int) -> float:
        """How many replicas of `each` accelerators it holds, none of which spans two nodes."""
        if self.is_slice:
            return inf if self.count is None else self.count * self.most
        if each > self.per_node:
            return 0
        if self.count is None:
            return inf
        nodes, rest = divmod(self.count, self.per_node)
        return nodes * (self.per_node // each) + rest // each

    def gpus(self, replicas: int, each: int) -> int:
        """Whole GPUs that so many replicas take."""
        return -(-replicas // self.most) if self.is_slice else replicas * each

    def without(self, used: Mapping[str, int]) -> Offer:
        """What is left when so many GPUs of each pool are taken."""
        if self.count is None or not used.get(self.pool):
            return self
        return replace(self, count=max(0, self.count - used[self.pool]))


def of_site(site: Site, find: Find) -> list[Offer]:
    """Raises Fault, with its path in the Site, for a product or profile that is not in the catalogue."""
    offers: list[Offer] = []
    for number, stock in enumerate(site.inventory or ()):
        path = ("inventory", str(number))
        try:
            whole = find(stock.gpu)
        except Exception as error:
            message, hint = getattr(error, "message", str(error)), getattr(error, "hint", "")
            raise Fault(message, hint or "headway catalog gpus lists all", (*path, "gpu")) from None
        offers += _of_stock(site, stock, whole, path, find)
    return offers


def of_catalogue(accelerators: Iterable[Accelerator]) -> list[Offer]:
    """Whole GPUs, as many as wanted: of those that rent GPUs only where they have it, else of a large cloud. What has
    no price is left out: nobody could say what it costs."""
    offers = []
    for each in accelerators:
        price, whose = _listed(each.prices)
        if price is not None:
            offers.append(Offer(each, each.name, price, whose, _machine(each)))
    return offers


def _machine(accelerator: Accelerator) -> int:
    """How many one machine has: a rack of 72 (GB200) is many machines with one link."""
    return accelerator.node if 1 <= accelerator.node <= LARGEST_MACHINE else 4


def _listed(prices: Prices) -> tuple[float | None, str]:
    whose = f"list price, {prices.date}" if prices.date else "list price"
    return (prices.on_demand if prices.neocloud is None else prices.neocloud), whose


def _of_stock(site: Site, stock: Stock, whole: Accelerator, path: tuple[str, ...], find: Find) -> Iterator[Offer]:
    listed, whose = _listed(whole.prices)
    if stock.price is not None:
        listed, whose = stock.price.amount, f"Site {site.name}"
    if listed is None:
        raise Fault(f"{whole.name} has no price, and no list price is known", "write price: 2.5/h", (*path, "price"))
    per_node = stock.per_node or _machine(whole)
    offer = Offer(whole, f"{path[1]}:{whole.name}", listed, whose, per_node, stock.count)
    yield offer
    for cut in _slices(stock, whole, path):
        found = find(f"{whole.name}/{cut.profile}")
        share = max(cut.compute, cut.memory)
        yield replace(offer, accelerator=found, price=listed * share, most=cut.most)
    if stock.spot is not None:
        count = stock.count if stock.spot.count is None else stock.spot.count
        yield replace(
            offer,
            pool=f"{offer.pool} spot",
            price=stock.spot.price.amount,
            priced=f"Site {site.name}",
            count=count,
            preemptions=stock.spot.preemptions,
        )


def _slices(stock: Stock, whole: Accelerator, path: tuple[str, ...]) -> Iterator[Slice]:
    """Those that the Stock may be cut into; the one that is a whole GPU is left out."""
    known = {each.profile: each for each in whole.slices}
    wanted = (known if stock.mig else ()) if isinstance(stock.mig, bool) else stock.mig
    for profile in wanted:
        if profile not in known:
            meant = nearest(profile, known)
            there = f"its profiles are {', '.join(known)}" if known else "it cannot be cut: leave mig out"
            hint = f"did you mean {meant}?" if meant else there
            raise Fault(f"{whole.name} has no MIG profile {profile}", hint, (*path, "mig"))
        if known[profile].compute < 1:
            yield known[profile]
    if stock.mig and not known:
        raise Fault(f"{whole.name} cannot be cut into slices", "leave mig out", (*path, "mig"))
