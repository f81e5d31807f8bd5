"""Where one request goes: an endpoint is picked, told to all who pick next, and learned from when it answered."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from headway.gateway.asked import Asked
from headway.gateway.catalog import Route
from headway.gateway.patience import may_try_again
from headway.gateway.prompt import seed_of
from headway.policy.routing import Ask, Choice, Stay, Why, choose, coming, dearer
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.core import Gateway
    from headway.gateway.upstream import Upstream

__all__ = ["Placement"]


class Placement:
    """`unwilling`: ids of endpoints that said 502 or 503 to this request."""

    __slots__ = ("_ask", "_asked", "_cached", "_gateway", "unwilling")

    def __init__(self, gateway: Gateway, asked: Asked) -> None:
        self.unwilling: AbstractSet[str] = frozenset()
        self._gateway, self._asked = gateway, asked
        self._ask: Ask | None = None
        self._cached = 0.0  # prompt tokens that the endpoint is believed to have

    def pick(self, route: Route, now: float) -> Choice | None:
        """None when there is no endpoint."""
        gateway, upstreams = self._gateway, route.upstreams
        if not upstreams:
            return None
        gateway.catalog.look(now)
        prompt = self._asked.prompt(route)
        ask = self._ask = prompt.ask(route, gateway.index, gateway.sessions, route.learned.next_turn())
        ask.coming = coming(upstreams, now)
        avoided = self.unwilling
        if (most := route.model.capacity) and (full := {each.id for each in upstreams if each.running >= most}):
            avoided = avoided | full
        if route.split is not None or route.thrifty:
            choice = self._among_some(route, ask, avoided, now)
            if choice is not None:
                return choice
        choice = choose(route.model.policy, ask, upstreams, now, gateway.draw(), excluded=avoided)
        if choice is None and avoided:
            self.unwilling = frozenset()
            choice = choose(route.model.policy, ask, upstreams, now, gateway.draw())
        return choice

    def _among_some(self, route: Route, ask: Ask, avoided: AbstractSet[str], now: float) -> Choice | None:
        """Of the Revision that this user gets, and no dearer than need be. None = none of these can take it now."""
        gateway = self._gateway
        if route.split is not None:
            avoided = avoided | route.split.others(self._asked.point(seed_of(f"revisions {route.model.name}")))
        spared: frozenset[str] = frozenset()
        if route.thrifty and route.prices is not None:
            left = [i for i, each in enumerate(route.upstreams) if each.id not in avoided]
            spared = dearer(ask, route.upstreams, route.prices, route.model.slo, now=now, among=left)
        choice = choose(route.model.policy, ask, route.upstreams, now, gateway.draw(), excluded=avoided | spared)
        if choice is None or choice.look_again:
            return None
        if spared and choice.why is Why.ONLY_ONE:
            return Choice(choice.index, choice.load, choice.candidates, Why.CHEAPEST)
        return choice

    def settle_in(self, route: Route, choice: Choice, now: float) -> Stay[Upstream]:
        """From here on the choice counts, for the next one and for other workers."""
        gateway, upstream, ask = self._gateway, route.upstreams[choice.index], self._ask
        if ask is None:
            raise AssertionError("nothing is settled before it is picked")
        prompt = self._asked.prompt(route)
        if prompt.hashes and gateway.index.insert(prompt.hashes, upstream.slot):
            gateway.news.went(prompt.hashes, upstream.slot)
        if upstream.troubled:
            upstream.tried(now)
        if prompt.session:
            gateway.sessions.put(prompt.session, upstream.id, prompt.tokens + prompt.output)
        self._cached = ask.matched[choice.index]
        uncached = max(1.0, prompt.tokens - self._cached)
        return Stay(upstream, uncached, prompt.tokens + prompt.output, now, adapter=ask.adapter)

    def is_another(self, than: Upstream, now: float) -> bool:
        """Whether a healthy endpoint is left besides this one and the unwilling, and the model may try again; this one
        is unwilling then."""
        route = self._gateway.catalog.routes.get(self._asked.model)
        if route is not None and not may_try_again(self._gateway.settings, route, now, take=False):
            return False
        refusing = self.unwilling | {than.id}
        others = [each for each in route.upstreams if each.id not in refusing] if route else []
        if all(each.cooling_until > now for each in others):
            return False
        self.unwilling = refusing
        return True

    def learn(self, usage: Usage, stay: Stay[Upstream], now: float) -> None:
        """What a good answer teaches of the model, the endpoint, and what it had cached."""
        route = self._gateway.catalog.routes.get(self._asked.model)
        if route is None:
            return
        prompt, upstream, sizes = self._asked.prompt(route), stay.upstream, route.learned.sizes
        stay.answered(now, usage.completion_tokens or 0)
        if usage.completion_tokens:
            sizes.answer(usage.completion_tokens)
        if usage.prompt_tokens:
            sizes.prompt(prompt.bytes, usage.prompt_tokens)
        cached = usage.cached_tokens
        if cached is not None and prompt.hashes:
            upstream.tells_cached = upstream.tells_cached or cached > 0
            if upstream.tells_cached:
                claimed = int(self._cached * sizes.token_bytes)
                self._gateway.index.heard(upstream.slot, claimed, cached * sizes.token_bytes)
