"""Names of models for shell completion: quick, and silent when nothing runs."""

from __future__ import annotations

from typing import Any

from headway.cli.client import ControlClient
from headway.errors import HeadwayError, UsageError

__all__ = ["complete_name", "model_named"]

COMPLETE_WITHIN = 1.0
"""Seconds that a person waits for TAB."""


def complete_name(incomplete: str) -> list[str]:
    try:
        models = ControlClient().get("/state", within=COMPLETE_WITHIN)["models"]
    except HeadwayError:
        return []
    return [each["name"] for each in models if each["name"].startswith(incomplete)]


def model_named(snapshot: dict[str, Any], name: str) -> dict[str, Any]:
    """Raises UsageError that names those there are."""
    models: list[dict[str, Any]] = snapshot["models"]
    for each in models:
        if each["name"] == name:
            return each
    known = ", ".join(each["name"] for each in snapshot["models"]) or "none"
    raise UsageError(f"no model {name!r} here", hint=f"models: {known}")
