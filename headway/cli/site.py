"""`headway site`: the clusters that a person works with, and which of them is meant without `--on`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.cli.known_sites import LOCAL, KnownSites, site_of_file
from headway.cli.on import Place, complete_site, on_cluster, place
from headway.errors import UsageError

if TYPE_CHECKING:
    from headway.sites.kubernetes.facts import Facts
    from headway.spec.site import Site
    from headway.wire.kube.cluster import Cluster

__all__ = ["register"]

site = typer.Typer(
    name="site",
    help="The clusters you work with: add, ls, show, use, rm.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
NAME = typer.Argument(help="A Site.", autocompletion=complete_site)


def register(app: typer.Typer) -> None:
    app.add_typer(site)


@site.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it; or a file with a kind: Site.", metavar="NAME|FILE")],
    context: Annotated[
        str, typer.Option(help="Of the kubeconfig. Left out: the one of this name, else the current one.")
    ] = "",
    namespace: Annotated[str, typer.Option(help="Where Models go. Left out: the context's, else default.")] = "",
    use_it: Annotated[bool, typer.Option("--use", help="And use it from now on.")] = False,
    unseen: Annotated[bool, typer.Option("--unseen", help="Do not look at the cluster.")] = False,
) -> None:
    """Know a cluster by a short name.

    Looks whether it answers and tells what it has. A file can say more: prices of its GPUs, defaults of Models there.
    """
    made = _from_file(name, context, namespace) if name.endswith((".yaml", ".yml", ".json")) else None
    made = made or _from_words(name, context, namespace)
    sites = KnownSites()
    if made.context is not None and not unseen:
        where = Place(made.name, made.context, made.namespace or "")
        print(f"{made.name}  {_summary(on_cluster(where, _facts))}")
    sites.add(made)
    if use_it:
        _use(sites, made.name)
    elif made.context is not None:
        print(f"Use it: headway site use {made.name}; or once: --on {made.name}")


@site.command("ls")
def list_sites(as_json: Annotated[bool, typer.Option("--json", help="An array, for programs.")] = False) -> None:
    """List the Sites that are known; the one in use has a star."""
    sites = KnownSites()
    used, known = sites.used(), [found for name in sites.names() if (found := sites.get(name))]
    if as_json:
        here = {"kind": "Site", "name": LOCAL, "used": used == LOCAL}
        fields = (each.model_dump(mode="json", by_alias=True, exclude_unset=True) for each in known)
        rows = [{"kind": "Site"} | each | {"used": each["name"] == used} for each in fields]
        print(json.dumps([here, *rows], indent=2))
        return
    from headway.cli.tables import plain_table, show  # noqa: PLC0415

    table = plain_table("", "NAME", "CONTEXT", "NAMESPACE", "GPUS")
    table.add_row("*" if used == LOCAL else "", LOCAL, "this machine", "", "")
    for each in known:
        stocks = [f"{stock.count} x {stock.gpu}" for stock in each.inventory or ()]
        gpus = ", ".join(stocks) if each.inventory is not None else "as it has them"
        star = "*" if each.name == used else ""
        table.add_row(star, each.name, each.context or "none, to plan with", each.namespace or "", gpus)
    show(table)


@site.command("show")
def show_site(
    name: Annotated[str | None, NAME] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that is known of it, for programs.")] = False,
) -> None:
    """Tell what a cluster has: its nodes, their GPUs, what is free and what that costs."""
    where = place(name)
    facts = on_cluster(where, _facts)
    if as_json:
        fields = asdict(facts) | {"groups": sorted(facts.groups)}
        print(json.dumps(fields | {"nodes": [dict(each, labels=dict(each["labels"])) for each in fields["nodes"]]}))
        return
    from headway.cli.site_table import nodes_table  # noqa: PLC0415
    from headway.cli.tables import show  # noqa: PLC0415

    print(f"{where.name}  {_summary(facts)}")
    show(nodes_table(facts, KnownSites().get(where.name)))


@site.command()
def use(name: Annotated[str, NAME]) -> None:
    """Mean this Site wherever --on is left out; local is this machine."""
    sites = KnownSites()
    if name != LOCAL and sites.get(name) is None:
        known = ", ".join([*sites.names(), LOCAL])
        raise UsageError(f"no Site {name!r}", hint=f"there are {known}; headway site add {name} adds it")
    _use(sites, name)


@site.command("rm")
def remove(name: Annotated[str, NAME]) -> None:
    """Forget a Site. On the cluster nothing changes."""
    sites = KnownSites()
    if name not in sites.names():
        known = ", ".join(sites.names()) or "none"
        raise UsageError(f"no Site {name!r}", hint=f"known: {known}")
    was_used = sites.used() == name
    sites.remove(name)
    print(f"{name}  forgotten" + ("; local is used now" if was_used else ""))


def _use(sites: KnownSites, name: str) -> None:
    sites.use(name)
    print(f"{name} is used where --on is left out")


def _from_file(path: str, context: str, namespace: str) -> Site:
    found = site_of_file(Path(path))
    written = {"context": context or found.context, "namespace": namespace or found.namespace}
    return found.model_copy(update={key: value for key, value in written.items() if value is not None})


def _from_words(name: str, context: str, namespace: str) -> Site:
    from headway.spec.check import site_from_json  # noqa: PLC0415
    from headway.wire.kube.access import contexts  # noqa: PLC0415

    known, current = contexts()
    chosen = context or (name if name in known else current)
    if chosen not in known:
        raise UsageError(f"no context {chosen!r} in the kubeconfig", hint=f"contexts: {', '.join(known) or 'none'}")
    if name == LOCAL:
        raise UsageError(f"{LOCAL} is this machine", hint="give the cluster another name")
    if not context:
        print(f"context {chosen}", file=sys.stderr)
    return site_from_json({"name": name, "context": chosen} | ({"namespace": namespace} if namespace else {}))


async def _facts(cluster: Cluster) -> Facts:
    from headway.sites.kubernetes.observe import facts  # noqa: PLC0415

    return await facts(cluster)


def _summary(facts: Facts) -> str:
    from headway.cli.site_table import summary  # noqa: PLC0415

    return summary(facts)
