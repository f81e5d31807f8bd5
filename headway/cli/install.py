"""`headway install` and `headway uninstall`: Headway's own parts on a cluster, or the YAML (or Helm chart) of them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.cli.on import ON, Place, on_cluster, place
from headway.errors import HeadwayError, UsageError

if TYPE_CHECKING:
    from headway.sites.kubernetes.install.options import Installation
    from headway.sites.kubernetes.install.remove import Left
    from headway.wire.kube.cluster import Cluster
    from headway.wire.kube.manifest import Ref

__all__ = ["register"]

NAMESPACE = typer.Option(help="Of Headway's own parts, Tenants and keys. Models live in any namespace.")
WAIT = typer.Option(help="Seconds for the pods to be ready; 0 = do not wait.", min=0)


def register(app: typer.Typer) -> None:
    app.command()(install)
    app.command()(uninstall)


def install(
    on: Annotated[str | None, ON] = None,
    image: Annotated[
        str, typer.Option(help="That all parts run. Left out: headway:VERSION, which the Containerfile builds.")
    ] = "",
    namespace: Annotated[str, NAMESPACE] = "headway",
    gateways: Annotated[
        str, typer.Option(help="A number or a range. Left out: 2..10 with a ledger, 1 without.", metavar="N|N..M")
    ] = "",
    operators: Annotated[int, typer.Option(help="One leads, the others wait.", min=1, max=5)] = 1,
    service: Annotated[str, typer.Option(help="Of the gateway: ClusterIP, LoadBalancer or NodePort.")] = "ClusterIP",
    ledger: Annotated[
        str, typer.Option(help="Of a PostgreSQL address; the Secret lies there.", metavar="secret:NAME/KEY")
    ] = "",
    tls: Annotated[str, typer.Option(help="A Secret with the gateway's certificate (tls.crt, tls.key).")] = "",
    secret: Annotated[
        list[str] | None, typer.Option(help="A Secret that a Model with an openai source refers to. May be repeated.")
    ] = None,
    volume: Annotated[
        str,
        typer.Option(
            help="For budgets, without a ledger; none: forgotten with the pod. Left out: 1Gi where the cluster "
            "gives volumes by itself.",
            metavar="SIZE|none",
        ),
    ] = "",
    pull_secret: Annotated[str, typer.Option(help="A Secret of the registry that has the image.")] = "",
    export: Annotated[bool, typer.Option("--export", help="Print the YAML, and touch no cluster.")] = False,
    chart: Annotated[
        Path | None, typer.Option(help="Write a Helm chart into this folder, and touch no cluster.", metavar="FOLDER")
    ] = None,
    force: Annotated[bool, typer.Option(help="Take over fields that somebody set by hand.")] = False,
    wait: Annotated[float, WAIT] = 180.0,
) -> None:
    """Put Headway's parts on a cluster, or bring them up to this version.

    Kinds, operator, gateway, their rights and their network. Nothing else need be installed there. Safe to repeat.
    """
    from headway.sites.kubernetes.install.options import installation  # noqa: PLC0415

    wanted = installation(
        image=image,
        namespace=namespace,
        gateways=gateways,
        operators=operators,
        service=service,
        ledger=ledger,
        tls=tls,
        secrets=tuple(secret or ()),
        pull_secret=pull_secret,
        volume="" if volume == "none" else volume,
    )
    if export or chart:
        _write(wanted, chart)
        return
    _put(place(on), wanted, force=force, wait=wait, choose=not volume)


def uninstall(
    on: Annotated[str | None, ON] = None,
    namespace: Annotated[str, NAMESPACE] = "headway",
    purge: Annotated[
        bool, typer.Option("--purge", help="Also Models, Routes, Tenants, Apps and keys: all that users made.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --purge: do not ask.")] = False,
    wait: Annotated[float, typer.Option(help="With --purge: seconds for Replicas to end.", min=0)] = 120.0,
) -> None:
    """Take Headway's parts from a cluster.

    What users made stays (Models go on serving where they run), and with it the kinds and keys. With --purge it goes
    too, and nothing is left.
    """
    where = place(on)
    if purge and not yes:
        _ask(where)
    left = on_cluster(where, _removed(namespace, purge=purge, within=wait))
    if left.objects:
        shown = ", ".join(str(each) for each in left.objects[:5])
        more = f" and {len(left.objects) - 5} more" if len(left.objects) > 5 else ""
        print(f"stayed: {shown}{more}; Headway does not look after them any more")
        print(f"again: headway install{where.flag}; for good: headway uninstall --purge{where.flag}")
    elif left.namespace:
        print(f"stayed: namespace {namespace}, for the keys and budgets in it")
        print(f"for good: headway uninstall --purge{where.flag}")
    else:
        print("nothing of Headway is left there")


def _write(wanted: Installation, chart: Path | None) -> None:
    if chart is None:
        from headway.sites.kubernetes.export.document import text_of  # noqa: PLC0415
        from headway.sites.kubernetes.install.whole import install as whole  # noqa: PLC0415

        sys.stdout.write(text_of(whole(wanted), ("headway install --export: kubectl apply --server-side -f -",)))
        return
    from headway.sites.kubernetes.install.chart import chart_files  # noqa: PLC0415

    for name, text in chart_files().items():
        path = chart / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"{chart}: helm install headway {chart} --namespace {wanted.namespace} --create-namespace")


def _put(where: Place, asked: Installation, *, force: bool, wait: float, choose: bool) -> None:
    """`choose`: a volume for budgets, if the cluster has them."""
    from headway.sites.kubernetes.install.apply import apply, check_version, ready, with_volume  # noqa: PLC0415
    from headway.sites.kubernetes.install.whole import install as whole  # noqa: PLC0415

    async def work(cluster: Cluster) -> dict[str, str]:
        major, minor = await check_version(cluster)
        wanted = await with_volume(cluster, asked) if choose else asked
        print(f"{where.name}: Kubernetes {major}.{minor}, namespace {wanted.namespace}", file=sys.stderr)
        await apply(cluster, [each.manifest for each in whole(wanted)], wanted.namespace, _tell_applied, force=force)
        parts = ("headway-operator", "headway-gateway") if wait else ()
        return {each: await ready(cluster, each, wanted.namespace, wait) for each in parts}

    for name, waits in on_cluster(where, work).items():
        if waits:
            told = f"{name} is not ready after {wait:g} s: {waits}"
            hint = f"kubectl -n {asked.namespace} describe pods; --image names an image that the nodes can pull"
            raise HeadwayError(told, hint=hint)
    port = 443 if asked.tls else 80
    print(f"gateway: {'https' if asked.tls else 'http'}://headway-gateway.{asked.namespace}:{port}/v1 in the cluster")
    print(f"next: headway up FILE{where.flag}")


def _removed(namespace: str, *, purge: bool, within: float) -> Callable[[Cluster], Awaitable[Left]]:
    from headway.sites.kubernetes.install.remove import remove  # noqa: PLC0415

    async def work(cluster: Cluster) -> Left:
        return await remove(cluster, namespace, _tell, purge=purge, within=within)

    return work


def _ask(where: Place) -> None:
    from headway.sites.kubernetes.install.remove import users_objects  # noqa: PLC0415

    found = on_cluster(where, users_objects)
    count = {kind: sum(each["kind"] == kind for each in found) for kind in sorted({each["kind"] for each in found})}
    what = ", ".join(f"{many} {kind}s" for kind, many in count.items()) or "no object of users"
    if not sys.stdin.isatty():
        raise UsageError(f"--purge would delete {what} on {where.name}", hint="say --yes")
    if not typer.confirm(f"delete {what} on {where.name}, and what they run?", default=False):
        raise typer.Exit(1)


def _tell_applied(found: Ref, done: str) -> None:
    """The kinds and programs; rights and network are many and always go together."""
    if done != "applied" or found.kind in ("CustomResourceDefinition", "Deployment", "HorizontalPodAutoscaler"):
        _tell(found, done)


def _tell(found: Ref, done: str) -> None:
    print(f"{done:<8}  {found}", flush=True)
