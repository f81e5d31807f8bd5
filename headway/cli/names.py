"""Names of models and tenants for shell completion: quick, and silent when nothing runs."""

from __future__ import annotations

from typing import Any

from headway.cli.client import ControlClient
from headway.errors import HeadwayError, UsageError

__all__ = [
    "app_named",
    "complete_any",
    "complete_app",
    "complete_name",
    "complete_tenant",
    "model_named",
    "route_named",
    "tenant_named",
]

COMPLETE_WITHIN = 1.0
"""Seconds that a person waits for TAB."""


def complete_name(incomplete: str) -> list[str]:
    """Of models."""
    return _complete(incomplete, "models")


def complete_tenant(incomplete: str) -> list[str]:
    return _complete(incomplete, "tenants")


def complete_any(incomplete: str) -> list[str]:
    return _complete(incomplete, "models", "routes", "apps", "tenants")


def complete_app(incomplete: str) -> list[str]:
    return _complete(incomplete, "apps")


def app_named(snapshot: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((each for each in snapshot.get("apps", []) if each["name"] == name), None)


def _complete(incomplete: str, *kinds: str) -> list[str]:
    try:
        snapshot = ControlClient().get("/state", within=COMPLETE_WITHIN)
    except HeadwayError:
        return []
    names = [each["name"] for kind in kinds for each in snapshot.get(kind, [])]
    return [name for name in names if name.startswith(incomplete)]


def tenant_named(snapshot: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((each for each in snapshot.get("tenants", []) if each["name"] == name), None)


def route_named(snapshot: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((each for each in snapshot.get("routes", []) if each["name"] == name), None)


def model_named(snapshot: dict[str, Any], name: str) -> dict[str, Any]:
    """Raises UsageError that names those there are."""
    models: list[dict[str, Any]] = snapshot["models"]
    for each in models:
        if each["name"] == name:
            return each
    known = ", ".join(each["name"] for each in snapshot["models"]) or "none"
    raise UsageError(f"no model {name!r} here", hint=f"models: {known}")
