"""The JSON Schema (2020-12) of the user's file, made from the model: editors complete and check with it.

A document is flat or a Kubernetes object; both are closed, so that an editor underlines an unknown key. What is checked
beyond the schema (that a range is not upside down, that names differ, that no credential stands in the file) is
`load`'s: all that loads fits the schema.
"""

from __future__ import annotations

from typing import Any

from headway.spec.document import API_VERSION, METADATA
from headway.spec.kinds import KINDS

__all__ = ["json_schema"]

Schema = dict[str, Any]

NAMES = {
    "Model": "chat",
    "Tenant": "research",
    "Route": "assistant",
    "App": "notes",
    "Workload": "evening-chat",
    "Site": "datacentre",
}
SPECS = {
    "Model": {"source": "builtin://smollm2-135m-instruct"},
    "Tenant": {"limits": {"rpm": 600}},
    "Route": {"to": [{"model": "big"}], "fallback": [{"model": "small"}]},
    "App": {"preset": "notebook", "idle": "30m"},
    "Workload": {"model": "chat", "arrivals": {"rate": "20/s"}, "prompt": {"p50": 1020, "p90": 2700}, "output": 100},
    "Site": {"inventory": [{"gpu": "H100-SXM", "count": 64, "per-node": 8, "price": "2.5/h"}]},
}
"""Examples, by kind."""


def json_schema() -> Schema:
    """As plain JSON values. `x-unit` says the unit of a field where it has one."""
    parts: Schema = {}
    for kind, fields in KINDS.items():
        generated = fields.model_json_schema()
        inner = {name: _tidy(part) for name, part in generated.pop("$defs").items()}
        flat = _tidy(generated)
        parts |= {kind: flat | {"required": ["kind", *flat["required"]]}, f"{kind}Object": _object(kind, flat), **inner}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Headway",
        "description": "One document of a file that Headway reads.",
        "anyOf": [{"$ref": f"#/$defs/{kind}{form}"} for kind in KINDS for form in ("", "Object")],
        "$defs": parts,
    }


def _object(kind: str, flat: Schema) -> Schema:
    """The form that `kubectl apply` takes."""
    required = [name for name in flat["required"] if name != "name"]
    inner = {name: part for name, part in flat["properties"].items() if name not in ("kind", "name")}
    name = flat["properties"]["name"]
    return {
        "title": f"{kind} (as a Kubernetes object)",
        "description": "The same fields under spec; metadata.name is the name.",
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", *(["spec"] if required else [])],
        "properties": {
            "apiVersion": _part("API version", "The version of this kind.", API_VERSION, const=API_VERSION),
            "kind": flat["properties"]["kind"],
            "metadata": {
                **_part("Metadata", "The object's name, and what Kubernetes keeps about it.", {"name": NAMES[kind]}),
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {each: name if each == "name" else _kubernetes_own(each) for each in METADATA},
            },
            "spec": {
                **_part("Spec", "What is asked for.", SPECS[kind]),
                "type": "object",
                "additionalProperties": False,
                "required": required,
                "properties": inner,
            },
            "status": _kubernetes_own("status"),
        },
    }


def _part(title: str, description: str, example: Any, **more: Any) -> Schema:
    return {"title": title, "description": description, "examples": [example], **more}


def _kubernetes_own(name: str) -> Schema:
    return {"title": name, "description": "Kubernetes' own; Headway passes over it."}


def _tidy(schema: Any) -> Any:
    """Without `null`: a field is left out or has a value. What an optional field points to keeps its own words."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(value) for key, value in schema.items() if not (key == "default" and value is None)}
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    if "$ref" in tidy and "examples" in tidy:
        # pydantic leaves the title out where it says the same as the name of the class.
        tidy = {"title": tidy["$ref"].rpartition("/")[2], **tidy}
    options = tidy.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        left = [each for each in options if each != {"type": "null"}]
        del tidy["anyOf"]
        tidy = {**left[0], **tidy} if len(left) == 1 else {**tidy, "anyOf": left}
    return tidy
