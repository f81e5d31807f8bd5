"""The one image of Headway, which all its parts on a cluster run in: operator, gateway, mock engine, weights."""

from __future__ import annotations

import os

import headway

__all__ = ["SETTING", "own_image"]

SETTING = "HEADWAY_IMAGE"


def own_image() -> str:
    """As `headway install --image` set it for the operator, else that of this release."""
    return os.environ.get(SETTING) or f"ghcr.io/headway-dev/headway:{headway.__version__}"
