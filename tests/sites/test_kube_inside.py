"""What runs inside a pod besides the engine, as a kubelet runs it: drain hooks, probes, the start by a pod's number."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest

from headway.engines.container import Container
from headway.sites.kubernetes.objects import drain
from tests.support.kube import BARE, derived, workload


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


LOOKS = ["python3", pytest.param("curl", marks=pytest.mark.skipif(not shutil.which("curl"), reason="needs curl"))]


@pytest.mark.parametrize("looks", LOOKS)
@pytest.mark.parametrize("series", SERIES)
def test_it_ends_when_nothing_runs_any_more(looks: Literal["python3", "curl"], series: str) -> None:
    engine = Engine(series, running=2)
    with engine.serve() as port:
        ended = subprocess.run(hook(port, series.partition("{")[0], looks), timeout=30, check=False)
    assert ended.returncode == 0
    assert engine.asked == 3


@pytest.mark.parametrize("looks", LOOKS)
def test_an_engine_that_is_gone_holds_nobody_up(looks: Literal["python3", "curl"]) -> None:
    with Engine("x", running=0).serve() as port:
        pass
    assert subprocess.run(hook(port, "x", looks), timeout=30, check=False, capture_output=True).returncode == 0


def test_no_hook_for_an_engine_that_tells_nothing() -> None:
    assert drain.hook(Container("i:1", (), (), 80, "/health", None)) == []


def pod_of_two() -> dict[str, Any]:
    """The engine of a Replica of two pods that have one template."""
    objects = derived(BARE, source="hf://meta-llama/Llama-3.1-70B-Instruct", gpu="H100:16")
    return dict(workload(objects)["spec"]["template"]["spec"]["containers"][0])


@pytest.mark.parametrize(("number", "more"), [("0", []), ("1", ["--headless"])])
def test_each_pod_of_a_replica_starts_by_its_number(number: str, more: list[str]) -> None:
    found = pod_of_two()
    assert found["args"][:2] == ["vllm", "serve"]
    argv = [*found["command"], "printf", "%s\n", *found["args"]]
    env = {"PATH": os.environ["PATH"], "HEADWAY_INDEX": number}
    told = subprocess.run(argv, env=env, timeout=30, check=True, capture_output=True, text=True).stdout.splitlines()
    assert told == [*found["args"], *more]


@pytest.mark.parametrize(("number", "code"), [("0", 1), ("1", 0)])
def test_of_the_pods_of_a_replica_only_the_first_is_probed(number: str, code: int) -> None:
    """Nothing answers here."""
    probe = pod_of_two()["readinessProbe"]["exec"]["command"]
    env = {"PATH": os.environ["PATH"], "HEADWAY_INDEX": number}
    assert subprocess.run(probe, env=env, timeout=30, check=False, capture_output=True).returncode == code


def test_the_pods_of_a_replica_end_when_the_first_has_answered() -> None:
    engine = Engine("vllm:num_requests_running", running=1)
    with engine.serve() as port:
        env = {**os.environ, "LWS_LEADER_ADDRESS": "127.0.0.1"}
        argv = hook(port, "vllm:num_requests_running", "python3")
        assert subprocess.run(argv, env=env, timeout=30, check=False).returncode == 0
    assert engine.asked == 2
