"""A live cluster as offers of `headway plan`: what is free, at whose price, and what is left out and why."""

from __future__ import annotations

import pytest

from headway.cli.plan_cluster import ASSUMED, offers_of, weights_on
from headway.errors import ResourceError
from headway.sites.kubernetes.facts import Facts, Gpus, NodeFacts, StorageClass
from headway.spec.check import from_json, site_from_json

SITE = site_from_json({"name": "prod", "context": "kind", "prices": [{"gpu": "H100", "price": "2.5/h"}]})


def node(name: str, product: str, count: int, free: int, resource: str = "nvidia.com/gpu", **more: object) -> NodeFacts:
    gpus = Gpus(resource, count, free, product, shares=int(str(more.pop("shares", 1))))
    return NodeFacts(name, gpus=(gpus,), **more)  # type: ignore[arg-type]


def test_nodes_of_one_product_and_price_are_one_offer() -> None:
    found = offers_of(Facts(nodes=(node("a", "H100-SXM", 8, 3), node("b", "H100-SXM", 8, 5))), "prod", SITE)
    (offer,) = found.offers
    assert (offer.accelerator.name, offer.count, offer.per_node, offer.price) == ("H100-SXM", 8, 5, 2.5)
    assert (offer.priced, offer.preemptions) == ("Site prod", None)
    assert found.told == "Site prod: 8 of 16 H100-SXM free"


def test_spot_is_another_offer_and_a_guess_is_told() -> None:
    nodes = (node("a", "L4", 4, 4), node("b", "L4", 4, 4, spot=True))
    found = offers_of(Facts(nodes=nodes), "prod", None)
    assert [(each.name, each.preemptions) for each in found.offers] == [("L4", None), ("L4 spot", ASSUMED)]
    assert "nobody said how often spot is taken away: 0.05/h assumed" in found.told


def test_slices_are_offered_as_they_are_cut() -> None:
    found = offers_of(Facts(nodes=(node("a", "A100-80-SXM/1g.10gb", 14, 9, "nvidia.com/mig-1g.10gb"),)), "prod", None)
    (offer,) = found.offers
    assert offer.is_slice
    assert (offer.count, offer.per_node, offer.room(1), offer.gpus(3, 1)) == (9, 1, 9, 3)


def test_what_cannot_be_planned_with_is_told() -> None:
    nodes = (
        node("a", "L4", 4, 4),
        node("b", "L4", 4, 4, ready=False),
        node("c", "T4", 16, 16, shares=4),
        node("d", "Banana", 4, 4),
        node("e", "", 4, 4),
    )
    found = offers_of(Facts(nodes=nodes), "prod", None)
    assert [each.name for each in found.offers] == ["L4"]
    assert found.told.endswith(
        "left out: b: L4 (its node takes no pods now), c: T4 (shared by 4), d: Banana (not in the catalogue), "
        "e: nvidia.com/gpu (no label says which product)"
    )


def test_a_price_in_another_currency_must_be_said() -> None:
    site = site_from_json({"name": "eu", "context": "kind", "currency": "EUR"})
    with pytest.raises(ResourceError, match="H100-SXM has no price: write prices"):
        offers_of(Facts(nodes=(node("a", "H100-SXM", 8, 8),)), "eu", site)


def test_a_cluster_without_gpus() -> None:
    with pytest.raises(ResourceError) as found:
        offers_of(Facts(nodes=(NodeFacts("a"),)), "prod", None)
    assert str(found.value) == "prod has no GPU to plan with: no node has a GPU; headway site show prod"


def test_how_the_weights_would_reach_the_pods() -> None:
    model = from_json({"name": "m", "source": "hf://a/b"})
    shared = Facts(storage=(StorageClass("nfs", "nfs.csi.k8s.io", shared=True),))
    assert weights_on(model, shared).startswith("volume: StorageClass nfs can be read by many nodes")
    assert weights_on(model, Facts()) == "none: no StorageClass that many nodes can read: fetched at each start"
    assert weights_on(from_json({"name": "m", "source": "openai://gpt-4o"}), shared) == ""
    assert "does not see this machine's files" in weights_on(from_json({"name": "m", "source": "file:///m"}), shared)
