"""What `headway bench` was asked for -> a Workload: a preset or a file, with the options laid over it.

Whatever cannot be is told with the option's own name, or with file:line where the file is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.errors import SpecError, UsageError

if TYPE_CHECKING:
    from headway.spec.workload import Workload

__all__ = ["Asked", "complete_workload", "limits_asked", "parse_share", "workload_asked"]

OPTIONS = {
    "arrivals.rate": "--rate",
    "arrivals.concurrency": "--concurrency",
    "arrivals.pattern": "--pattern",
    "for": "--for",
    "requests": "--requests",
    "trace": "--trace",
    "trace.file": "--trace",
    "trace.speed": "--speed",
    "slo": "--slo",
    "seed": "--seed",
    "model": "--model",
    "warmup": "--warmup",
}
"""Fields of a Workload by the option that lays a value over them."""
DEFAULT = "chat"
LIMITS = ("ttft", "itl", "tpot", "e2e")
OF_A_TRACE = ("arrivals", "prompt", "output", "prefix", "sessions", "mix", "for", "requests")
"""What a trace brings itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options as they were written; None = left out."""

    workload: str | None = None
    model: str | None = None
    rate: str | None = None
    pattern: str | None = None
    concurrency: int | None = None
    lasts: str | None = None
    requests: int | None = None
    trace: Path | None = None
    speed: str | None = None
    slo: str | None = None
    seed: int | None = None
    warmup: str | None = None


def complete_workload(incomplete: str) -> list[str]:
    from headway.spec.presets import PRESETS  # noqa: PLC0415

    return [each for each in PRESETS if each.startswith(incomplete)]


def workload_asked(asked: Asked, base: Workload | None = None) -> Workload:
    """`base`: where no workload is named, in place of the preset. Raises SpecError or UsageError."""
    from headway.bench.varied import written  # noqa: PLC0415
    from headway.spec.check import workload_from_json  # noqa: PLC0415

    _check_options(asked)
    replayed_alone = asked.workload is None and asked.trace is not None
    named = base if base is not None and asked.workload is None else None
    data = {} if replayed_alone else written(named or _named(asked.workload or DEFAULT))
    laid = _laid_over(asked)
    if asked.trace is not None:
        data = _replay(data, asked.trace, asked.speed)
    if "arrivals" in laid:
        data = _with_arrivals(data, laid.pop("arrivals"))
    for one, other in (("for", "requests"), ("requests", "for")):
        if one in laid:
            data.pop(other, None)
    if "slo" in laid:
        data = _with_limits(data, laid.pop("slo"))
    try:
        return workload_from_json(data | laid)
    except SpecError as error:
        raise _of_option(error, asked) from None


def parse_share(text: str, option: str) -> float:
    """95% or 0.95. Raises UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(%?)", text)
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0.5 <= share < 1:
        raise UsageError(f"{option}: found {text!r}", hint="write a share from 50% to 99.9%, like 95%")
    return share


def _named(name: str) -> Workload:
    from headway.cli.target import FILES, read  # noqa: PLC0415
    from headway.spec.fault import nearest  # noqa: PLC0415
    from headway.spec.presets import PRESETS, preset  # noqa: PLC0415
    from headway.spec.workload import Workload  # noqa: PLC0415

    path = Path(name)
    if name in PRESETS and not path.is_file():
        return preset(name)
    if not (name == "-" or path.suffix in FILES or path.is_file()):
        meant = nearest(name, PRESETS)
        hint = f"did you mean {meant}?" if meant else f"a file, or one of {', '.join(PRESETS)}"
        raise UsageError(f"--workload: no preset {name!r}", hint=hint)
    if path.suffix not in FILES and path.is_file():
        raise UsageError(f"--workload: {name} is no YAML or JSON file", hint="for recorded requests: --trace FILE")
    objects, _, _ = read(name)
    workloads = [each for each in objects if isinstance(each, Workload)]
    if len(workloads) == 1:
        return workloads[0]
    if not workloads:
        raise SpecError("holds no Workload", hint="write kind: Workload; docs/workloads.md has examples", file=name)
    names = ", ".join(each.name for each in workloads)
    raise SpecError(f"holds several Workloads: {names}", hint="write one a file", file=name)


def _check_options(asked: Asked) -> None:
    if asked.rate is not None and asked.concurrency is not None:
        raise UsageError("--rate and --concurrency", hint="give one: a rate that is kept, or callers that wait")
    if asked.lasts is not None and asked.requests is not None:
        raise UsageError("--for and --requests", hint="give one of the two")
    if asked.speed is not None and asked.trace is None:
        raise UsageError("--speed without --trace", hint="give the trace too: --trace FILE --speed 20x")
    if asked.trace is not None and (asked.rate or asked.concurrency or asked.pattern):
        raise UsageError(
            "--trace brings its own times", hint="leave --rate, --concurrency and --pattern out; --speed changes them"
        )


def _laid_over(asked: Asked) -> dict[str, Any]:
    """By field of the Workload."""
    found: dict[str, Any] = {
        "model": asked.model,
        "for": asked.lasts,
        "requests": asked.requests,
        "seed": asked.seed,
        "warmup": asked.warmup,
        "slo": None if asked.slo is None else limits_asked(asked.slo),
    }
    if asked.rate is not None:
        # "20" is what every other tool takes; a second is what it means there.
        found["arrivals"] = {"rate": f"{asked.rate}/s" if re.fullmatch(r"[\d.]+", asked.rate) else asked.rate}
    if asked.concurrency is not None:
        found["arrivals"] = {"concurrency": asked.concurrency}
    if asked.pattern is not None:
        found["arrivals"] = found.get("arrivals", {}) | {"pattern": asked.pattern}
    return {key: value for key, value in found.items() if value is not None}


def _with_arrivals(data: dict[str, Any], laid: dict[str, Any]) -> dict[str, Any]:
    """A rate keeps the pattern that the Workload has; stages give way to it."""
    before = data.get("arrivals", {})
    kept = {key: before[key] for key in ("pattern", "cv", "rate") if key in before and "concurrency" not in laid}
    if laid.get("pattern", "gamma") != "gamma":
        kept.pop("cv", None)
    if kept.get("pattern") == "poisson" and "pattern" not in laid:
        kept.pop("pattern")
    return data | {"arrivals": kept | laid}


def _with_limits(data: dict[str, Any], limits: dict[str, str]) -> dict[str, Any]:
    """What was given counts for every part; other limits stay as they are."""
    data = data | {"slo": data.get("slo", {}) | limits}
    if "mix" in data:
        data["mix"] = [part | ({"slo": part["slo"] | limits} if "slo" in part else {}) for part in data["mix"]]
    return data


def limits_asked(text: str) -> dict[str, str]:
    """ttft=200ms,itl=50ms. Raises UsageError."""
    found = {}
    for each in text.split(","):
        name, equals, value = each.strip().partition("=")
        if not equals or name not in LIMITS:
            raise UsageError(
                f"--slo: found {each.strip()!r}", hint=f"write limits like ttft=200ms,itl=50ms; of {', '.join(LIMITS)}"
            )
        found[name] = value.strip()
    return found


def _replay(data: dict[str, Any], file: Path, speed: str | None) -> dict[str, Any]:
    from headway.spec.names import dns_label  # noqa: PLC0415

    kept = {key: value for key, value in data.items() if key not in OF_A_TRACE}
    trace: dict[str, Any] = {"file": str(file.absolute())} | ({} if speed is None else {"speed": _speed(speed)})
    return kept | {"name": dns_label(file.stem) or "trace", "trace": trace}


def _speed(text: str) -> float:
    try:
        return float(text.removesuffix("x"))
    except ValueError:
        raise UsageError(f"--speed: found {text!r}", hint="write how many times faster, like 20x") from None


def _of_option(error: SpecError, asked: Asked) -> UsageError:
    """The fault of a value that an option brought, in the option's name."""
    field = error.field
    while field and field not in OPTIONS:
        field = field.rpartition(".")[0]
    where = OPTIONS.get(field) or f"{asked.workload or DEFAULT} with these options: {error.field}"
    return UsageError(f"{where}: {error.message}", hint=error.hint)
