"""One request of a model that has a cache: asked there first, sent to an engine if need be, its answer brought back.

    until     asks the hub once; a time = wait until then (for the hub, or for an equal request's answer); None = go on
    between   the caller, as the engine's answer reaches it
    ended     what is to be kept goes to the hub; who waits for us is told in any case

It never keeps a request from its engine: without a hub, or when the hub is slow, it goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from headway.gateway.caching.copying import Copy, Mending
from headway.gateway.caching.rules import Caching, Wish, read_wish, scope_of
from headway.gateway.caching.wanted import MOST_VECTORS_BYTES, Wanted, WantedAnswer, WantedVectors
from headway.gateway.frames import Look, Looked, Shelve, Shelved
from headway.gateway.record import Record
from headway.gateway.table import CacheRule
from headway.wire.calls import EmbeddingCall, TextCall
from headway.wire.canonical import asks_repeatable, fields_of, has_effects
from headway.wire.openai import Refusal
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.asked import Asked
    from headway.gateway.caller import Client
    from headway.gateway.core import Gateway
    from headway.gateway.upstream import Upstream

__all__ = ["Recall", "Waiter"]

REPLY_SECONDS = 1.0
"""The hub answers within a millisecond. It may be busy, or be started again."""


class Waiter(Protocol):
    """Whose request it is."""

    def admit_again(self) -> None:
        """The cache is done with: go on."""

    def recalled(self, headers: bytes, body: bytes) -> None:
        """This is the answer."""

    def refuse(self, refusal: Refusal) -> None: ...


class Recall:
    """`result`: hit, partial, miss, refresh (looked for nothing, kept) or bypass (neither); `note` says more."""

    def __init__(self, gateway: Gateway, waiter: Waiter, asked: Asked, caching: Caching) -> None:
        self.result, self.note = "bypass", ""
        self.refusal: Refusal | None = None
        self.waited = False  # for an equal request
        self._gateway, self._waiter, self._asked, self._caching = gateway, waiter, asked, caching
        self._model = asked.model  # a Route may go on to another: that one is not looked up
        self._rule: CacheRule | None = None
        self._wish = Wish()
        self._wanted: Wanted | None = None
        self._found: list[Shelved | None] = []
        self._saved = (0, 0)
        self._until: float | None = None
        self._number = 0  # under which the hub knows us
        self._copy: Copy | None = None
        self._read()

    # what is wanted

    def _read(self) -> None:
        call, rules = self._asked.call, self._caching.rules
        rule = None
        if isinstance(call, TextCall):
            rule = rules.responses
        elif isinstance(call, EmbeddingCall):
            rule = rules.embeddings
        if rule is None:
            self.note = "answers to such calls are not kept"
            return
        wish = read_wish(self._asked.request.headers)
        if isinstance(wish, Refusal):
            self.refusal = wish
            return
        self._rule, self._wish = rule, wish
        self.note = self._why_not(rule)
        if not self.note:
            self.result = "miss" if wish.looks else "refresh"

    def _why_not(self, rule: CacheRule) -> str:
        """Why the cache has no part in it; empty when it has."""
        asked = self._asked
        if not self._wish.keeps:
            return "the caller wants nothing kept"
        scope = scope_of(asked.gate.caller, rule)
        if scope is None:
            return "its tenant has no answers kept"
        if not self._gateway.hub.there:
            return "the gateway's hub is away"
        return self._want(scope)

    def _want(self, scope: str) -> str:
        asked = self._asked
        fields = fields_of(asked.request.body)
        if fields is None:
            return "the call cannot be read"
        about = (
            asked.model,
            asked.operation.engine_path or asked.operation.path,
            scope,
            str(asked.gate.fields(asked.call).get("max_tokens", "")),
        )
        if isinstance(asked.call, EmbeddingCall):
            self._wanted = WantedVectors.read(about, fields)
            return "" if self._wanted else "its input is no text and no list of texts"
        if has_effects(fields):
            return "it asks for more than an answer"
        if self._rule and self._rule.which == "deterministic" and not asks_repeatable(fields):
            return "it asks for no repeatable answer: neither temperature 0 nor a seed"
        self._wanted = WantedAnswer(about, fields)
        asked.say(self._wanted.body)
        return ""

    # asking

    def until(self, now: float) -> float | None:
        if self._wanted is None or self.result == "refresh":
            return None
        if not self._number:
            self._until = now + REPLY_SECONDS
            self._number = self._gateway.hub.look(self, self._look(self._wanted))
        elif self._until is not None and (now >= self._until or self._asked.model != self._model):
            self._until = None
            self._gateway.hub.shelve(Shelve(self._number, "", [], again=True))
        return self._until

    def _look(self, wanted: Wanted) -> Look:
        return Look(
            number=0,
            shelf=self._shelf,
            flight=wanted.flight,
            keys=list(wanted.keys),
            identities=sorted(set(self._caching.identities.values())),
            youngest=self._wish.youngest,
            waits=self._rule is not None and self._rule.wait > 0,
        )

    @property
    def _shelf(self) -> str:
        kind = "embeddings" if isinstance(self._wanted, WantedVectors) else "responses"
        return f"{self._caching.name}/{kind}"

    def looked(self, said: Looked | None) -> None:
        """The hub's answer; None: it is gone."""
        if self._until is None or self._wanted is None or self._rule is None:
            return
        if said is not None and said.role == "wait":
            self._until += self._rule.wait - REPLY_SECONDS
            self.waited = True
            self._waiter.admit_again()
            return
        self._until = None
        found = said.found if said else []
        kept = [each for each in found if each is not None]
        if kept and len(kept) == len(found):
            self._give(kept, said.age if said else 0.0)
            return
        if kept and _fits(kept, len(found)):
            self._found = found
            self.result, self.note = "partial", f"{len(kept)} of {len(found)} inputs"
            self._count(kept)
        self._narrow(self._wanted)
        self._waiter.admit_again()

    def _give(self, kept: list[Shelved], age: float) -> None:
        assert self._wanted is not None  # noqa: S101 (nothing is found that was not wanted)
        self.result = "hit"
        self.note = "brought by an equal request at the same time" if self.waited else f"{age:.1f} s old"
        self._count(kept)
        kind, body = self._wanted.given(kept)
        self._waiter.recalled(kind + b"x-headway-cache: hit\r\nage: %d\r\n" % int(age), body)

    def _count(self, kept: list[Shelved]) -> None:
        self._saved = sum(each.tokens[0] for each in kept), sum(each.tokens[1] for each in kept)

    def _narrow(self, wanted: Wanted) -> None:
        """What was found need not be asked for."""
        self._found = self._found or [None] * len(wanted.keys)
        rest = wanted.rest(self._found)
        if rest != wanted.body:
            self._asked.narrow(rest, self._gateway.catalog.routes[self._asked.model])

    # the answer

    def between(self, client: Client) -> Client:
        if self._copy is not None:
            return self._copy
        header = b"x-headway-cache: %b\r\n" % (b"miss" if self.result == "refresh" else self.result.encode())
        wanted = self._wanted
        if wanted is None:
            self._copy = Copy(client, header, 0)
            return self._copy
        self._found = self._found or [None] * len(wanted.keys)
        if wanted.rest(self._found) == wanted.body:
            most = self._gateway.settings.cached_bytes if len(wanted.keys) == 1 else MOST_VECTORS_BYTES
            self._copy = Copy(client, header, most)
        else:
            found = self._found
            self._copy = Mending(
                client,
                header,
                2 * MOST_VECTORS_BYTES,
                mend=lambda answer: wanted.mended(found, answer),
                broken=self._broken,
            )
        return self._copy

    def _broken(self) -> None:
        message = "The engine's answer has not the vectors that it was asked for."
        self._waiter.refuse(Refusal(502, "engine_failed", message))

    # the end

    def ended(self, record: Record, upstream: Upstream | None, usage: Usage | None) -> None:
        """The request is over, well or not; the Record says how."""
        record.cache, record.cache_note = self.result, self.note
        record.saved_tokens = sum(self._saved)
        kind = "embeddings" if isinstance(self._asked.call, EmbeddingCall) else "responses"
        self._gateway.tally.cached(record.model, kind, self.result, self._saved)
        if self._wanted is None or self.result == "hit":
            return
        well = record.status == 200 and not record.error and record.model == self._model
        kept = self._brought(self._wanted, upstream, usage) if well and upstream else []
        self._until = None
        if self._number or kept:
            self._gateway.hub.shelve(Shelve(self._number, self._shelf, kept, again=not well))

    def _brought(self, wanted: Wanted, upstream: Upstream, usage: Usage | None) -> list[Shelved]:
        """Nothing if the table has changed since what is served there."""
        copy, identity = self._copy, self._caching.identities.get(upstream.id)
        route = self._gateway.catalog.routes.get(self._asked.model)
        now = route.caching.identities.get(upstream.id) if route and route.caching else None
        if copy is None or identity is None or now != identity or (answer := copy.body) is None:
            return []
        return wanted.brought(self._found, copy.kind, answer, usage, identity)


def _fits(kept: list[Shelved], count: int) -> bool:
    """The vectors of one model are alike in size."""
    return max(len(each.body) for each in kept) * count <= MOST_VECTORS_BYTES
