"""The accelerators that Headway knows, by any name that people, clouds and drivers give them; MIG slices, too.

`H100`, `h100_sxm`, `NVIDIA-H100-80GB-HBM3` (the label that NVIDIA's device plugin gives a node) are one; a slice is
`H100/3g.40gb`, or `mig-3g.40gb` of a product that the caller names. The facts stand in data/accelerators.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from headway.errors import UsageError
from headway.perf.catalog.accelerator import Accelerator, Prices, Slice
from headway.perf.catalog.names import Words, near, words

__all__ = ["accelerator", "accelerators", "aliases", "slice_of"]

GB = 1e9
MAKERS = frozenset({"nvidia", "amd", "intel", "google", "tesla", "geforce", "instinct", "gpu"})
"""Words that a name may have or leave out."""


@cache
def accelerators() -> Mapping[str, Accelerator]:
    """All of them, whole, by their names in this catalogue."""
    return {row["name"]: _read(row) for row in _rows()}


@cache
def aliases(name: str) -> tuple[str, ...]:
    """Other names of this one."""
    return tuple(next(row.get("aliases", ()) for row in _rows() if row["name"] == name))


def accelerator(name: str, *, of: str = "") -> Accelerator:
    """The accelerator of this name, whole (`H100`) or a slice (`H100/3g.40gb`; with `of="H100"` also `mig-3g.40gb`).

    Raises UsageError with the nearest names, or the profiles that there are.
    """
    product, _, profile = name.partition("/")
    if of and not profile and product.startswith("mig-"):
        product, profile = of, product
    known = _by_words().get(_identity(product))
    if known is None:
        meant = near(product, [*accelerators(), *(each for row in _rows() for each in row.get("aliases", ()))])
        hint = f"did you mean {' or '.join(meant)}?" if meant else "see: headway catalog gpus"
        raise UsageError(f"no accelerator {product!r} is known", hint=hint)
    whole = accelerators()[known]
    return slice_of(whole, profile) if profile else whole


def slice_of(whole: Accelerator, profile: str) -> Accelerator:
    """A MIG slice as an accelerator of its own: its shares of compute, memory and bandwidth, and no link to others.

    It costs the larger of its shares of compute and memory, so that slices that fill the whole cost no more than it.
    Raises UsageError with the profiles that there are.
    """
    wanted = profile.casefold().removeprefix("mig-")
    cut = next((each for each in whole.slices if each.profile == wanted), None)
    if cut is None:
        there = ", ".join(each.profile for each in whole.slices)
        hint = f"it has {there}" if there else "it cannot be cut by MIG"
        raise UsageError(f"{whole.name} has no slice {profile!r}", hint=hint)
    share = max(cut.compute, cut.memory)
    return replace(
        whole,
        name=f"{whole.name}/{cut.profile}",
        memory=int(whole.memory * cut.memory),
        bandwidth=whole.bandwidth * cut.bandwidth,
        flops={dtype: rate * cut.compute for dtype, rate in whole.flops.items()},
        link=0.0,
        node=1,
        power=whole.power * share,
        prices=_part(whole.prices, share),
        slices=(),
        profile=cut.profile,
        cut_from=whole.name,
    )


@cache
def _rows() -> tuple[Mapping[str, Any], ...]:
    text = files("headway.perf.catalog.data").joinpath("accelerators.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)["accelerator"])


@cache
def _by_words() -> Mapping[Words, str]:
    return {_identity(name): row["name"] for row in _rows() for name in (row["name"], *row.get("aliases", ()))}


def _identity(name: str) -> Words:
    return tuple(each for each in words(name) if each not in MAKERS)


def _read(row: Mapping[str, Any]) -> Accelerator:
    return Accelerator(
        name=row["name"],
        vendor=row["vendor"],
        generation=row["generation"],
        capability=row.get("capability", 0),
        memory=row["memory_mib"] << 20,
        bandwidth=row["bandwidth_gbs"] * GB,
        flops={dtype: rate * 1e12 for dtype, rate in row["tflops"].items()},
        link=row.get("link_gbs", 0) * GB,
        pcie=row["pcie_gbs"] * GB,
        node=row["node"],
        power=row["power_w"],
        prices=Prices(**row.get("prices", {})),
        slices=tuple(_slice(row["mig"], *each) for each in row.get("slices", ())),
        source=row["source"],
    )


def _slice(whole: list[int], profile: str, compute: int, memory: int, most: int) -> Slice:
    """Bandwidth goes with the memory slices (NVIDIA MIG user guide, "GPU instance profiles")."""
    share = memory / whole[1]
    return Slice(profile, compute=compute / whole[0], memory=share, bandwidth=share, most=most)


def _part(prices: Prices, share: float) -> Prices:
    def of(price: float | None) -> float | None:
        return None if price is None else price * share

    return replace(prices, on_demand=of(prices.on_demand), neocloud=of(prices.neocloud), spot=of(prices.spot))
