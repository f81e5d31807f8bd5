"""Where `headway plan` may serve: a Site of the file, of another one or of `headway site`, a live cluster, this
machine, or whatever can be rented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.cli.known_sites import LOCAL, KnownSites
from headway.cli.on import Place as Where
from headway.cli.on import place
from headway.cli.plan_facts import Facts
from headway.cli.target import FILES, read
from headway.errors import SpecError, UsageError
from headway.perf.catalog.accelerators import accelerator, accelerators
from headway.perf.plan.offer import Offer, of_catalogue, of_site
from headway.sites.kubernetes.facts import Facts as ClusterFacts
from headway.spec.fault import Fault, nearest
from headway.spec.kinds import SpecObject
from headway.spec.model import Model
from headway.spec.site import Site

__all__ = ["LOCAL", "Place", "place_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """`kind`: as profiles of Models call it; `about`: for people; `cluster`: what is known of a live one."""

    name: str
    kind: str
    currency: str
    offers: Sequence[Offer]
    about: str
    cluster: ClusterFacts | None = None


def place_of(wanted: str | None, objects: Sequence[SpecObject], lines: Mapping[str, str], facts: Facts) -> Place:
    """Raises SpecError or UsageError. Without a word and without a Site in the file: GGUF models are for this machine's
    cores, all others for what can be rented at list prices."""
    sites = [each for each in objects if isinstance(each, Site)]
    if wanted is None and len(sites) > 1:
        names = ", ".join(each.name for each in sites)
        raise UsageError(f"the file has several Sites: {names}", hint="say which: --on NAME")
    used = KnownSites().used()
    if wanted == LOCAL or (wanted is None and not sites and used == LOCAL and facts.engine == "llamacpp"):
        return _this_machine(facts)
    models = [each.name for each in objects if isinstance(each, Model)]
    if wanted is None and sites:
        return _of_site(sites[0], lines.get(sites[0].name, ""), models)
    wanted = wanted or used
    if wanted == LOCAL:  # nobody said a place
        return _whole_catalogue()
    for each in sites:
        if each.name == wanted:
            return _of_site(each, lines.get(each.name, ""), models)
    if known := KnownSites().get(wanted):
        return _of_site(known, f"headway site {wanted}", models)
    return _elsewhere(wanted, [each.name for each in sites], models)


def _whole_catalogue() -> Place:
    offers = of_catalogue(accelerators().values())
    return Place("catalogue", "", "USD", offers, "any GPU of the catalogue, at list prices")


def _elsewhere(wanted: str, names: Sequence[str], models: Sequence[str]) -> Place:
    """Another file with a Site, or a cluster of the kubeconfig."""
    path = Path(wanted)
    if path.suffix not in FILES and not path.is_file():
        try:
            where = place(wanted)
        except UsageError as error:
            meant = nearest(wanted, [*names, LOCAL])
            there = f"there are {', '.join([*names, LOCAL])}" if names else "name a file with a Site, or local"
            hint = f"did you mean {meant}?" if meant else there if names else error.hint
            raise UsageError(f"--on: no Site {wanted!r}", hint=hint) from None
        return _live(where, None, models)
    objects, _, lines = read(wanted)
    sites = [each for each in objects if isinstance(each, Site)]
    if len(sites) != 1:
        found = f"several Sites: {', '.join(each.name for each in sites)}" if sites else "no Site"
        raise SpecError(f"holds {found}", hint="write one kind: Site in it", file=wanted)
    return _of_site(sites[0], lines.get(sites[0].name, wanted), models)


def _live(where: Where, site: Site | None, models: Sequence[str]) -> Place:
    from headway.cli.plan_cluster import live_offers  # noqa: PLC0415

    live = live_offers(where, site, models)
    currency = site.currency if site else "USD"
    return Place(where.name, "kubernetes", currency, live.offers, live.told, live.facts)


def _of_site(site: Site, line: str, models: Sequence[str]) -> Place:
    if site.inventory is None:
        return _live(Where(site.name, site.context or "", site.namespace or ""), site, models)
    file, _, number = line.rpartition(":")
    try:
        offers = of_site(site, accelerator)
    except Fault as fault:
        raise SpecError(
            fault.message, hint=fault.hint, file=file, line=int(number) if number.isdigit() else 0,
            field=".".join(fault.path),
        ) from None  # fmt: skip
    if not any(each.count for each in offers):
        raise SpecError(
            f"{site.name} has no GPU", hint="write a count above 0 in its inventory", file=file,
            line=int(number) if number.isdigit() else 0,
        )  # fmt: skip
    gpus: dict[str, int] = {}
    for each in offers:
        if not each.is_slice and each.preemptions is None:
            gpus[each.accelerator.name] = gpus.get(each.accelerator.name, 0) + (each.count or 0)
    told = ", ".join(f"{count} {name}" for name, count in gpus.items())
    return Place(site.name, "kubernetes", site.currency, offers, f"Site {site.name}: {told}")


def _this_machine(facts: Facts) -> Place:
    from headway.cli.plan_local import local_offers  # noqa: PLC0415

    offers, told = local_offers(facts.engine)
    return Place(LOCAL, LOCAL, "USD", offers, told)
