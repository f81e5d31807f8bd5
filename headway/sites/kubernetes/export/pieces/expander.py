"""`--piece priority-expander`: which node group the cluster autoscaler grows first: the cheapest that a Model may use,
spot before on-demand where the file prefers it."""

from __future__ import annotations

from collections.abc import Iterator

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import MANAGED
from headway.sites.kubernetes.objects.derived import Derived
from headway.spec.gpu import parse_gpu

__all__ = ["priority_expander"]

STEP = 10


def priority_expander(wish: Wish) -> Iterator[Derived]:
    """The name and namespace are the ones that the autoscaler looks for (cluster-autoscaler, expander/priority)."""
    ranked = sorted(_groups(wish), key=lambda each: each[1])
    if not ranked:
        raise UsageError(
            "--piece priority-expander: no Model names a GPU product", hint="write gpu: L4 or variants of two products"
        )
    lines: dict[int, list[str]] = {1: [".*"]}
    why = {}
    for number, (patterns, price, told) in enumerate(reversed(ranked), 1):
        lines[number * STEP] = patterns
        why[f"/{number * STEP}"] = f"{told}: {price:.2f} USD/h by the catalogue"
    text = text_of([Derived({str(key): value for key, value in lines.items()}, why)])
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "cluster-autoscaler-priority-expander",
            "namespace": "kube-system",
            "labels": {MANAGED: "headway"},
        },
        "data": {"priorities": _keys_as_numbers(text)},
    }
    note = (
        "Cluster autoscaler: the highest number is grown first (run it with --expander=priority). The patterns guess "
        "that a node group's name holds its GPU, and spot or preemptible where it is: make them yours."
    )
    yield Derived(manifest, {}, note)


def _groups(wish: Wish) -> Iterator[tuple[list[str], float, str]]:
    """Patterns, the price of a Replica's GPUs, and in words; each once."""
    seen = set()
    for way in wish.ways:
        found = parse_gpu(way.model.gpu) if way.model.gpu else None
        if found is None or not found.product:
            continue
        known = accelerator(found.product)
        word = f"(^|[^a-z0-9]){_short(known.name)}([^a-z0-9]|$)"
        spot = way.model.cost is not None and way.model.cost.spot in ("prefer", "only")
        if spot and known.prices.spot is not None and (word, True) not in seen:
            seen.add((word, True))
            both = [f"(?i){word}.*(spot|preemptible)", f"(?i)(spot|preemptible).*{word}"]
            yield both, known.prices.spot * found.count, f"{known.name} on spot"
        if known.prices.on_demand is not None and (word, False) not in seen:
            seen.add((word, False))
            yield [f"(?i){word}"], known.prices.on_demand * found.count, known.name


def _short(product: str) -> str:
    """A100-80-SXM is a100 in the names of node groups."""
    return next(each for each in product.casefold().split("-") if any(letter.isdigit() for letter in each))


def _keys_as_numbers(text: str) -> str:
    """The autoscaler reads the keys as whole numbers."""
    return "\n".join(line.replace('"', "", 2) if line.startswith('"') else line for line in text.split("\n"))
