"""One mock engine as its callers see it: what each path does to the engine, and the faults on the way there.

It shares nothing with other engines of its process.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from itertools import cycle
from typing import Any

import msgspec

from headway.engines import mock_pooling as pooling
from headway.engines.mock_admin import Admin, Route
from headway.engines.mock_arrivals import Arrivals
from headway.engines.mock_batch import Batch
from headway.engines.mock_clock import Clock
from headway.engines.mock_core import Core
from headway.engines.mock_faults import NO_FAULT, Fault, Faults
from headway.engines.mock_fixed import FixedPace
from headway.engines.mock_http import Exchange
from headway.engines.mock_lora import LoraSlots
from headway.engines.mock_metrics import Counts
from headway.engines.mock_options import Options
from headway.engines.mock_profile import Profile
from headway.engines.mock_question import Rules, UnknownModel, ask, scripted
from headway.engines.mock_script import PLAIN, Script, parse
from headway.engines.mock_sequence import Scheduler
from headway.engines.mock_stream import Telling
from headway.engines.mock_text import BadRequest
from headway.engines.mock_voice import voice

__all__ = ["Api", "say"]

EXIT_MID_WORK = 70
"""How --die-after-tokens ends: an exit by itself, not a death by a signal from outside."""

KINDS = {"/v1/chat/completions": "chat", "/v1/completions": "text", "/v1/responses": "response"}
ERROR_KINDS = {429: "rate_limit_exceeded"}


def say(line: str) -> None:
    sys.stderr.write(f"mock engine: {line}\n")
    sys.stderr.flush()


class Api:
    def __init__(self, options: Options, profile: Profile, index: int, arrivals: Arrivals) -> None:
        """`index`: its place among the engines of the process, whose arrivals go into one file."""
        self._options = options
        self._started = time.monotonic()
        adapters = dict.fromkeys(options.adapters)
        slots = LoraSlots(profile.max_loras, profile.lora_load)
        self._rules = Rules(options.alias, adapters.keys(), profile.longest, options.answer_tokens)
        self._faults = Faults(options.fault, options.fault_share, options.seed + index)
        self._index, self._arrivals = index, arrivals
        self._scripts = cycle(options.script or (PLAIN,))
        stall = options.stall_after_tokens
        self._usual = NO_FAULT if stall is None else Fault("stall-after", stall)
        scheduler = _scheduler(options, profile, slots)
        clock = Clock(options.time_scale, time.monotonic(), options.stall)
        self._core = Core(scheduler, Counts(), clock, self._before_token)
        self._admin = Admin(options.alias, profile.longest, adapters, self._core, slots)
        self._routes: dict[tuple[str, str], Route] = {
            **self._admin.routes(),
            ("POST", "/v1/chat/completions/render"): lambda to: to.json(self._render(to, "chat")),
            ("POST", "/v1/completions/render"): lambda to: to.json([self._render(to, "text")]),
            ("POST", "/v1/embeddings"): self._embed,
            **{("POST", path): self._rerank for path in ("/rerank", "/v1/rerank", "/v2/rerank")},
            **{("POST", path): self._score for path in ("/score", "/v1/score")},
            **{("POST", path): lambda to: self._generate(to, self._usual) for path in KINDS},
        }

    def answer(self, exchange: Exchange) -> None:
        """Answer one request, now or as the engine gets to it."""
        if exchange.method == "POST" and exchange.path.startswith("/v1/"):
            self._core.clock.first_request(exchange.came)
            self._arrivals.follow(exchange, self._index)
        self._serve(exchange)

    def _serve(self, exchange: Exchange) -> None:
        silent, path = self._options.silent, exchange.path
        if silent == "all" or (silent == "requests" and path.startswith("/v1/")):
            return
        if not self._ready and path != "/metrics":
            exchange.error(503, "loading", "unavailable_error")
            return
        route = self._routes.get((exchange.method, path))
        if route is None:
            exchange.error(404, f"no {exchange.method} {path} here", "not_found_error")
            return
        try:
            wish = exchange.headers.get(b"x-mock-fault", "")
            faulty = exchange.method == "POST" and path.startswith("/v1/")
            self._with_fault(exchange, route, self._faults.draw(wish) if faulty else NO_FAULT)
        except (BadRequest, msgspec.DecodeError) as error:
            exchange.error(400, str(error), "invalid_request_error")
        except UnknownModel as error:
            exchange.error(404, f"The model `{error}` does not exist.", "not_found_error")

    @property
    def _ready(self) -> bool:
        return time.monotonic() - self._started >= self._options.ready_after

    def _before_token(self) -> None:
        limit = self._options.die_after_tokens
        if limit is not None and self._core.counts.generated_tokens >= limit:
            say(f"error: told to die after {limit} tokens")
            os._exit(EXIT_MID_WORK)

    def _with_fault(self, exchange: Exchange, route: Route, fault: Fault) -> None:
        if fault.kind == "none":
            route(exchange)
            return
        self._core.counts.faults[fault.kind] += 1
        if fault.kind == "status":
            status = int(fault.number)
            kind = ERROR_KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
            exchange.error(status, f"told to answer {status}", kind, fault.retry_after)
        elif fault.kind == "slow":
            later = asyncio.get_running_loop().call_later(fault.number, self._late, exchange)
            exchange.left = later.cancel
        elif fault.kind != "silent":
            if exchange.path in KINDS:
                self._generate(exchange, fault)
            else:
                route(exchange)

    def _late(self, exchange: Exchange) -> None:
        """A slow one's time has come."""
        exchange.headers[b"x-mock-fault"] = "none"
        exchange.since = time.monotonic()
        self._serve(exchange)

    def _generate(self, exchange: Exchange, fault: Fault) -> None:
        if self._admin.sleeping:
            exchange.error(503, "the engine sleeps; POST /wake_up first", "unavailable_error")
            return
        script = self._script(exchange)
        question = ask(exchange.decoded(), KINDS[exchange.path], self._rules)
        question = scripted(question, script, self._rules.longest)
        said = voice(question, _ident(exchange), int(time.time()))
        telling = Telling(exchange, question, said, fault, script=script, core=self._core)
        if telling.breaking:
            telling.break_off()
        else:
            telling.begin()
            self._core.submit(telling.sequence, exchange.since)

    def _script(self, exchange: Exchange) -> Script:
        """The next of the flags' scripts, and the request's own laid over it."""
        script = next(self._scripts)
        if text := exchange.headers.get(b"x-mock-script"):
            script = parse(text, script)
        if script.paced and not self._core.scheduler.exact:
            raise BadRequest("script: this engine batches; for ttft and itl start it with --ttft or --itl")
        return script

    def _render(self, exchange: Exchange, kind: str) -> dict[str, Any]:
        prefix = "chatcmpl-" if kind == "chat" else "cmpl-"
        return pooling.rendered(ask(exchange.decoded(), kind, self._rules), prefix + _ident(exchange))

    def _embed(self, exchange: Exchange) -> None:
        body, size = exchange.decoded(), self._options.dimensions
        self._pooled(exchange, pooling.embeddings(body, model=self._name(body), dimensions=size))

    def _rerank(self, exchange: Exchange) -> None:
        body = exchange.decoded()
        self._pooled(exchange, pooling.reranked(body, model=self._name(body), ident=_ident(exchange)))

    def _score(self, exchange: Exchange) -> None:
        body, created = exchange.decoded(), int(time.time())
        self._pooled(exchange, pooling.scored(body, model=self._name(body), ident=_ident(exchange), created=created))

    def _pooled(self, exchange: Exchange, made: dict[str, Any]) -> None:
        self._core.counts.pooled(made["usage"]["prompt_tokens"])
        exchange.json(made)

    def _name(self, body: Any) -> str:
        name = body.get("model") if isinstance(body, dict) else None
        if name and name != self._rules.model:
            raise UnknownModel(str(name))
        return self._rules.model


def _scheduler(options: Options, profile: Profile, slots: LoraSlots) -> Scheduler:
    fixed = options.ttft, options.itl, options.capacity
    if fixed == (None, None, None) and not any(script.paced for script in options.script):
        return Batch(profile, slots)
    return FixedPace(profile, options.ttft or 0.0, options.itl or 0.0, options.capacity)


def _ident(exchange: Exchange) -> str:
    """The caller's own id for the request, as vLLM takes it, or one made up."""
    return exchange.headers.get(b"x-request-id") or os.urandom(8).hex()
