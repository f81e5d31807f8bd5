"""Which Revision of a Model takes a user's requests, where the table gives Revisions weights."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from headway.gateway.table import ModelRoute
from headway.policy.shares import Shares, shares

__all__ = ["Split", "split_of"]


@dataclass(frozen=True, slots=True)
class Split:
    """In the interval that ends at `bounds[i]` the endpoints with the ids `avoided[i]` are those of other Revisions."""

    bounds: tuple[float, ...]
    avoided: tuple[frozenset[str], ...]

    def others(self, point: float) -> frozenset[str]:
        return self.avoided[min(bisect_right(self.bounds, point), len(self.avoided) - 1)]


def split_of(model: ModelRoute) -> Split | None:
    """None = nobody is kept from any endpoint. The same point counts in all variants: who gets the new Revision of one
    gets it of all."""
    if not model.weights:
        return None
    by_variant: dict[str, dict[str, list[str]]] = {}
    for each in model.routed:
        if each.revision in model.weights:
            by_variant.setdefault(each.variant, {}).setdefault(each.revision, []).append(each.id)
    divided: list[tuple[Shares, dict[str, list[str]]]] = []
    for revisions in by_variant.values():
        own = {each: weight for each, weight in model.weights.items() if each in revisions}
        # Of one that has no endpoint nobody can tell the variant; where there is but one variant it is that one's.
        found = shares(model.weights if len(by_variant) == 1 else own, revisions)
        if found is not None and len(revisions) > 1:
            divided.append((found, revisions))
    if not divided:
        return None
    bounds = sorted({bound for found, _ in divided for bound in found.bounds})
    begins = [0.0, *bounds[:-1]]
    return Split(tuple(bounds), tuple(_others(divided, (a + b) / 2) for a, b in zip(begins, bounds, strict=True)))


def _others(divided: list[tuple[Shares, dict[str, list[str]]]], point: float) -> frozenset[str]:
    return frozenset(
        each
        for found, revisions in divided
        for revision, ids in revisions.items()
        if revision != found.of(point)
        for each in ids
    )
