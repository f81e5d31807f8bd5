"""What an hour of a GPU costs on a node: whose price counts, and what a slice is of it."""

from __future__ import annotations

from typing import Any

import pytest

from headway.perf.catalog.accelerators import accelerator
from headway.sites.kubernetes.facts import Gpus, NodeFacts
from headway.sites.kubernetes.prices import Priced, price_of
from headway.spec.check import site_from_json

H100 = Gpus("nvidia.com/gpu", 8, 8, "H100-SXM")
SLICE = Gpus("nvidia.com/mig-1g.10gb", 14, 14, "H100-SXM/1g.10gb")
PRICES: list[dict[str, Any]] = [
    {"gpu": "NVIDIA-H100-80GB-HBM3", "labels": {"pool": "reserved"}, "price": "1/h"},
    {"gpu": "H100", "price": "2.5/h", "spot": {"price": "1.2/h", "preemptions": "0.1/h"}},
]
SITE = site_from_json({"name": "prod", "context": "kind", "prices": PRICES})


def node(**more: Any) -> NodeFacts:
    return NodeFacts("a", gpus=(H100,), **more)


@pytest.mark.parametrize(
    ("where", "priced"),
    [
        (node(), Priced(2.5, "USD", "Site prod")),
        (node(labels={"pool": "reserved"}), Priced(1.0, "USD", "Site prod")),
        (node(spot=True), Priced(1.2, "USD", "Site prod", 0.1)),
        (node(spot=True, labels={"pool": "reserved"}), Priced(1.0, "USD", "Site prod")),
        (node(price=16.0), Priced(2.5, "USD", "Site prod")),
    ],
)
def test_the_sites_first_price_that_fits_counts(where: NodeFacts, priced: Priced) -> None:
    assert price_of(where, H100, SITE) == priced


def test_a_slice_costs_its_share() -> None:
    cut = next(each for each in accelerator("H100-SXM").slices if each.profile == "1g.10gb")
    found = price_of(node(), SLICE, SITE)
    assert found is not None
    assert found.hourly == pytest.approx(2.5 * max(cut.compute, cut.memory))


def test_without_a_price_of_the_site_the_nodes_label_counts() -> None:
    assert price_of(node(price=16.0), H100, None) == Priced(2.0, "USD", "label headway.dev/price")
    bare = site_from_json({"name": "eu", "context": "kind", "currency": "EUR"})
    assert price_of(node(price=16.0), H100, bare) == Priced(2.0, "EUR", "label headway.dev/price")
    assert price_of(node(), H100, bare) is None, "list prices are in USD"


def test_else_the_list_price() -> None:
    listed = accelerator("H100-SXM").prices
    found, spot = price_of(node(), H100, None), price_of(node(spot=True), H100, None)
    assert found is not None
    assert spot is not None
    assert found.hourly in (listed.neocloud, listed.on_demand)
    assert spot.hourly == listed.spot
    assert price_of(node(), Gpus("nvidia.com/gpu", 1, 1, "Banana-9000"), None) is None
