"""`headway doctor`: what this machine has, what is missing, and how to get it; how fast it is (`--measure`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from headway.cli.on import ON, Place, on_cluster, place
from headway.errors import UsageError

if TYPE_CHECKING:
    from headway.cli.examine import Finding
    from headway.wire.kube.cluster import Cluster

__all__ = ["register"]

COLOURS = {"ok": "32", "note": "33", "missing": "31"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    file: Annotated[
        str | None, typer.Argument(help="With --on: what this file asks and the cluster lacks.", metavar="FILE")
    ] = None,
    on: Annotated[str | None, ON] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the GPU, or the processor where there is none, for a minute.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="With --measure: keep it as this machine's calibration, unasked.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="With --measure: cores, or a device of PyTorch: cuda:1, cpu; left out = the first GPU.")
    ] = "",
) -> None:
    """Tell what this machine, or a cluster, has and lacks.

    For each thing that is missing, the command that gets it. Exit status 1 when something needed is missing. With
    --measure, how fast it is beside what the catalogue says of it and what the model of performance predicts.
    """
    if measure:
        from headway.cli.measure import measured  # noqa: PLC0415

        measured(device, keep=keep, as_json=as_json)
        return
    if keep or device:
        raise UsageError("--keep and --device belong to --measure", hint="headway doctor --measure")
    where = place(on)
    if not where.is_local:
        _tell(_of_cluster(where, file), as_json)
        return
    if file is not None:
        raise UsageError("a file is looked at for a cluster", hint="name it: --on SITE; here headway plan FILE does it")
    from headway.cli.examine import examine  # noqa: PLC0415

    _tell(examine(), as_json)


def _of_cluster(where: Place, file: str | None) -> list[Finding]:
    from headway.cli.examine_cluster import findings, look  # noqa: PLC0415
    from headway.cli.examine_wish import asked, secrets_there  # noqa: PLC0415
    from headway.cli.target import read  # noqa: PLC0415
    from headway.spec.model import Model  # noqa: PLC0415

    wanted = [] if file is None else read(file)[0]
    models = [each.on(where.name, "kubernetes") for each in wanted if isinstance(each, Model)]

    async def work(cluster: Cluster) -> list[Finding]:
        namespace = cluster.namespace
        seen = await look(cluster, namespace, where.flag)
        secrets = await secrets_there(cluster, models, namespace)
        return [*findings(seen), *asked(models, seen.facts, secrets, namespace)]

    return on_cluster(where, work)


def _tell(found: Iterable[Finding], as_json: bool) -> None:
    """Each as it is found."""
    from headway.cli.words import coloured, one_line  # noqa: PLC0415

    findings = []
    width = 19
    for each in found:
        findings.append(each)
        if as_json:
            continue
        state = coloured(f"{each.state:<8}", COLOURS[each.state], sys.stdout)
        print(f"{state} {each.name:<{width}}  {one_line(each.found)}")
        if each.fix:
            print(f"{'':<8} {'':<{width}}  -> {each.fix}", flush=True)
    if as_json:
        print(json.dumps([asdict(each) for each in findings], indent=2))
    if any(each.state == "missing" for each in findings):
        raise typer.Exit(1)
