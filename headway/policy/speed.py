"""How fast an endpoint is, learned from what a gateway sees of its answers. Times are seconds.

    time to first token = first + prefill * (tokens to compute there before it and for it)
    time of one token   = step + sequence * (requests running there) + context * (tokens of context they hold)

The second holds what a step of continuous batching costs: reading the weights, work for each sequence, reading the KV
cache. Prompts that were computed meanwhile are taken off before it is learned.

All endpoints of a Model teach one shared ModelSpeed, the prior of each of them: a new endpoint begins with what its
siblings can do and keeps what it has no samples of. An endpoint's first answer counts for little: engines compile,
capture graphs and load kernels then.
"""

from __future__ import annotations

from typing import Final

from headway.policy.fit import Line

__all__ = ["ModelSpeed", "Sizes", "Speed"]

_FIRST = (0.03, 1 / 8_000)
_TOKEN = (0.02, 1e-4, 1e-7)
"""Before any sample: an 8B model on one data-centre GPU, within a factor of four (vendors' data sheets). What is wrong
here is the same for all endpoints, and the first few samples mend it."""
_PROMPT_SHARE: Final = 0.1
"""Of the time to first token at the least: else noise could teach that prompts cost nothing, and routing would no
longer care where they are cached."""
_FAINT: Final = 0.02  # samples that this first belief weighs
_SHARED: Final = 2.0  # samples that the siblings' figures weigh against an endpoint's own
_NOVICE: Final = 8  # samples from which an endpoint has figures of its own
_EVERY: Final = 8  # after them, one sample in so many is told to the siblings, and of two the endpoint learns from one
_COLD: Final = 0.1  # weight of an endpoint's first sample


class _Learner:
    """The two lines; each attribute is a coefficient, plain so that routing reads it at no cost."""

    __slots__ = ("_decode", "_first", "context", "first", "prefill", "sequence", "step")

    def __init__(self, first: tuple[float, ...], token: tuple[float, ...], trust: float) -> None:
        self._first, self._decode = Line(first, trust, (0.0, _PROMPT_SHARE)), Line(token, trust, (0.0, 0.0, 0.0))
        self.first, self.prefill = first
        self.step, self.sequence, self.context = token

    def _learn_first(self, tokens: float, seconds: float, weight: float) -> None:
        self._first.observe((1.0, tokens), seconds, weight)
        self.first, self.prefill = self._first.coefficients

    def _learn_token(self, running: float, context: float, seconds: float, weight: float) -> None:
        self._decode.observe((1.0, running, context), seconds, weight)
        self.step, self.sequence, self.context = self._decode.coefficients


class ModelSpeed(_Learner):
    """What the endpoints of one Model have in common."""

    __slots__ = ("_novices",)

    def __init__(self, first: tuple[float, float] = _FIRST, token: tuple[float, float, float] = _TOKEN) -> None:
        super().__init__(first, token, _FAINT)
        self._novices: set[Speed] = set()

    def endpoint(self) -> Speed:
        speed = Speed(self)
        self._novices.add(speed)
        return speed

    def _told(self, by: Speed) -> None:
        """Who has few samples of its own follows."""
        if by.samples >= _NOVICE:
            self._novices.discard(by)
        for each in self._novices:
            if each is not by:
                each._follow(self)


class Speed(_Learner):
    """Of one endpoint. Made by `ModelSpeed.endpoint`."""

    __slots__ = ("_answers", "_model", "samples")

    def __init__(self, model: ModelSpeed) -> None:
        super().__init__((model.first, model.prefill), (model.step, model.sequence, model.context), _SHARED)
        self._model = model
        self.samples = 0
        self._answers = 0

    def first_token(self, tokens: float, seconds: float) -> None:
        """A first token came `seconds` after its request was sent. `tokens`: what was estimated, when it was sent,
        to be computed there before it (pending) and for it (uncached). Not to be told of one that had to wait for a
        seat or for its adapter: that is no prefill."""
        self.samples += 1
        count = self.samples
        if count > _NOVICE and count & 1:
            return
        weight = _COLD if count == 1 else 1.0
        model = self._model
        if count <= _NOVICE or count % _EVERY == 0:
            model._learn_first(tokens, seconds, weight)
            self._first.prior = (model.first, model.prefill)
            model._told(self)
        self._learn_first(tokens, seconds, weight)

    def ended(self, tokens: int, seconds: float, running: float, context: float, prefilled: float) -> None:
        """An answer of `tokens` tokens ended `seconds` after its first. `running` requests and their `context` tokens
        (itself included; the mean of its beginning and end will do), and the prompt tokens computed there
        meanwhile."""
        if tokens < 2:
            return
        self._answers += 1
        count = self._answers
        if count > _NOVICE and count & 1:
            return
        each = seconds / (tokens - 1)
        seconds = max(0.1 * each, each - self.prefill * prefilled / (tokens - 1))
        model = self._model
        if count <= _NOVICE or count % _EVERY == 0:
            model._learn_token(running, context, seconds, 1.0)
            self._decode.prior = (model.step, model.sequence, model.context)
            model._told(self)
        self._learn_token(running, context, seconds, 1.0)

    def retire(self) -> None:
        """Its endpoint is no more: the siblings need not tell it anything."""
        self._model._novices.discard(self)

    def _follow(self, model: ModelSpeed) -> None:
        if self.samples == 0:
            self.first, self.prefill = model.first, model.prefill
            self._first.coefficients[:] = self._first.prior = (model.first, model.prefill)
        if self._answers == 0:
            self.step, self.sequence, self.context = model.step, model.sequence, model.context
            self._decode.coefficients[:] = self._decode.prior = (model.step, model.sequence, model.context)


class Sizes:
    """How long prompts and answers of one Model are: bytes of a token, and tokens of an answer. Both are ratios of
    fading sums, so that a long prompt says more than a short one."""

    __slots__ = ("_answers", "_bytes", "_ended", "_tokens")

    _KEEP = 0.99

    def __init__(self, token_bytes: float = 4.0, output: float = 200.0) -> None:
        self._bytes, self._tokens = token_bytes * 1000.0, 1000.0
        self._answers, self._ended = output, 1.0

    @property
    def token_bytes(self) -> float:
        return self._bytes / self._tokens

    def output(self, limit: int | None = None) -> float:
        """Tokens that an answer is expected to have, when the caller allows `limit`."""
        mean = self._answers / self._ended
        return mean if limit is None else min(mean, float(limit))

    def prompt(self, size: int, tokens: int) -> None:
        """A prompt of `size` bytes was `tokens` tokens, as the engine counted."""
        if size > 0 and tokens > 0:
            self._bytes = self._KEEP * self._bytes + size
            self._tokens = self._KEEP * self._tokens + tokens

    def answer(self, tokens: int) -> None:
        self._answers = self._KEEP * self._answers + tokens
        self._ended = self._KEEP * self._ended + 1.0
