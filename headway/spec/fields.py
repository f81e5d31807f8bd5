"""The types of the file's fields: what is read, what the code holds, what is written as JSON, what the schema says.

A number with a unit has two faces. In a file it is text with the unit written (`memory: 24GB`); in code it is a plain
number in the base unit (bytes, seconds, cores). JSON has the face of the file, so that a Model that was dumped can be
read again anywhere. A bare number is taken only from code: whoever reads a file says so with `Written` as the
validation context, and `memory: 24` is then an error that names the accepted form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

from headway.spec import environment
from headway.spec.fault import Fault, describe
from headway.spec.gpu import GPU_FORM, format_gpu, parse_gpu
from headway.spec.names import check_name
from headway.spec.source import FORM as SOURCE_FORM
from headway.spec.source import Source
from headway.spec.units import (
    CPU_FORM,
    DURATION_FORM,
    PRICE_FORM,
    SIZE_FORM,
    format_cpu,
    format_duration,
    format_price,
    format_size,
    parse_cpu,
    parse_duration,
    parse_price,
    parse_size,
)

__all__ = [
    "Args",
    "Bytes",
    "Cores",
    "Env",
    "GpuText",
    "Name",
    "PerMillion",
    "Seconds",
    "SourceText",
    "Wait",
    "Written",
    "is_written",
]


@dataclass(frozen=True, slots=True)
class Written:
    """Validation context: the values come from what a person wrote. `base`: the absolute folder of their file."""

    base: str


def is_written(info: ValidationInfo) -> bool:
    return isinstance(info.context, Written)


def _with_unit(parse: Callable[[str], float], form: str, least: float) -> Callable[[Any, ValidationInfo], float]:
    def read(value: Any, info: ValidationInfo) -> float:
        if isinstance(value, str):
            number = parse(value)
        elif _is_number(value) and not is_written(info):
            number = value
        else:
            raise Fault(f"found {describe(value)}" + (", which has no unit" if _is_number(value) else ""), form)
        if not (math.isfinite(number) and number >= least):
            raise Fault(f"found {describe(value)}, which is too little", form)
        return number

    return read


def _read_cores(value: Any) -> float:
    if not (isinstance(value, str) or _is_number(value)):
        raise Fault(f"found {describe(value)}", CPU_FORM)
    cores = parse_cpu(value)
    if not 0.001 <= cores <= 4096:
        raise Fault(f"found {describe(value)}", "write 1m (a thousandth of a core) to 4096 cores")
    return cores


def _read_gpu(value: Any) -> str:
    if not (isinstance(value, str) or _is_number(value)):
        raise Fault(f"found {describe(value)}", GPU_FORM)
    return format_gpu(parse_gpu(value))


def _read_source(value: Any, info: ValidationInfo) -> str:
    if not isinstance(value, str):
        raise Fault(f"found {describe(value)}", SOURCE_FORM)
    source = Source.parse(value)
    if isinstance(info.context, Written):
        return str(source.within(info.context.base))
    if source.is_relative:
        raise Fault(f"found {describe(value)}, a relative path", "write the whole path, like file:///models/model.gguf")
    return str(source)


def _read_name(value: Any) -> str:
    if not isinstance(value, str):
        quoted = f', in quotes: "{value}"' if _is_number(value) else ""
        raise Fault(f"found {describe(value)}", f"write a name{quoted or ', e.g. chat'}")
    return check_name(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text_schema(pattern: str, *also: dict[str, Any]) -> WithJsonSchema:
    text = {"type": "string", "pattern": pattern}
    return WithJsonSchema({"anyOf": [text, *also]} if also else text)


_NUMBER = r"[0-9]+(\.[0-9]+)?"
_SIZE = rf"{_NUMBER} ?([kKMGT]i?B?|B)"
_MIG = r"mig-[0-9]+g\.[0-9]+gb(\+[a-z.]+)?"
_PRODUCT = r"[A-Za-z][A-Za-z ._-]*[0-9][A-Za-z0-9 ._-]*(:[0-9]+)?"

Name = Annotated[
    str,
    BeforeValidator(_read_name),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63}),
]
SourceText = Annotated[
    str,
    BeforeValidator(_read_source),
    _text_schema(r"^((builtin|file|hf|s3|gs|pvc|oci|ollama|openai)://.+|\.{0,2}/.+|[A-Za-z0-9][^/:]*/[^:]+)$"),
]
GpuText = Annotated[
    str,
    BeforeValidator(_read_gpu),
    _text_schema(rf"^(auto|cpu|{_NUMBER}|{_SIZE}\.\.|{_MIG}|{_PRODUCT})$", {"type": "number", "exclusiveMinimum": 0}),
]
Cores = Annotated[
    float,
    BeforeValidator(_read_cores),
    PlainSerializer(format_cpu, return_type=str, when_used="json"),
    _text_schema(rf"^{_NUMBER}m?$", {"type": "number", "exclusiveMinimum": 0}),
]
Bytes = Annotated[
    int,
    BeforeValidator(_with_unit(parse_size, SIZE_FORM, 1)),
    PlainSerializer(format_size, return_type=str, when_used="json"),
    _text_schema(rf"^{_SIZE}$"),
]
Seconds = Annotated[
    float,
    BeforeValidator(_with_unit(parse_duration, DURATION_FORM, 1e-6)),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _text_schema(rf"^({_NUMBER}(ms|[dhms]))+$"),
]
Wait = Annotated[
    float,
    BeforeValidator(_with_unit(parse_duration, DURATION_FORM, 0)),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    _text_schema(rf"^({_NUMBER}(ms|[dhms]))+$"),
]
PerMillion = Annotated[
    int,
    BeforeValidator(_with_unit(parse_price, PRICE_FORM, 0)),
    PlainSerializer(format_price, return_type=str, when_used="json"),
    _text_schema(rf"^{_NUMBER}( ?USD)? ?/ ?{_NUMBER} ?[kMG]?$"),
]
Args = Annotated[dict[str, Any], BeforeValidator(environment.read_args), WithJsonSchema(environment.ARGS_SCHEMA)]
Env = Annotated[dict[str, str], BeforeValidator(environment.read_env), WithJsonSchema(environment.ENV_SCHEMA)]
