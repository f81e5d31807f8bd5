"""Which GPU a node's label means: the catalogue's name for it, whoever wrote the label.

NVIDIA's GPU feature discovery says `NVIDIA-H100-80GB-HBM3`, with `-SHARED` behind it where GPUs are time-sliced and
`-MIG-1g.10gb` where all of them are cut alike; AMD's labeller `AMD_Instinct_MI300X_OAM`; clouds have words of their
own for what they rent (`nvidia-h100-80gb`, `tpu-v6e-slice`), listed here where the catalogue would not know them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator

__all__ = ["clouds", "known_as", "memory_of", "profile_of"]

_CLOUDS = {
    # GKE, "About GPUs" and "About TPUs in GKE": values of cloud.google.com/gke-accelerator and gke-tpu-accelerator
    "nvidia-tesla-a100": "A100-40-SXM",
    "nvidia-a100-80gb": "A100-80-SXM",
    "nvidia-h100-80gb": "H100-SXM",
    "nvidia-h100-mega-80gb": "H100-SXM",
    "nvidia-h200-141gb": "H200-SXM",
    "nvidia-b200": "B200-SXM",
    "nvidia-gb200": "GB200",
    "nvidia-tesla-v100": "V100-SXM-16",
    "nvidia-rtx-pro-6000": "RTX-PRO-6000-SE",
    "nvidia-l4": "L4",
    "nvidia-tesla-t4": "T4",
    "tpu-v4-podslice": "TPU-v4",
    "tpu-v5-lite-device": "TPU-v5e",
    "tpu-v5-lite-podslice": "TPU-v5e",
    "tpu-v5p-slice": "TPU-v5p",
    "tpu-v6e-slice": "TPU-v6e",
    "tpu-v6e-device": "TPU-v6e",
    "tpu7x": "TPU-7x",
}
_FORM = re.compile(r"[-_ ]OAM$", re.IGNORECASE)  # AMD's labeller says how it is mounted
_SHARED = re.compile(r"-SHARED$", re.IGNORECASE)
_MIG = re.compile(r"-MIG-(\d+g\.\d+gb(?:\+[a-z.]+)?)$", re.IGNORECASE)


def clouds() -> Mapping[str, str]:
    """The clouds' words that are listed here -> the catalogue's names."""
    return _CLOUDS


@lru_cache(maxsize=512)
def known_as(label: str, profile: str = "") -> str:
    """The catalogue's name, with a MIG profile behind it (`H100-SXM/1g.10gb`); else what the label says."""
    product = _MIG.sub("", _SHARED.sub("", label))
    profile = profile or profile_of(label)
    product = _CLOUDS.get(product.casefold(), product)
    try:
        whole = accelerator(_FORM.sub("", product).replace("_", "-"))
    except UsageError:
        return f"{product}/{profile}" if profile else product
    return f"{whole.name}/{profile}" if profile else whole.name


def profile_of(label: str) -> str:
    """Of a product label where all GPUs are cut alike; empty: whole ones."""
    match = _MIG.search(_SHARED.sub("", label))
    return match[1].casefold() if match else ""


@lru_cache(maxsize=512)
def memory_of(product: str) -> int:
    """Bytes, as the catalogue has them for a name that `known_as` gave; 0: it does not know it."""
    try:
        return accelerator(product).memory if product else 0
    except UsageError:
        return 0
