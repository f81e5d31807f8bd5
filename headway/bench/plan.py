"""What a run is asked to do: which Workload, against what, with how much of this machine.

A plan is a value that every process of the generator gets: the schedule is a pure function of it, so that none of them
has to be told of single requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headway.spec.workload import Workload

__all__ = ["Dialect", "Progress", "RunPlan", "Target"]

Dialect = Literal["auto", "engine", "openai"]
"""Which fields a request has beyond OpenAI's own: `engine` adds ignore_eos, min_tokens and continuous usage, which
vLLM, SGLang, llama.cpp and Headway know; `openai` adds none; `auto` finds out by a request before the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An OpenAI-compatible server. `url` may end in a base path, with or without /v1. `keys`: a tenant's name -> its
    API key; "" is every other tenant's. `headers` go with each request. `ca` is a file of certificates to believe
    besides none of the system's; `verify` False believes any."""

    url: str
    keys: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    dialect: Dialect = "auto"
    ca: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """`trace`: the file of the Workload's trace, if it is not the one the Workload names. `seed` None = the Workload's.

    `workers`: processes that send; 0 = as many as the load needs. `timeout`: seconds a request may take from when it
    was sent. `drain`: seconds that answers may take after the last stage's end. `scrape`: the server's metrics; None =
    TARGET/metrics where there is such a page, "" = none. `salt` makes the prompts' text; None = fresh text each run, so
    that a run does not find the prompts of the one before in the server's prefix cache. `preflight`: ask once before
    any load whether the server, the models and the keys are right. `sockets`: the most connections at once; a request
    that would need one more is not sent and says so. `keep_text`: of so many requests of each process the text of
    question and answer is kept, to be counted with a tokenizer.
    """

    workload: Workload
    target: Target
    trace: Path | None = None
    seed: int | None = None
    workers: int = 0
    timeout: float = 300.0
    drain: float = 30.0
    scrape: str | None = None
    salt: int | None = None
    preflight: bool = True
    sockets: int = 20_000
    keep_text: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`now` and `seconds` count from the start; requests in numbers since then. `seconds` is infinite where
    only a number of requests ends the run. `running`: taken up and not ended."""

    now: float
    seconds: float
    due: int = 0
    sent: int = 0
    ended: int = 0
    failed: int = 0
    running: int = 0
