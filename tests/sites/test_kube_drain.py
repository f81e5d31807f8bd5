"""The drain hooks as a kubelet runs them, against an engine's own metrics."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import pytest

from headway.engines.container import Container
from headway.sites.kubernetes.objects import drain


class Engine:
    """Tells of `running` requests, one less each time it is asked."""

    def __init__(self, series: str, running: int) -> None:
        self.series, self.running, self.asked = series, running, 0

    @contextmanager
    def serve(self) -> Iterator[int]:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                said = f"# TYPE {engine.series} gauge\n{engine.series} {float(engine.running)}\nother_total 7\n"
                engine.asked += 1
                engine.running = max(0, engine.running - 1)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(said.encode())

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def hook(port: int, series: str, looks: Literal["python3", "curl"]) -> list[str]:
    return drain.hook(Container("i:1", (), (), port, "/health", "/metrics", busy=series, looks=looks))


@pytest.fixture(autouse=True)
def no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "NEWS", 0)


SERIES = ['vllm:num_requests_running{model_name="chat",engine="0"}', "llamacpp:requests_processing"]


@pytest.mark.parametrize("looks", ["python3", "curl"])
@pytest.mark.parametrize("series", SERIES)
def test_it_ends_when_nothing_runs_any_more(looks: Literal["python3", "curl"], series: str) -> None:
    engine = Engine(series, running=2)
    with engine.serve() as port:
        ended = subprocess.run(hook(port, series.partition("{")[0], looks), timeout=30, check=False)
    assert ended.returncode == 0
    assert engine.asked == 3


@pytest.mark.parametrize("looks", ["python3", "curl"])
def test_an_engine_that_is_gone_holds_nobody_up(looks: Literal["python3", "curl"]) -> None:
    with Engine("x", running=0).serve() as port:
        pass
    assert subprocess.run(hook(port, "x", looks), timeout=30, check=False, capture_output=True).returncode == 0


def test_no_hook_for_an_engine_that_tells_nothing() -> None:
    assert drain.hook(Container("i:1", (), (), 80, "/health", None)) == []
