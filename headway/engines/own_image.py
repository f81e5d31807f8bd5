"""The one image of Headway, which all its parts on a cluster run in: operator, gateway, mock engine, weights."""

from __future__ import annotations

import os

import headway

__all__ = ["SETTING", "own_image"]

SETTING = "HEADWAY_IMAGE"


def own_image() -> str:
    """As `headway install --image` set it for the operator, else the name that building the Containerfile gives it: no
    registry has one of ours, and a name in somebody else's would be theirs to fill."""
    return os.environ.get(SETTING) or f"headway:{headway.__version__}"
