"""The JSON Schema (2020-12) of the user's file, made from the model: editors complete and check with it.

A document is flat or a Kubernetes object; both are closed, so that an editor underlines an unknown key. What is checked
beyond the schema (that a range is not upside down, that names differ, that no credential stands in the file) is
`load`'s: all that loads fits the schema.
"""

from __future__ import annotations

from typing import Any

from headway.spec.document import API_VERSION, METADATA
from headway.spec.model import Model

__all__ = ["json_schema"]

Schema = dict[str, Any]


def json_schema() -> Schema:
    """As plain JSON values. `x-unit` says the unit of a field where it has one."""
    generated = Model.model_json_schema()
    parts = {name: _tidy(part) for name, part in generated.pop("$defs").items()}
    flat = _tidy(generated)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Headway",
        "description": "One document of a file that `headway up` reads.",
        "anyOf": [{"$ref": "#/$defs/Model"}, {"$ref": "#/$defs/Object"}],
        "$defs": {"Model": flat | {"required": ["kind", *flat["required"]]}, "Object": _object(flat), **parts},
    }


def _object(flat: Schema) -> Schema:
    """The form that `kubectl apply` takes."""
    inner = {name: part for name, part in flat["properties"].items() if name not in ("kind", "name")}
    name = flat["properties"]["name"]
    return {
        "title": "Model (as a Kubernetes object)",
        "description": "The same fields under spec; metadata.name is the name.",
        "type": "object",
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": _part("API version", "The version of this kind.", API_VERSION, const=API_VERSION),
            "kind": flat["properties"]["kind"],
            "metadata": {
                **_part("Metadata", "The object's name, and what Kubernetes keeps about it.", {"name": "chat"}),
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {each: name if each == "name" else _kubernetes_own(each) for each in METADATA},
            },
            "spec": {
                **_part("Spec", "What is asked for.", {"source": "builtin://smollm2-135m-instruct"}),
                "type": "object",
                "additionalProperties": False,
                "required": ["source"],
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
    options = tidy.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        left = [each for each in options if each != {"type": "null"}]
        del tidy["anyOf"]
        tidy = {**left[0], **tidy} if len(left) == 1 else {**tidy, "anyOf": left}
    return tidy
