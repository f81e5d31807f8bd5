"""Kind Site: every field read and written, every fault told with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import SpecError
from headway.spec.hourly import Hourly
from headway.spec.load import load
from headway.spec.schema import json_schema
from headway.spec.site import Site, Spot, Stock
from tests.support.spec import fits

SCHEMA = json_schema()
HEAD = "kind: Site\nname: dc\n"
WHOLE = """
kind: Site
name: dc
currency: EUR
inventory:
- {gpu: H100-SXM, count: 64, per-node: 8, price: 2.5/h, spot: {price: 1.1 EUR/h, preemptions: 0.05/h, count: 32}}
- {gpu: A100-80-SXM, count: 8, price: 1.4 EUR / h, mig: [mig-3g.40gb, 1g.10gb, 3g.40gb]}
- {gpu: NVIDIA L4, count: 0, price: 0/h, mig: true}
"""
FAULTS = [
    ("", "1:1: inventory: says neither context nor inventory; write context: NAME, a context of your kubeconfig; "
     "or inventory: [{gpu: H100-SXM, count: 64}] to plan with"),
    ("context: 3", "3:10: context: found 3; write a context as kubectl config get-contexts names it"),
    ("context: kind\ninventory: []\nprices: [{gpu: L4, price: 1/h}]",
     "5:9: prices: stands beside inventory; write price: 2.5/h in the inventory's entries"),
    ("context: kind\nprices: [{gpu: L4, price: 1 EUR/h}]",
     "4:27: prices.0.price: found 1 EUR/h; the Site's currency is USD"),
    ("context: kind\nprices: [{gpu: L4, price: 1/h, spot: {price: 1 EUR/h, preemptions: 1/h}}]",
     "4:46: prices.0.spot.price: found 1 EUR/h; the Site's currency is USD"),
    ("context: kind\ndefaults: {repliacs: 2}", "4:12: defaults.repliacs: unknown field; did you mean replicas?"),
    ("inventory: [{gpu: H100}]", "3:13: inventory.0.count: missing; write count: 64"),
    ("inventory: [{gpu: H100, count: -1}]",
     "3:32: inventory.0.count: found -1; write a whole number from 0 to 1000000, like 64"),
    ("inventory: [{gpu: H100, count: 1, per-node: 0}]",
     "3:45: inventory.0.per-node: found 0; write a whole number from 1 to 1024, like 8"),
    ("inventory: [{gpu: H100, count: 1, price: 2.5}]",
     "3:42: inventory.0.price: found 2.5, which has no unit; write money for an hour, like 2.5/h or 2.5 EUR/h"),
    ("inventory: [{gpu: H100, count: 1, price: 2.5 EUR/h}]",
     "3:42: inventory.0.price: found 2.5 EUR/h; the Site's currency is USD"),
    ("currency: EUR\ninventory: [{gpu: H100, count: 1}]",
     "4:13: inventory.0.price: H100 has no price, and list prices are in USD; write price: 2.5/h"),
    ("currency: euro\ninventory: []", "3:11: currency: found 'euro'; write three capital letters, like USD or EUR"),
    ("inventory: [{gpu: H100, count: 1, spot: {price: 1/h}}]",
     "3:41: inventory.0.spot.preemptions: missing; write preemptions: 0.05/h"),
    ("inventory: [{gpu: H100, count: 1, spot: {price: 1/h, preemptions: often}}]",
     "3:67: inventory.0.spot.preemptions: found 'often'; write how many an hour, of one GPU, like 0.05/h"),
    ("inventory: [{gpu: H100, count: 1, mig: [3g]}]",
     "3:40: inventory.0.mig: found '3g'; write true, or a list of profiles like [3g.40gb, 1g.10gb]"),
    ("inventory: [{gpu: H100, cuont: 1}]", "3:25: inventory.0.cuont: unknown field; did you mean count?"),
]  # fmt: skip


def site(text: str) -> Site:
    (found,) = load(text, "f.yaml", "/")
    assert isinstance(found, Site)
    return found


def test_every_field_is_read() -> None:
    h100, a100, l4 = site(WHOLE).inventory
    spot = Spot.model_construct(price=Hourly(1_100_000, "EUR"), preemptions=0.05, count=32)
    assert (h100.per_node, h100.price, h100.spot, h100.mig) == (8, Hourly(2_500_000), spot, False)
    assert (a100.price, a100.mig) == (Hourly(1_400_000, "EUR"), ("3g.40gb", "1g.10gb"))
    assert (l4.gpu, l4.count, l4.price, l4.mig, l4.per_node) == ("NVIDIA L4", 0, Hourly(0), True, None)


def test_what_was_written_is_read_again() -> None:
    written = site(WHOLE).model_dump(mode="json", exclude_none=True)
    assert written["inventory"][0]["per-node"] == 8
    assert fits(written, SCHEMA)
    assert site(json.dumps(written)) == site(WHOLE)


@pytest.mark.parametrize(("line", "told"), FAULTS)
def test_a_fault_says_where_and_what_to_do(line: str, told: str) -> None:
    with pytest.raises(SpecError) as found:
        load(HEAD + line, "f.yaml", "/")
    assert str(found.value) == f"f.yaml:{told}"


@given(st.integers(0, 10**12), st.sampled_from(["", "EUR"]))
def test_a_price_is_read_as_it_was_written(micros: int, currency: str) -> None:
    price = Hourly(micros, currency)
    stock: dict[str, Any] = {"gpu": "L4", "count": 1, "price": str(price)}
    assert Stock.model_validate(stock).price == price
