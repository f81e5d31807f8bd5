"""The flags of `headway mock-engine`. What they say of the engine's speed and size is laid over its profile."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headway.engines import mock_faults, mock_profile, mock_script
from headway.engines.mock_faults import Fault
from headway.engines.mock_profile import PROFILES, Profile
from headway.engines.mock_script import Script
from headway.engines.mock_text import BadRequest
from headway.errors import UsageError
from headway.spec.units import parse_duration

__all__ = ["Options", "parse", "parser", "profiles"]


class Options(argparse.Namespace):
    host: str
    port: int
    alias: str
    adapters: tuple[str, ...]
    dimensions: int
    answer_tokens: int
    count: int
    speeds: tuple[float, ...]
    profile: str
    speed: float
    time_scale: float
    prefill_speed: float | None
    ready_after: float
    ttft: float | None
    itl: float | None
    script: list[Script]
    capacity: float | None
    stall: tuple[float, float] | None
    arrivals: Path | None
    exit_at_start: int | None
    hang_at_start: bool
    die_after_tokens: int | None
    stall_after_tokens: int | None
    ignore_sigterm: bool
    silent: str
    fault: tuple[Fault, ...]
    fault_share: float
    seed: int


LAID_OVER = (
    ("--decode-step", "step_base", float, "S", "what a step costs however little it does"),
    ("--per-sequence", "per_sequence", float, "S", "what a step costs for each running request"),
    ("--per-context-token", "per_context_token", float, "S", "what a step costs for each token of context"),
    ("--kv-tokens", "kv_tokens", int, "N", "tokens that the KV cache holds"),
    ("--max-model-len", "max_model_len", int, "N", "tokens that a prompt and its answer may have"),
    ("--max-batched-tokens", "max_batched_tokens", int, "N", "tokens of one step"),
    ("--max-running", "max_running", int, "N", "requests that run at once"),
    ("--max-loras", "max_loras", int, "N", "adapters that lie ready at once"),
    ("--lora-load", "lora_load", float, "S", "how long the load of an adapter takes"),
)  # fmt: skip


def parse(argv: list[str] | None) -> Options:
    """Ends the process with status 2 for flags that cannot be."""
    words = parser()
    options = words.parse_args(argv, namespace=Options())
    if options.speeds and len(options.speeds) != options.count:
        words.error(f"--speeds: found {len(options.speeds)} for --count {options.count}; give one for each engine")
    if options.count > 1 and options.port and options.port + options.count > 65_536:
        words.error(f"--port {options.port}: there are no {options.count} ports from there on; use a lower one")
    if options.alias in options.adapters or len(set(options.adapters)) < len(options.adapters):
        words.error("--adapters: a name is there twice; each model and adapter needs its own")
    try:
        profiles(options)
    except UsageError as error:
        words.error(str(error))
    return options


def profiles(options: Options) -> tuple[Profile, ...]:
    """The profile of each engine. Raises UsageError."""
    given: dict[str, Any] = {field: getattr(options, field) for _, field, *_ in LAID_OVER}
    if options.prefill_speed is not None:
        given["per_prefill_token"] = 1 / options.prefill_speed
    profile = mock_profile.changed(mock_profile.load(options.profile), given)
    speeds = options.speeds or (1.0,) * options.count
    return tuple(profile.faster(options.speed * speed) for speed in speeds)


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="headway mock-engine",
        allow_abbrev=False,
        description="A server that stands in for a GPU engine: it speaks the OpenAI API and vLLM's metrics, keeps a "
        "prefix cache and a batch, and takes the time that a profile says, with no GPU and no model.",
        epilog="docs/mock-engine.md has what it does and what it leaves out.",
    )
    _add_server(words.add_argument_group("server"))
    _add_engine(words.add_argument_group("engine (times are in its own seconds)"))
    _add_faults(words.add_argument_group("faults"))
    return words


def _add_server(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 = any free one; it is printed")
    add("--count", type=_positive(int), default=1, metavar="N", help="engines, on this port and those after it")
    add("--alias", default="mock", help="the model's name")
    add("--adapters", type=_names, default=(), metavar="A,B", help="LoRA adapters, served under their names")
    add("--dimensions", type=_positive(int), default=8, help="of embeddings")
    add("--answer-tokens", type=int, default=0, metavar="N",
        help="an answer ends by itself after so many (0: at its limit, after 16 when it has none)")  # fmt: skip
    add("--arrivals", type=Path, metavar="FILE",
        help="a line of JSON for each request: when it came, when its tokens were written")  # fmt: skip


def _add_engine(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    known = ", ".join(PROFILES)
    add("--profile", default="instant", metavar="NAME|FILE.json", help=f"one of {known}, or a file (default: instant)")
    add("--speed", type=_positive(float), default=1.0, metavar="X", help="0.5 = half as fast as the profile")
    add("--speeds", type=_speeds, default=(), metavar="X,Y", help="a speed for each of --count engines")
    add("--time-scale", type=_positive(float), default=1.0, metavar="X",
        help="its clock runs X times as fast as yours; its metrics are in its own seconds")  # fmt: skip
    add("--prefill-speed", type=_positive(float), metavar="TOK/S", help="tokens of prompts computed in a second")
    for flag, field, kind, metavar, text in LAID_OVER:
        add(flag, dest=field, type=kind, metavar=metavar, help=text)
    add("--ttft", type=float, metavar="S", help="first token so long after the request, whatever else runs")
    add(
        "--itl", type=float, metavar="S", help="fixed time between tokens; either of both turns the profile's times off"
    )
    add("--capacity", type=_positive(float), metavar="N",
        help="requests let in per second, one after the other, however many come")  # fmt: skip
    add("--script", type=_script, action="append", default=[], metavar="SPEC",
        help="as the header x-mock-script: ttft=50ms itl=10ms chunk=4 first=empty usage=last keep-alive=20ms split=tcp "
        "tokens=+5; given again, requests take them in turn")  # fmt: skip
    add("--stall", type=_stall, metavar="FROM..TO",
        help="the whole engine says nothing from 2s..5s after its first request, and then goes on")  # fmt: skip


def _add_faults(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--ready-after", type=float, default=0.0, metavar="S", help="/health says 503 for so long")
    add("--exit-at-start", type=int, metavar="CODE", help="say an error and exit")
    add("--hang-at-start", action="store_true", help="never listen")
    add("--die-after-tokens", type=int, metavar="N", help="exit after so many tokens in all requests together")
    add("--stall-after-tokens", type=int, metavar="N", help="each request: fall silent after so many tokens")
    add("--ignore-sigterm", action="store_true", help="end by SIGKILL alone")
    add("--silent", choices=("no", "requests", "all"), default="no", help="accept and never answer")
    add("--fault", type=_fault, action="append", default=[], metavar="SPEC",
        help="as the header x-mock-fault: slow=2.5, status=429;retry-after=3, stall-after=5, half-close-after=5, "
        "reset-after=5, error-after=5, silent, malformed, no-done; may be given again")  # fmt: skip
    add(
        "--fault-share",
        type=_share,
        default=1.0,
        metavar="0..1",
        help="of requests that have such a fault (default: all)",
    )
    add("--seed", type=int, default=1, help="of the lots for that")


def _positive(kind: type[int] | type[float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    read.__name__ = kind.__name__  # argparse says it of what is no number
    return read


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _speeds(text: str) -> tuple[float, ...]:
    read = _positive(float)
    return tuple(read(each) for each in text.split(","))


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in 0..1")
    return value


def _script(text: str) -> Script:
    try:
        return mock_script.parse(text)
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _stall(text: str) -> tuple[float, float]:
    begin, _, end = text.partition("..")
    try:
        stall = parse_duration(begin), parse_duration(end)
    except ValueError:
        stall = 0.0, 0.0
    if stall[0] >= stall[1]:
        raise argparse.ArgumentTypeError(f"{text}: write from when until when, like 2s..5s")
    return stall


def _fault(text: str) -> Fault:
    try:
        return mock_faults.parse(text)
    except BadRequest as error:
        raise argparse.ArgumentTypeError(str(error)) from error
