"""What a tenant feels when another one floods the same model.

    python -m benchmarks.fairness [--rounds 3] [--seconds 20] [--engines batching|fixed]

Eight mock engines (`batching`: a 32B model on two H100 each), each runs 32 requests at once. `quiet` asks for less than
its share, at random times; `flood` has 512 callers who ask again at once. Interleaved, with fresh engines and a fresh
gateway each:

    alone     quiet alone, on its share: half of the engines
    fair      both, two Tenants of one weight
    together  both with the key of one Tenant: first come, first served
    both      two floods of unlike requests: how far apart what they are served comes (the bound of the VTC paper)
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fairness.load import OUTPUT_WEIGHT, Asks, Seen, play
from benchmarks.routing.engines import ROOT
from benchmarks.routing.processes import BenchError, Child, answers, free_ports, until
from headway.gateway.table import Endpoint, KeyEntry, ModelRoute, RoutingTable, TenantRule, write_table

ENGINES, PLACES = 8, 32
PYTHON = (sys.executable, "-P", "-m")
QUIET = Asks("hw-quiet", prompt=1000, answer=96, rate=28.0)
FLOOD = Asks("hw-flood", prompt=400, answer=96, callers=512)
BRIEF, WORDY = Asks("hw-quiet", 400, 48, callers=320), Asks("hw-flood", 200, 192, callers=320)
KINDS = {"batching": ("--profile", "qwen32b-2xh100"), "fixed": ("--ttft", "0.2", "--itl", "0.015")}
"""Engines in which whoever runs there delays the others, as in real ones; and such that take the same time whoever
does, so that what is left is the gateway's own doing."""
ARMS = ("alone", "fair", "together", "both")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run, after 5 s that do not count")
    parser.add_argument("--engines", choices=KINDS, default="batching")
    given = parser.parse_args(argv)
    rounds = []
    for number in range(given.rounds):
        seen = {arm: run(arm, given.engines, given.seconds, number) for arm in ARMS}
        rounds.append(figures(seen, given.seconds))
        print(
            f"round {number + 1}: " + ", ".join(f"{key} {value:.3g}" for key, value in rounds[-1].items()), flush=True
        )
    print("\nmedian (lowest to highest)")
    for key in rounds[0]:
        values = [each[key] for each in rounds]
        print(f"{key:45} {statistics.median(values):8.3f} ({min(values):.3f} to {max(values):.3f})")
    return 0


def run(arm: str, kind: str, seconds: float, seed: int) -> list[Seen]:
    asks = {
        "alone": [QUIET],
        "fair": [QUIET, FLOOD],
        "together": [Asks("hw-flood", QUIET.prompt, QUIET.answer, QUIET.rate), FLOOD],
        "both": [BRIEF, WORDY],
    }[arm]
    with tempfile.TemporaryDirectory() as name:
        folder, (port,) = Path(name), free_ports(1)
        environ = {"PYTHONPATH": str(ROOT)}
        mock = [*PYTHON, "headway.engines.mock_server", "--alias", "chat"]
        mock += ["--count", str(ENGINES), *KINDS[kind]]
        with Child("the mock engines", mock, folder / "e", environ) as engines:
            until(engines, lambda: engines.log.read_text().count("listening on") == ENGINES, "listening")
            lines = engines.log.read_text().splitlines()
            urls = ["http://" + line.split()[-1] for line in lines if "listening on" in line]
            write_table(folder / "t.json", table(urls[: ENGINES // 2] if arm == "alone" else urls))
            command = [*PYTHON, "headway.gateway", "--table", str(folder / "t.json"), "--port", str(port)]
            command += ["--socket", str(folder / "g.sock"), "--ledger", str(folder / "l.db")]
            with Child("the gateway", command, folder / "g", environ) as gateway:
                url = f"http://127.0.0.1:{port}"
                until(gateway, lambda: answers(url + "/readyz"), "ready")
                return play(url, asks, 5.0, seconds, 100 * seed)


def table(urls: Sequence[str]) -> RoutingTable:
    model = ModelRoute("chat", "chat", tuple(Endpoint(url=url) for url in urls), capacity=PLACES)
    names = ("quiet", "flood")
    keys = tuple(KeyEntry(hashlib.sha256(f"hw-{name}".encode()).hexdigest(), name, name) for name in names)
    return RoutingTable(1, (model,), tuple(TenantRule(name) for name in names), keys)


def figures(seen: dict[str, list[Seen]], seconds: float) -> dict[str, float]:
    for arm, tenants in seen.items():
        if failed := sum(each.failed for each in tenants):
            raise BenchError(f"{arm}: {failed} requests failed")
    alone, fair, together = (p95(seen[arm][0].ttft) for arm in ("alone", "fair", "together"))
    tokens = {arm: sum(each.tokens for each in seen[arm]) / seconds for arm in ARMS}
    brief, wordy = seen["both"]
    bound = 2 * max(BRIEF.prompt, OUTPUT_WEIGHT * ENGINES * PLACES * 1.6 * WORDY.answer)
    return {
        "TTFT p95 of quiet alone on its share (s)": alone,
        "TTFT p95 of quiet beside the flood (s)": fair,
        "  as a ratio": fair / alone,
        "  first come first served, as a ratio": together / alone,
        "tokens/s, fair": tokens["fair"],
        "  of first come first served": tokens["fair"] / tokens["together"],
        "two floods: served, one of the other": total(brief) / total(wordy),
        "  widest gap of service": widest(brief, wordy),
        "  of the VTC bound": widest(brief, wordy) / bound,
    }


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def total(seen: Seen) -> float:
    return sum(amount for _, amount in seen.service)


def widest(one: Seen, other: Seen) -> float:
    """Of the service of two who both wait all the time, over every interval: the range of the running difference."""
    steps = sorted([*one.service, *((at, -amount) for at, amount in other.service)])
    difference = low = high = 0.0
    for _, amount in steps:
        difference += amount
        low, high = min(low, difference), max(high, difference)
    return high - low


if __name__ == "__main__":
    raise SystemExit(main())
