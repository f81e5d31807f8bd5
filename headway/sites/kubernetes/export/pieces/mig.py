"""`--piece mig`: how GPUs are cut so that the slices which the file asks for are there, for NVIDIA's MIG manager.

A GPU has 7 slices of compute and 8 of memory (NVIDIA MIG user guide); each profile takes some of both. Large ones are
placed first, and what a GPU has left is cut into the profile that is asked for most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from headway.errors import UsageError
from headway.perf.catalog.accelerator import Accelerator, Slice
from headway.perf.catalog.accelerators import accelerator, accelerators
from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.export.pieces.sharing import NAMESPACE
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import MANAGED
from headway.sites.kubernetes.objects.derived import Derived
from headway.spec.gpu import parse_gpu

__all__ = ["NAME", "layouts", "mig"]

NAME = "headway-mig-layouts"
_SLACK = 1e-9


def mig(wish: Wish) -> Iterator[Derived]:
    wanted: Counter[str] = Counter()
    for way in wish.ways:
        found = parse_gpu(way.model.gpu) if way.model.gpu else None
        if found is not None and found.mig_profile:
            wanted[found.mig_profile.removeprefix("mig-")] += found.count * way.model.replicas.high
    if not wanted:
        raise UsageError("--piece mig: no Model asks for a MIG slice", hint="write gpu: mig-1g.10gb, or leave it out")
    whole = _whole(wish, wanted)
    found_layouts = layouts(wanted, whole)
    configs = {
        f"headway-{number}": [{"devices": "all", "mig-enabled": True, "mig-devices": dict(layout)}]
        for number, (layout, _) in enumerate(found_layouts, 1)
    }
    text = text_of([Derived({"version": "v1", "mig-configs": configs})])
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {MANAGED: "headway"}},
        "data": {"config.yaml": text},
    }
    asked = ", ".join(f"{count} x {profile}" for profile, count in sorted(wanted.items()))
    gpus = ", ".join(f"{count} GPU{'s' * (count > 1)} as headway-{n}" for n, (_, count) in enumerate(found_layouts, 1))
    note = (
        f"MIG layout for {asked} (as many as all Replicas take at most) on {whole.name}: {gpus}. A node's GPUs are all "
        "cut alike, and must be idle while they are cut.\n"
        "  kubectl patch clusterpolicies.nvidia.com/cluster-policy --type merge -p "
        f'\'{{"spec": {{"mig": {{"strategy": "mixed"}}, "migManager": {{"config": {{"name": "{NAME}"}}}}}}}}\'\n'
        "  kubectl label node NODE nvidia.com/mig.config=headway-1 --overwrite"
    )
    yield Derived(manifest, {}, note)


def layouts(wanted: Mapping[str, int], whole: Accelerator) -> list[tuple[dict[str, int], int]]:
    """By profile how many slices one GPU is cut into, and how many GPUs are cut so. Raises UsageError for a profile
    that this product has not."""
    known = {each.profile: each for each in whole.slices}
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise UsageError(f"{whole.name} has no slice {unknown[0]}", hint=f"it has {', '.join(known) or 'none'}")
    left = Counter({profile: count for profile, count in wanted.items() if count > 0})
    order = sorted(left, key=lambda each: (-known[each].memory, -known[each].compute, each))
    fullest = max(order, key=lambda each: (wanted[each], -known[each].memory), default="")
    found: Counter[tuple[tuple[str, int], ...]] = Counter()
    while left.total():
        cut = _filled(order, left, known)
        left -= cut
        spare = {fullest: known[fullest].most}
        found[tuple(sorted((cut + _filled([fullest], Counter(spare), known, cut)).items()))] += 1
    return [(dict(layout), count) for layout, count in found.items()]


def _filled(
    order: list[str], left: Counter[str], known: Mapping[str, Slice], taken: Counter[str] | None = None
) -> Counter[str]:
    """What more goes on one GPU, largest first."""
    cut: Counter[str] = Counter()
    there = Counter(taken or {})
    for profile in order:
        while cut[profile] < left[profile] and _fits(there + cut + Counter({profile: 1}), known):
            cut[profile] += 1
    return cut


def _fits(cut: Counter[str], known: Mapping[str, Slice]) -> bool:
    compute = sum(known[profile].compute * count for profile, count in cut.items())
    memory = sum(known[profile].memory * count for profile, count in cut.items())
    few = all(count <= known[profile].most for profile, count in cut.items())
    return few and compute <= 1 + _SLACK and memory <= 1 + _SLACK


def _whole(wish: Wish, wanted: Mapping[str, int]) -> Accelerator:
    """The product to cut: one of the cluster or of the file that has all these profiles, else of the catalogue the one
    that gives most slices."""
    there = [gpus.product for node in wish.facts.nodes for gpus in node.gpus if gpus.product]
    wishes = [parse_gpu(way.model.gpu) for way in wish.ways if way.model.gpu]
    there += [each.product for each in wishes if each is not None and each.product]
    for product in dict.fromkeys(there):
        try:
            known = accelerator(product)
        except UsageError:
            continue
        if set(wanted) <= {each.profile for each in known.slices}:
            return known
    able = [each for each in accelerators().values() if set(wanted) <= {cut.profile for cut in each.slices}]
    if not able:
        raise UsageError(f"no GPU can be cut into {', '.join(sorted(wanted))}", hint="see: headway catalog gpus")
    return max(able, key=lambda each: sum(cut.most for cut in each.slices if cut.profile in wanted))
