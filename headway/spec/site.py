"""Kind `Site`: where Models can run, and what it costs there. `model` says how the classes become the schema.

A Site is a cluster that is there (`context`), whose GPUs are read from it, or a list of what there would be
(`inventory`), to plan with; or both, where nodes come only when they are needed. Which products there are is the
catalogue's to know (`perf.catalog`), so a name that nobody knows is told by the plan and not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from headway.spec import about_site as about
from headway.spec.bounded import Text, whole
from headway.spec.fault import Fault, describe
from headway.spec.fields import Name
from headway.spec.hourly import CURRENCY_CODE, Hourly, HourlyPrice, Preemptions
from headway.spec.model import Profile
from headway.spec.strict import Strict

__all__ = ["GpuPrice", "Mig", "Site", "Spot", "SpotPrice", "Stock"]

MOST_GPUS = 1_000_000
MOST_LISTED = 100
LONGEST_CONTEXT = 512
"""Characters; EKS names contexts by their ARN."""
MIG_FORM = "write true, or a list of profiles like [3g.40gb, 1g.10gb]"
NEITHER = "write context: NAME, a context of your kubeconfig; or inventory: [{gpu: H100-SXM, count: 64}] to plan with"
_PROFILE = re.compile(r"\d+g\.\d+gb(\+[a-z.]+)?", re.ASCII)
_GPUS = {"type": "integer", "minimum": 0, "maximum": MOST_GPUS}


def _read_mig(value: Any) -> bool | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple) or not value:
        raise Fault(f"found {describe(value)}", MIG_FORM)
    for each in value:
        if not isinstance(each, str) or not _PROFILE.fullmatch(each.removeprefix("mig-")):
            raise Fault(f"found {describe(each)}", MIG_FORM)
    return tuple(dict.fromkeys(each.removeprefix("mig-") for each in value))


def _read_context(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_CONTEXT or not value.isprintable():
        raise Fault(f"found {describe(value)}", "write a context as kubectl config get-contexts names it")
    return value


def _read_currency(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(CURRENCY_CODE, value):
        raise Fault(f"found {describe(value)}", "write three capital letters, like USD or EUR")
    return value


Mig = Annotated[
    bool | tuple[str, ...],
    BeforeValidator(_read_mig),
    PlainSerializer(lambda value: value if isinstance(value, bool) else list(value), when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"type": "array", "items": {"type": "string", "pattern": r"^(mig-)?[0-9]+g\.[0-9]+gb"}, "minItems": 1},
            ]
        }
    ),
]
Gpus = Annotated[
    int,
    whole(0, MOST_GPUS, f"write a whole number from 0 to {MOST_GPUS}, like 64"),
    WithJsonSchema(_GPUS),
]
Node = Annotated[
    int,
    whole(1, 1024, "write a whole number from 1 to 1024, like 8"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1024}),
]
Context = Annotated[
    str,
    BeforeValidator(_read_context),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_CONTEXT}),
]
Currency = Annotated[
    str, BeforeValidator(_read_currency), WithJsonSchema({"type": "string", "pattern": f"^{CURRENCY_CODE}$"})
]


class Spot(Strict):
    """GPUs that cost less and may be taken away."""

    price: Annotated[HourlyPrice, about.SPOT_PRICE]
    preemptions: Annotated[Preemptions, about.PREEMPTIONS]
    count: Annotated[Gpus | None, about.SPOT_COUNT] = None


class SpotPrice(Strict):
    """What GPUs cost on nodes that may be taken away."""

    price: Annotated[HourlyPrice, about.SPOT_PRICE]
    preemptions: Annotated[Preemptions, about.PREEMPTIONS]


class Stock(Strict):
    """GPUs of one product."""

    model_config = ConfigDict(serialize_by_alias=True)

    gpu: Annotated[Text, about.GPU]
    count: Annotated[Gpus, about.COUNT]
    per_node: Annotated[Node | None, about.PER_NODE, Field(alias="per-node")] = None
    price: Annotated[HourlyPrice | None, about.PRICE] = None
    spot: Annotated[Spot | None, about.SPOT] = None
    mig: Annotated[Mig, about.MIG] = False


class GpuPrice(Strict):
    """What GPUs of one product cost on the nodes that carry these labels."""

    gpu: Annotated[Text, about.GPU]
    price: Annotated[HourlyPrice, about.PRICED]
    spot: Annotated[SpotPrice | None, about.SPOT_PRICED] = None
    labels: Annotated[dict[str, Text], about.LABELS] = Field(default_factory=dict)


class Site(Strict):
    """Where Models can run: a cluster, its GPUs and their prices."""

    kind: Annotated[Literal["Site"], about.KIND] = "Site"
    name: Annotated[Name, about.NAME]
    context: Annotated[Context | None, about.CONTEXT] = None
    namespace: Annotated[Name | None, about.NAMESPACE] = None
    defaults: Annotated[Profile | None, about.DEFAULTS] = None
    currency: Annotated[Currency, about.CURRENCY] = "USD"
    prices: Annotated[tuple[GpuPrice, ...], about.PRICES, Field(max_length=MOST_LISTED)] = ()
    inventory: Annotated[tuple[Stock, ...] | None, about.INVENTORY, Field(max_length=MOST_LISTED)] = None

    @model_validator(mode="after")
    def _somewhere(self) -> Site:
        if self.context is None and self.inventory is None:
            raise Fault("says neither context nor inventory", NEITHER, ("inventory",))
        if self.prices and self.inventory is not None:
            raise Fault("stands beside inventory", "write price: 2.5/h in the inventory's entries", ("prices",))
        return self

    @model_validator(mode="after")
    def _one_currency(self) -> Site:
        for path, price in self._prices():
            if price.currency not in ("", self.currency):
                raise Fault(f"found {price}", f"the Site's currency is {self.currency}", path)
        for number, stock in enumerate(self.inventory or ()):
            if stock.price is None and self.currency != "USD":
                message = f"{stock.gpu} has no price, and list prices are in USD"
                raise Fault(message, "write price: 2.5/h", ("inventory", str(number), "price"))
        return self

    def _prices(self) -> Iterator[tuple[tuple[str, ...], Hourly]]:
        for number, priced in enumerate(self.prices):
            yield ("prices", str(number), "price"), priced.price
            if priced.spot is not None:
                yield ("prices", str(number), "spot", "price"), priced.spot.price
        for number, stock in enumerate(self.inventory or ()):
            if stock.price is not None:
                yield ("inventory", str(number), "price"), stock.price
            if stock.spot is not None:
                yield ("inventory", str(number), "spot", "price"), stock.spot.price
