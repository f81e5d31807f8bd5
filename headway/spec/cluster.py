"""What a Model says for a cluster alone: its image, what it may cost, how the weights get there, fields of the pod.

A laptop passes these over: the same file goes everywhere.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from headway.spec import about_cluster as about
from headway.spec.environment import read_pod
from headway.spec.fault import Fault, describe
from headway.spec.fields import Bytes
from headway.spec.hourly import HourlyPrice
from headway.spec.strict import Strict

__all__ = ["CacheWay", "Cost", "ImageText", "KubeName", "PodFields", "SpotWay", "Weights"]

CacheWay = Literal["volume", "replica", "image", "stream", "none"]
SpotWay = Literal["prefer", "only", "never"]

_IMAGE = r"[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[a-f0-9]{64})"
_NAME = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"


def _read_image(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_IMAGE, value) or len(value) > 500:
        raise Fault(f"found {describe(value)}", "write an image with its tag, like vllm/vllm-openai:v0.12.0")
    return value


def _read_name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_NAME, value):
        raise Fault(f"found {describe(value)}", "write the name of an object of the cluster, like production")
    return value


ImageText = Annotated[
    str, BeforeValidator(_read_image), WithJsonSchema({"type": "string", "pattern": f"^{_IMAGE}$", "maxLength": 500})
]
KubeName = Annotated[str, BeforeValidator(_read_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})]
PodFields = Annotated[
    dict[str, Any],
    BeforeValidator(read_pod),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]


class Cost(Strict):
    """What it may cost."""

    max: Annotated[HourlyPrice | None, about.MAX] = None
    spot: Annotated[SpotWay | None, about.SPOT] = None

    @model_validator(mode="after")
    def _says_something(self) -> Cost:
        if self.max is None and self.spot is None:
            raise Fault("says nothing", "write cost: {spot: prefer}, or leave it out")
        return self


class Weights(Strict):
    """How the weights reach the pods."""

    model_config = ConfigDict(serialize_by_alias=True)

    cache: Annotated[CacheWay | None, about.CACHE] = None
    storage_class: Annotated[KubeName | None, about.CLASS, Field(alias="class")] = None
    size: Annotated[Bytes | None, about.SIZE] = None

    @model_validator(mode="after")
    def _sound(self) -> Weights:
        if self.cache is None and self.storage_class is None and self.size is None:
            raise Fault("says nothing", "write weights: {cache: volume}, or leave it out")
        if self.storage_class and self.cache not in (None, "volume", "replica"):
            raise Fault(f"found {self.storage_class}", f"cache {self.cache} has no claim: leave it out", ("class",))
        return self
