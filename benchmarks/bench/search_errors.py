"""How near `--find-max` comes, and how much load it spends: many searches on queues on paper, whose true answer is
known.

    python -m benchmarks.bench.search_errors [--seeds 40]

A queue on paper runs the very `decide` and `StageWatch` that a real search runs; only the server and the clock are
not there. The truth of a random queue is its share inside at each rate over a long time, bisected.
"""

from __future__ import annotations

import argparse
from statistics import median

from tests.support.queues import PaperServer, search

SERVERS = {
    "12 at once, 100 ms each, even arrivals": PaperServer(12, 0.1, 0.15, poisson=False),
    "the same, Poisson": PaperServer(12, 0.1, 0.15),
    "the same, 2 % miss whatever the load": PaperServer(12, 0.1, 0.15, lapse=0.02),
    "32 at once, 1 s exponential, Poisson": PaperServer(32, 1.0, 0.5, spread=1.0),
    "64 at once, 4 s, Poisson, patient (2 s)": PaperServer(64, 4.0, 2.0, spread=0.5),
    "1 at a time, 33 ms, Poisson (30/s)": PaperServer(1, 1 / 30, 0.25),
    "4 at once, 0.5 s, Poisson (8 requests/s)": PaperServer(4, 0.5, 0.5),
    "200 at once, 0.2 s, Poisson (1,000/s)": PaperServer(200, 0.2, 0.1, spread=0.5),
}
LOOKED_AT = 40_000
"""Requests over which a rate's true share is taken."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--only", default="", help="servers whose words hold this")
    options = parser.parse_args()
    print("| server | true rate | found | error p50 | p90 | largest | interval holds it | its width | load | stages |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, server in SERVERS.items():
        if options.only in name:
            print(row(name, server, options.seeds), flush=True)


def row(name: str, server: PaperServer, seeds: int) -> str:
    best = server.best(seconds=LOOKED_AT / server.capacity) if server.poisson else server.capacity
    found = [search(server, server.goal(), seed)[0] for seed in range(seeds)]
    errors = sorted(abs(each.rate / best - 1) for each in found)
    widths = [(each.high - each.low) / 2 / each.rate for each in found if each.rate]
    cells = [
        name,
        f"{best:.1f}/s",
        f"{median(each.rate for each in found):.1f}/s",
        f"{median(errors):.1%}",
        f"{errors[int(0.9 * len(errors))]:.1%}",
        f"{errors[-1]:.1%}",
        f"{sum(each.low <= best <= each.high for each in found) / len(found):.0%}",
        f"±{median(widths):.1%}",
        f"{median(each.seconds for each in found):.0f} s",
        f"{median(each.stages for each in found):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
