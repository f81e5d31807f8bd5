"""The `status` of Headway's kinds: what the operator writes, and people and programs read.

Conditions have the standard form (Kubernetes API conventions, "Typical status properties"): `Ready`, `Progressing` and
`Degraded`, whose message names the next action.
"""

from __future__ import annotations

from typing import Any

__all__ = ["status_schema"]


def _text(words: str, longest: int = 1024) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest, "description": words}


def _count(words: str) -> dict[str, Any]:
    return {"type": "integer", "format": "int32", "minimum": 0, "description": words}


_CONDITION: dict[str, Any] = {
    "type": "object",
    "required": ["type", "status", "lastTransitionTime", "reason", "message"],
    "properties": {
        "type": _text("Ready, Progressing or Degraded.", 316),
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"type": "string", "maxLength": 32768},
    },
}
_REVISION: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": _text("Of its workload and Service.", 63),
        "revision": _text("Content hash of the serving configuration.", 63),
        "variant": _text("Which of the Model's variants; empty for its only one.", 63),
        "state": _text("serving, coming, leaving.", 63),
        "replicas": _count("Replicas that there are."),
        "ready": _count("Replicas that answer."),
    },
}
_COMMON: dict[str, Any] = {
    "observedGeneration": {
        "type": "integer",
        "format": "int64",
        "description": "Of the spec that this status is about.",
    },
    "conditions": {
        "type": "array",
        "maxItems": 16,
        "items": _CONDITION,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    },
}
_OF_KIND: dict[str, dict[str, Any]] = {
    "Model": {
        "replicas": _count("Replicas that there are, of all Revisions."),
        "readyReplicas": _count("Replicas that answer."),
        "selector": _text("Of the Replicas' pods, for /scale.", 4096),
        "engine": _text("Which program serves it.", 63),
        "next": _text("What to do about it, if somebody must.", 4096),
        "revisions": {
            "type": "array",
            "maxItems": 64,
            "items": _REVISION,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
    },
    "Route": {},
    "Tenant": {"namespace": _text("That it has on this cluster.", 63)},
    "App": {
        "replicas": _count("0 or 1."),
        "readyReplicas": _count("Those that answer."),
        "url": _text("Where it answers inside the cluster."),
        "lastUsed": {"type": "string", "format": "date-time", "description": "For its idle stop."},
    },
}


def status_schema(kind: str) -> dict[str, Any]:
    return {"type": "object", "description": "Written by Headway.", "properties": _COMMON | _OF_KIND[kind]}
