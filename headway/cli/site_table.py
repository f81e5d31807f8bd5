"""What a cluster has, for people: one line, and a table of its nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from headway.cli.tables import plain_table
from headway.cli.words import plural, size
from headway.sites.kubernetes.facts import Facts, Gpus, NodeFacts
from headway.sites.kubernetes.prices import price_of
from headway.sites.kubernetes.stock import offered
from headway.spec.site import Site

__all__ = ["nodes_table", "summary"]

OPTIONAL = {
    "keda.sh": "KEDA",
    "kueue.x-k8s.io": "Kueue",
    "leaderworkerset.x-k8s.io": "LeaderWorkerSet",
    "gateway.networking.k8s.io": "Gateway API",
    "monitoring.coreos.com": "Prometheus operator",
}


def summary(facts: Facts) -> str:
    free, there = Counter[str](), Counter[str]()
    for node in facts.nodes:
        for gpus in offered(node):
            name = (gpus.product or gpus.resource) + (" spot" if node.spot else "")
            there[name] += gpus.count
            free[name] += gpus.free if node.ready and node.schedulable else 0
    told = [f"{free[name]} of {count} {name} free" for name, count in there.items()] or ["no GPU"]
    also = [name for group, name in OPTIONAL.items() if facts.has(group)]
    parts = [f"Kubernetes {facts.version[0]}.{facts.version[1]}", plural(len(facts.nodes), "node"), *told, *also]
    return ", ".join(parts)


def nodes_table(facts: Facts, site: Site | None) -> Table:
    table = plain_table("NODE", "STATE", "CORES FREE", "MEMORY FREE", "GPUS FREE", "PRICE", "ZONE", "TAINTS")
    for node in facts.nodes:
        table.add_row(
            node.name,
            _state(node),
            f"{node.free_cpu:g} of {node.cpu:g}",
            f"{size(node.free_memory_bytes)} of {size(node.memory_bytes)}",
            Text(", ".join(map(_gpus, offered(node))) or "-"),
            Text(", ".join(_prices(node, site)) or "-"),
            node.zone or "-",
            Text(
                ", ".join(f"{key}{f'={value}' if value else ''}:{effect}" for key, value, effect in node.taints) or "-"
            ),
        )
    return table


def _state(node: NodeFacts) -> str:
    state = "not ready" if not node.ready else "ready" if node.schedulable else "cordoned"
    return f"{state}, spot" if node.spot else state


def _gpus(gpus: Gpus) -> str:
    memory = f" {size(gpus.memory_bytes)}" if gpus.memory_bytes else ""
    shared = f", shared by {gpus.shares}" if gpus.shares > 1 else ""
    how = f" ({gpus.resource}{shared})" if gpus.dra or shared or gpus.product else ""
    return f"{gpus.free} of {gpus.count} {gpus.product or gpus.resource}{memory}{how}"


def _prices(node: NodeFacts, site: Site | None) -> Iterator[str]:
    for gpus in offered(node):
        found = price_of(node, gpus, site)
        if found is not None:
            yield f"{found.hourly:.2f} {found.currency}/h each ({found.whose.partition(',')[0]})"
