"""How fast an endpoint is, learned from the answers that it gave: no tokenizer, no GPU table, no training run.

Two straight lines are kept, each by least squares over recent samples (older ones fade by FADE a sample):

    seconds to the first token  = base + per_token * prompt tokens to prefill before it, others' and its own
    seconds between two tokens  = step + per_running * requests running there beside it

They are the step model of an engine with continuous batching, seen from outside (gateway.md section 3.2). A line begins
at a prior worth a few samples, so that one odd sample (the first after a start) moves it little.
"""

from __future__ import annotations

__all__ = ["PRIOR", "Line", "Speed"]

FADE = 0.98
"""Half of the weight is in the last 35 samples: a change of load is seen within seconds, noise is averaged."""
PRIOR_WEIGHT = 3.0
ENOUGH = 8
UNLIKE = 1.25
"""An endpoint that needs a quarter more or less time than the model's others is another kind of endpoint."""
MOST_TIMES = 5.0
"""A sample counts at most as so many times what was expected: a stall is not a speed."""


class Line:
    """y = a + b * x with a, b >= 0, in any units. `spread` is an x that is usual, where the prior is held fast."""

    __slots__ = ("_n", "_sx", "_sxx", "_sxy", "_sy", "a", "b")

    def __init__(self, a: float, b: float, spread: float) -> None:
        self.a, self.b = a, b
        half = PRIOR_WEIGHT / 2
        top = a + b * spread
        self._n, self._sx, self._sy = PRIOR_WEIGHT, half * spread, half * (a + top)
        self._sxx, self._sxy = half * spread * spread, half * spread * top

    def at(self, x: float) -> float:
        return self.a + self.b * x

    @property
    def middle(self) -> float:
        """The mean x of late."""
        return self._sx / self._n

    def learn(self, x: float, y: float) -> None:
        y = min(y, MOST_TIMES * (self.a + self.b * x))
        n = self._n = self._n * FADE + 1.0
        sx = self._sx = self._sx * FADE + x
        sy = self._sy = self._sy * FADE + y
        sxx = self._sxx = self._sxx * FADE + x * x
        sxy = self._sxy = self._sxy * FADE + x * y
        spread = n * sxx - sx * sx
        if spread > 1e-6 * n * sxx:  # else all x are alike: the slope stays, the line moves
            self.b = max(0.0, (n * sxy - sx * sy) / spread)
        self.a = max(0.0, (sy - self.b * sx) / n)
        if self.a == 0.0 and sxx > 0:
            self.b = max(0.0, sxy / sxx)


class Speed:
    """`base`, `per_token`, `step` and `per_running` as above; `samples` counts first tokens seen.

    Endpoints of one model share what they learn (`shared`). An endpoint is believed to be unlike the others only when
    it has enough samples and is clearly faster or slower: else noise alone would make one idle endpoint everybody's
    favourite, and a new one, of which nothing is known, nobody's. `believed` is what to reckon with.
    """

    __slots__ = ("base", "believed", "decode", "per_running", "per_token", "prefill", "samples", "shared", "step")

    def __init__(self, prefill: tuple[float, float], decode: tuple[float, float], shared: Speed | None = None) -> None:
        self.prefill = Line(*prefill, spread=2000.0)
        self.decode = Line(*decode, spread=8.0)
        self.samples = 0
        self.shared = shared
        self.believed: Speed = self if shared is None else shared
        (self.base, self.per_token), (self.step, self.per_running) = prefill, decode

    def member(self) -> Speed:
        """One endpoint's, of the many whose this is."""
        return Speed((self.base, self.per_token), (self.step, self.per_running), self)

    def first_token(self, tokens: float, seconds: float) -> None:
        """So long it took to prefill so many tokens: those that were ahead of it and its own."""
        self.prefill.learn(tokens, seconds)
        self.base, self.per_token = self.prefill.a, self.prefill.b
        self.samples += 1
        if self.shared is not None:
            self.shared.first_token(tokens, seconds)
            self._judge(self.shared)

    def decoded(self, running: float, seconds: float) -> None:
        """So long it was between two tokens while so many others ran."""
        self.decode.learn(running, seconds)
        self.step, self.per_running = self.decode.a, self.decode.b
        if self.shared is not None:
            self.shared.decoded(running, seconds)

    def _judge(self, shared: Speed) -> None:
        usual = shared.prefill.middle
        ratio = self.prefill.at(usual) / max(1e-9, shared.prefill.at(usual))
        unlike = ratio > UNLIKE or ratio * UNLIKE < 1
        self.believed = self if unlike and self.samples >= ENOUGH else shared


PRIOR = (0.05, 1 / 8000), (0.02, 0.0005)
"""`Speed(*PRIOR)`: round figures of an 8B model on one data-centre GPU, which the first few answers correct."""
