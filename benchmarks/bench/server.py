"""The mock engine as the server that is measured: on its own core, and it writes down what came when."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.gateway.process import BenchError, Child
from headway.engines.mock_arrivals import Arrival

__all__ = ["ROOT", "Server", "serving"]

START_SECONDS = 20.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    log: Path

    def arrivals(self, tokens: int) -> list[Arrival]:
        """The requests that got so many tokens: not those by which a tool made itself acquainted."""
        decode = msgspec.json.Decoder(Arrival).decode
        seen = [decode(line) for line in self.log.read_bytes().splitlines()]
        chosen = [each for each in seen if "completions" in each.path and each.tokens == tokens]
        if not chosen:
            raise BenchError(f"the server saw no request for {tokens} tokens")
        return sorted(chosen, key=lambda each: each.came)


@contextlib.contextmanager
def serving(folder: Path, core: int, flags: tuple[str, ...]) -> Iterator[Server]:
    """A fresh one, that has seen nobody."""
    log, said = folder / "arrivals.jsonl", folder / "server.log"
    argv = (sys.executable, "-m", "headway.engines.mock_server", *flags, "--arrivals", str(log))
    child = Child(argv, core, said, {"PYTHONPATH": str(ROOT)})
    try:
        yield Server(f"http://127.0.0.1:{_port(child, said)}", log)
    finally:
        child.stop()


def _port(child: Child, said: Path) -> int:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and child.alive():
        if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", said.read_text()):
            return int(found[1])
        time.sleep(0.02)
    raise BenchError(f"the mock engine does not listen: {child.last_words()}")
