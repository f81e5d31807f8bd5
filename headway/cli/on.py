"""`--on SITE`: the one way from a name to the place that a verb is about.

A name is `local` (this machine), a Site that `headway site add` knows, a context of the kubeconfig, or a file with a
kind: Site. Without one it is what `headway site use` chose, else this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from headway.cli.known_sites import LOCAL, KnownSites, site_of_file
from headway.errors import HeadwayError, UsageError
from headway.sites.kubernetes.labels import SYSTEM

if TYPE_CHECKING:
    from headway.spec.model import Profile
    from headway.wire.kube.cluster import Cluster

__all__ = [
    "CLI_MANAGER",
    "ON",
    "SYSTEM",
    "Place",
    "complete_site",
    "connected",
    "end_others",
    "on_cluster",
    "place",
    "state",
]

CLI_MANAGER = "headway-cli"
"""Field manager of what a person's command applies."""
_YAML = (".yaml", ".yml", ".json")
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Place:
    """`context` and `namespace`: of the kubeconfig; empty namespace: the context's own. `defaults`: of Models there."""

    name: str
    context: str = ""
    namespace: str = ""
    defaults: Profile | None = None

    @property
    def is_local(self) -> bool:
        return self.name == LOCAL

    @property
    def flag(self) -> str:
        """For commands that a message tells the user to run."""
        return "" if self.name == KnownSites().used() else f" --on {self.name}"


def complete_site(incomplete: str) -> list[str]:
    return [each for each in [*KnownSites().names(), LOCAL] if each.startswith(incomplete)]


ON = typer.Option(
    "--on",
    metavar="SITE",
    help="A Site, a context of the kubeconfig, or local. Left out: the one in use (headway site use), else local.",
    autocompletion=complete_site,
)


def place(on: str | None) -> Place:
    """Raises UsageError for a name that is nowhere."""
    sites = KnownSites()
    name = on or sites.used()
    if name == LOCAL:
        return Place(LOCAL)
    site = sites.get(name)
    if site is None and (name.endswith(_YAML) or Path(name).is_file()):
        site = site_of_file(Path(name))
    if site is None:
        return _of_context(name, sites)
    if site.context is None:
        raise UsageError(
            f"Site {site.name} has no cluster, only an inventory",
            hint="write context: NAME into it; headway plan reads it",
        )
    return Place(site.name, site.context, site.namespace or "", site.defaults)


@asynccontextmanager
async def connected(where: Place) -> AsyncIterator[Cluster]:
    """Raises UsageError and UnreachableError; of this machine UsageError."""
    from headway.wire.kube.cluster import Cluster  # noqa: PLC0415

    if where.is_local:
        raise UsageError("this is for a cluster", hint="name it: --on SITE; headway site ls shows those you have")
    cluster = Cluster.open(where.context, where.namespace, manager=CLI_MANAGER)
    try:
        yield cluster
    finally:
        await cluster.close()


def on_cluster(where: Place, work: Callable[[Cluster], Awaitable[Told]]) -> Told:
    """Do it there, in an event loop of its own: what a verb calls."""

    async def run() -> Told:
        async with connected(where) as cluster:
            try:
                return await work(cluster)
            finally:  # of several questions at once the first fault ends the verb
                await end_others()

    return asyncio.run(run())


async def end_others() -> None:
    """Nothing else of this event loop outlives it, nor the connection that it uses."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def state(where: Place) -> dict[str, Any]:
    """What there is, as the control process tells it of this machine and the API server of a cluster."""
    if where.is_local:
        from headway.cli.client import ControlClient  # noqa: PLC0415

        found: dict[str, Any] = ControlClient().get("/state")
        return found
    from headway.cli.cluster_state import look  # noqa: PLC0415

    return on_cluster(where, lambda cluster: look(cluster, where))


def _of_context(name: str, sites: KnownSites) -> Place:
    from headway.spec.fault import nearest  # noqa: PLC0415
    from headway.wire.kube.access import contexts  # noqa: PLC0415

    try:
        known, _ = contexts()
    except HeadwayError:  # no kubeconfig, or no client: then it can only have been a Site
        known = []
    if name in known:
        return Place(name, name)
    names = [*sites.names(), *known, LOCAL]
    meant = nearest(name, names)
    hint = f"did you mean {meant}?" if meant else f"there are {', '.join(names)}; headway site add adds one"
    raise UsageError(f"no Site {name!r}", hint=hint)
