"""`headway bench --dry-run`: what would be sent, told and not sent. The schedule is a pure function, so this is the
very one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.bench.readable import count, each_second, percent, span
from headway.errors import UsageError

if TYPE_CHECKING:
    from headway.perf.traffic.planned import Planned, Traffic
    from headway.spec.workload import Workload

__all__ = ["Outlook", "outlook", "outlook_lines", "told_arrivals"]

MOST_LOOKED_AT = 200_000
FIRST = 10


@dataclass(frozen=True, slots=True)
class Outlook:
    """`seconds` between the first and the last that was looked at; tokens of one request on average and of all;
    `shared`: of the prompts' tokens, those that an earlier request has at its beginning too."""

    requests: int
    complete: bool
    seconds: float
    rate: float | None
    prompt_mean: float
    prompt_max: int
    output_mean: float
    output_max: int
    shared: float
    sessions: int
    first: tuple[Planned, ...]

    def to_dict(self) -> dict[str, Any]:
        from dataclasses import asdict  # noqa: PLC0415

        return asdict(self)


def outlook(traffic: Traffic) -> Outlook:
    """Of a closed loop, whose requests have no end, the first thousands."""
    closed = any(stage.concurrency is not None for stage in traffic.stages)
    most = 2000 if closed else MOST_LOOKED_AT
    looked = list(itertools.islice(iter(traffic), most + 1))
    complete, looked = len(looked) <= most, looked[:most]
    if not looked:
        raise UsageError("the schedule has no request", hint="a longer time or a higher rate: --for, --rate")
    seconds = traffic.seconds if complete and not closed else looked[-1].at - looked[0].at
    outputs = [each.output_tokens for each in looked]
    prompts = [each.prompt_tokens for each in looked]
    return Outlook(
        requests=len(looked),
        complete=complete and not closed,
        seconds=seconds,
        rate=None if closed or seconds <= 0 else len(looked) / seconds,
        prompt_mean=sum(prompts) / len(prompts),
        prompt_max=max(prompts),
        output_mean=sum(outputs) / len(outputs),
        output_max=max(outputs),
        shared=_shared(looked),
        sessions=len({each.session for each in looked if each.session >= 0}),
        first=tuple(looked[:FIRST]),
    )


def told_arrivals(workload: Workload, seed: int | None) -> str:
    """chat, 20/s (poisson), 60 s, seed 1"""
    told = [workload.name]
    arrivals = workload.arrivals
    if workload.trace is not None:
        told.append(f"replayed {workload.trace.speed:g} x")
    elif arrivals is not None and arrivals.stages:
        told.append(f"{len(arrivals.stages)} stages")
    elif arrivals is not None and arrivals.concurrency is not None:
        told.append(f"{arrivals.concurrency} callers, each waits for its answer")
    elif arrivals is not None:
        told.append(f"{arrivals.rate} ({arrivals.pattern})")
    if workload.requests is not None:
        told.append(f"{workload.requests:,} requests")
    elif workload.lasts is not None:
        told.append(span(workload.lasts))
    told.append(f"seed {workload.seed if seed is None else seed}")
    return ", ".join(told)


def outlook_lines(found: Outlook) -> Iterator[str]:
    many = count(found.requests) if found.complete else f"the first {count(found.requests)}"
    rate = "" if found.rate is None else f", {each_second(found.rate)} over {span(found.seconds)}"
    yield f"requests   {many}{rate}"
    yield f"prompts    {count(found.prompt_mean)} tokens on average, {count(found.prompt_max)} at the most"
    yield f"answers    {count(found.output_mean)} tokens on average, {count(found.output_max)} at the most"
    yield f"shared     {percent(found.shared)} of the prompts' tokens begin an earlier prompt too"
    if found.sessions:
        yield f"sessions   {count(found.sessions)}"
    yield f"tokens     {count(found.prompt_mean * found.requests)} in, {count(found.output_mean * found.requests)} out"
    yield ""
    yield f"{'at':>9}  {'prompt':>7}  {'answer':>7}  {'kind':<10}  whom"
    for each in found.first:
        whom = " ".join(
            filter(None, [each.model, each.adapter, each.tenant, f"turn {each.turn}" if each.session >= 0 else ""])
        )
        lengths = f"{each.prompt_tokens:>7,}  {each.output_tokens:>7,}"
        yield f"{each.at:8.3f}s  {lengths}  {each.operation:<10}  {whom}".rstrip()


def _shared(looked: list[Planned]) -> float:
    """A Piece counts as shared when it, after the very same Pieces, was in an earlier prompt: what a prefix cache of
    any size could find."""
    seen: set[int] = set()
    shared = total = 0
    for each in looked:
        path = 0
        for piece in each.prompt:
            path = hash((path, piece.id, piece.tokens))
            total += piece.tokens
            if path in seen:
                shared += piece.tokens
            seen.add(path)
    return shared / total if total else 0.0
