"""The workloads: each makes a Schedule of a seed and says what fleet it is asked of. Pure.

Two things are shortened against the world so that a run of some ten seconds shows a steady state: answers (about 80
tokens) and the time between turns (a second or so). The engines' KV caches are smaller by as much where sessions are
what fills them (`kv_tokens`), so that the conversations at hand take the same share of the fleet's cache, about
three quarters of it. Rates are 70 to 80 % of the knee, the most that the better of the two peers carries with nine of
ten first tokens within a second (`--load` shows it): about 5.7 sessions/s of chat, 1.5 of agentic, 63 requests/s of
shared, 25 of rag, 50 of the control. No peer carries the adapters so; their rate is one that all can still answer.

SEED is the benchmark's own and for judging alone: whoever tunes a policy gives another.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.routing.conversations import Talk, conversations
from benchmarks.routing.draws import Zipf, arrivals, heavy
from benchmarks.routing.schedule import Message, Schedule, Session, Turn, Window

__all__ = ["ENGINES", "SEED", "WORKLOADS", "Fleet", "Workload", "schedule"]

ENGINES = 8
SEED = 0x5EED
Draw = random.Random


@dataclass(frozen=True, slots=True)
class Fleet:
    """The mock engines: `qwen32b-2xh100` but for what is given here."""

    kv_tokens: int = 286_000
    speeds: tuple[float, ...] = (1.0,) * ENGINES
    adapters: tuple[str, ...] = ()
    max_loras: int = 4
    lora_load: float = 0.5


@dataclass(frozen=True, slots=True)
class Workload:
    """`rate`: sessions a second of the engines' time. `time_scale`: how much faster than the wall that runs, so that
    two cores hold engines, router and load generator with room to spare."""

    name: str
    about: str
    make: Callable[[Draw, float, Window], Schedule]
    rate: float
    time_scale: float
    window: Window
    fleet: Fleet = Fleet()
    talks: bool = False
    shares: bool = True
    simulated: bool = True  # real engines share the machine with all else, so that it is never idle

    @property
    def longest(self) -> float:
        """Seconds of the wall that a run of it takes at most, without its start."""
        return self.window.last / self.time_scale


def schedule(workload: Workload, round_number: int, load: float = 1.0, seed: int = SEED) -> Schedule:
    """What a round asks; everybody is asked the same. `load` multiplies the rate."""
    draw = random.Random(f"{seed}/{workload.name}/{round_number}")
    return workload.make(draw, workload.rate * load, workload.window)


CHAT_SYSTEMS = tuple(Message("system", 0xC0 + number, 500) for number in range(4))
CHAT = Talk(
    turns=8,
    opening=lambda draw: (draw.choice(CHAT_SYSTEMS),),
    question=lambda draw: heavy(draw, 700, 0.8, 30, 6000),
    answer=lambda draw: heavy(draw, 80, 0.4, 20, 200),
    think=2.0,
    most=16_000,
)
AGENT_TOOLS = Message("system", 0xA0, 2500)
AGENT = Talk(
    turns=15,
    opening=lambda draw: (AGENT_TOOLS, Message("user", draw.getrandbits(48), heavy(draw, 2500, 0.4, 1000, 6000))),
    question=lambda draw: heavy(draw, 1300, 0.5, 200, 5000),
    answer=lambda draw: heavy(draw, 60, 0.4, 20, 150),
    think=0.5,
    most=30_000,
)


def chat(draw: Draw, rate: float, window: Window) -> Schedule:
    return conversations(draw, rate, window, CHAT)


def agentic(draw: Draw, rate: float, window: Window) -> Schedule:
    return conversations(draw, rate, window, AGENT)


def shared(draw: Draw, rate: float, window: Window) -> Schedule:
    """150 system prompts of 6,000 tokens, each as likely, and a question."""

    def ask() -> tuple[str, tuple[Message, ...]]:
        system = Message("system", 0x5A00 + draw.randrange(150), 6000)
        return "", (system, Message("user", draw.getrandbits(48), heavy(draw, 500, 0.5, 50, 3000)))

    return _single(draw, rate, window, ask)


def rag(draw: Draw, rate: float, window: Window) -> Schedule:
    """Questions about one of 400 documents of 4,000 to 16,000 tokens, some asked far more than others."""
    sizes = random.Random(SEED)
    documents = [Message("user", 0xD0C000 + number, sizes.randint(4000, 16000)) for number in range(400)]
    popular = Zipf(len(documents), 0.9)

    def ask() -> tuple[str, tuple[Message, ...]]:
        said = (RAG_SYSTEM, documents[popular.draw(draw)])
        return "", (*said, Message("user", draw.getrandbits(48), heavy(draw, 120, 0.4, 30, 400)))

    return _single(draw, rate, window, ask)


RAG_SYSTEM = Message("system", 0xDA, 200)
ADAPTERS = tuple(f"tuned-{number:02d}" for number in range(60))


def adapters(draw: Draw, rate: float, window: Window) -> Schedule:
    """60 adapters, some asked far more than others, for 32 slots in the fleet; each has its own system prompt."""
    popular = Zipf(len(ADAPTERS), 1.0)

    def ask() -> tuple[str, tuple[Message, ...]]:
        number = popular.draw(draw)
        system = Message("system", 0xADA000 + number, 1000)
        return ADAPTERS[number], (system, Message("user", draw.getrandbits(48), heavy(draw, 800, 0.8, 50, 6000)))

    return _single(draw, rate, window, ask)


def control(draw: Draw, rate: float, window: Window) -> Schedule:
    """Nothing is shared, and some prompts are far longer than others."""

    def ask() -> tuple[str, tuple[Message, ...]]:
        return "", (Message("user", draw.getrandbits(48), heavy(draw, 900, 1.2, 30, 16000)),)

    return _single(draw, rate, window, ask)


def _single(draw: Draw, rate: float, window: Window, ask: Callable[[], tuple[str, tuple[Message, ...]]]) -> Schedule:
    """Requests that stand alone."""
    sessions = []
    for at in arrivals(draw, rate, 0, window.last):
        model, said = ask()
        turn = Turn(said, heavy(draw, 80, 0.4, 20, 200), 0.0, at, window.judges(at))
        sessions.append(Session(model, (turn,)))
    return Schedule.of(window, sessions)


WORKLOADS = {
    each.name: each
    for each in (
        Workload("chat", "multi-turn chat: 8 turns", chat, 4.3, 5.0, Window(10, 35, 10), Fleet(143_000), talks=True),
        Workload("agentic", "15 turns that grow from 5k to 30k tokens", agentic, 1.1, 4.0, Window(10, 30, 8),
                 Fleet(143_000), talks=True),
        Workload("shared", "150 system prompts of 6k tokens", shared, 45.0, 3.0, Window(9, 22, 6)),
        Workload("rag", "documents of 4k to 16k tokens, Zipf", rag, 18.0, 5.0, Window(11, 35, 10)),
        Workload("adapters", "60 LoRA adapters, Zipf, 4 slots an engine", adapters, 24.0, 5.0, Window(9, 35, 10),
                 Fleet(adapters=ADAPTERS)),
        Workload("mixed-fleet", "the chat, one engine half as fast", chat, 3.8, 5.0, Window(10, 35, 10),
                 Fleet(143_000, speeds=(1.0,) * (ENGINES - 1) + (0.5,))),
        Workload("control", "nothing shared, heavy-tailed prompts", control, 38.0, 4.0, Window(4, 28, 8),
                 shares=False),
    )
}  # fmt: skip
