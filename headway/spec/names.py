"""Names of Models: what callers type as `model`, and what becomes the name of a Kubernetes object: a DNS label."""

from __future__ import annotations

import re

from headway.spec.fault import Fault, describe

__all__ = ["check_name", "dns_label"]

LONGEST = 63

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)


def check_name(text: str) -> str:
    if len(text) > LONGEST:
        raise Fault(f"found a name of {len(text)} characters", f"write one of at most {LONGEST}")
    if not _LABEL.fullmatch(text):
        form = "write a name of a-z, 0-9 and - that begins and ends with a letter or digit"
        example = dns_label(text)
        raise Fault(f"found {describe(text)}", f"{form}, e.g. {example}" if example else form)
    return text


def dns_label(text: str) -> str:
    """The nearest DNS label: `Qwen2.5-0.5B_Instruct` becomes `qwen2-5-0-5b-instruct`. Empty if nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST].rstrip("-")
