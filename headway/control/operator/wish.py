"""What a Model object asks for, as the operator serves it: its ways, each with its Revision and how many Replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headway.control.operator.applied import digest
from headway.engines.registry import revise_elsewhere
from headway.errors import SpecError
from headway.sites.kubernetes.read import read_model, scale_of
from headway.spec.model import Model, Replicas
from headway.spec.revision import Revision
from headway.wire.kube.manifest import Manifest

__all__ = ["Serving", "Wish", "divide", "wish_of"]


@dataclass(frozen=True, slots=True)
class Serving:
    """One way to serve a Model. `model`: as this one does."""

    model: Model
    revision: Revision
    count: int
    derived: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """`source`: digest of all that objects are derived from, counts and what a cluster has left out."""

    model: Model
    ways: tuple[Serving, ...]
    source: str

    @property
    def count(self) -> int:
        return sum(each.count for each in self.ways)


def wish_of(manifest: Manifest, site: str) -> Wish:
    """Raises the HeadwayError that says what is wrong with it."""
    model = read_model(manifest, site)
    ways = {name: (way, revise_elsewhere(way, name)) for name, way in model.ways.items()}
    tasks = {made.revision.task for _, made in ways.values()}
    if len(tasks) > 1:
        raise SpecError(
            f"its variants do unlike things: {', '.join(sorted(tasks))}",
            hint="serve each as a Model of its own",
            field="variants",
        )
    scale = scale_of(manifest)
    ranges = [way.replicas for way, _ in ways.values()]
    counts = [each.wanted for each in ranges] if scale is None else divide(scale, ranges)
    servings = tuple(
        Serving(way, made.revision, count, made.derived)
        for (way, made), count in zip(ways.values(), counts, strict=True)
    )
    said = model.model_dump(mode="json", exclude={"replicas", "profiles"})
    for each in said.get("variants") or ():
        each.pop("replicas", None)
    return Wish(model, servings, digest({"model": said, "revisions": [each.revision.id for each in servings]}))


def divide(scale: int, ranges: Sequence[Replicas]) -> list[int]:
    """So many Replicas over the ways that a Model is served in, written best first: each its lower end, then each up to
    its upper end; what is more than all upper ends goes to the first. Never more nor less than `scale` in all."""
    counts = [0] * len(ranges)
    for ends in ([each.low for each in ranges], [each.high for each in ranges]):
        for number, most in enumerate(ends):
            counts[number] += max(0, min(most - counts[number], scale - sum(counts)))
    counts[0] += scale - sum(counts)
    return counts
