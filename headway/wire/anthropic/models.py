"""The list of models as Anthropic's API shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["model_info", "model_page"]


def model_info(name: str, created: int) -> dict[str, Any]:
    at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": at}


def model_page(infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All of them on one page."""
    ids = [info["id"] for info in infos] or [None]
    return {"data": infos, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
