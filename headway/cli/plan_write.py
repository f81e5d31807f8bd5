"""`headway plan -o FILE`: what was picked as documents that `headway up` and `headway plan` read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from headway.cli.plan_asked import Plan
from headway.errors import UsageError
from headway.perf.plan.written import written

__all__ = ["text_of", "write"]


def write(plans: Sequence[Plan], path: Path) -> None:
    """Models that nothing serves within their limits are left out, and said. Raises UsageError."""
    text = text_of(plans)
    if not text:
        raise UsageError(f"{path} is not written: no Model can be served within its limits", hint="see what would help")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"-o {path}: cannot be written: {error.strerror}", hint="name a file in a folder") from error


def text_of(plans: Sequence[Plan]) -> str:
    """YAML, a document for each Model."""
    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 100
    documents = []
    for plan in plans:
        if plan.pick is None or not plan.is_kept:
            continue
        out = io.StringIO()
        yaml.dump(written(plan.model, plan.pick, plan.goal), out)
        documents.append(_head(plan) + out.getvalue())
    return "---\n".join(documents)


def _head(plan: Plan) -> str:
    pick = plan.pick
    assert pick is not None  # noqa: S101
    load = f"{plan.demand.peak:.4g} {'callers' if plan.demand.closed else 'requests/s'}"
    return (
        f"# headway plan: {load} of {plan.demand.origin} on {plan.place.name}, "
        f"{pick.per_hour:.2f} {plan.place.currency}/h predicted\n"
    )
