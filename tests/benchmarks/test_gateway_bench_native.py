"""The C programs, asked as the benchmark asks them: real sockets, small numbers, no timing asserted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gateway.native import build
from benchmarks.gateway.probe import ask
from benchmarks.gateway.process import Child

pytestmark = pytest.mark.skipif(not shutil.which("gcc") or not shutil.which("taskset"), reason="needs gcc and taskset")

CORE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def ports(cache: Path) -> Iterator[list[int]]:
    backend = Child([str(build("backend", cache)), "2"], CORE, cache / "log", reads=True)
    try:
        yield [int(word) for word in backend.line(10).split()[1:]]
    finally:
        backend.stop()


def load(cache: Path, port: int, **options: object) -> dict[str, Any]:
    words = {"ports": port, "connections": 2, "seconds": 0.2, **options}
    argv = [str(build("load", cache)), *(f"{name}={value}" for name, value in words.items())]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    assert said[:2] == ["measuring", "done"]
    answer: dict[str, Any] = json.loads(said[2])
    return answer


def body(**fields: object) -> str:
    return json.dumps({"model": "bench", "messages": [{"role": "user", "content": "word " * 40}], **fields})


def test_an_answer_is_a_chat_completion_with_usage(ports: list[int]) -> None:
    status, said = ask(ports[0], "POST", "/v1/chat/completions", body())
    answer = json.loads(said)
    assert (status, answer["usage"]["total_tokens"]) == (200, 240)
    assert 450 <= len(said) <= 600


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_stream_has_the_events_asked_for_then_usage_and_done(ports: list[int], name: str) -> None:
    ask(ports[0], "PUT", "/pace/100")
    fields = {"stream": True, "stream_options": {"include_usage": True}, name: 3}
    events = ask(ports[0], "POST", "/v1/chat/completions", body(**fields))[1].decode().split("\n\n")
    assert events.pop() == ""
    assert events.pop() == "data: [DONE]"
    assert json.loads(events.pop().removeprefix("data: "))["usage"]
    assert [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events] == [
        {"content": " word"}
    ] * 3
    assert all(150 <= len(event) <= 180 for event in events)


def test_a_stream_without_usage_has_none(ports: list[int]) -> None:
    said = ask(ports[0], "POST", "/v1/chat/completions", body(stream=True, max_tokens=1))[1].decode()
    assert said.count("data: ") == 2
    assert "usage" not in said


def test_prompts_alike_in_their_beginning_render_alike_in_theirs(ports: list[int]) -> None:
    one, two = (
        json.loads(ask(ports[0], "POST", "/v1/chat/completions/render", body(user=name))[1])["token_ids"]
        for name in ("alice", "bob12")
    )
    alike = next(at for at, (x, y) in enumerate(zip(one, two, strict=True)) if x != y)
    assert alike > 40
    assert len(one) == len(two)


def test_each_endpoint_counts_its_own(ports: list[int]) -> None:
    before = json.loads(ask(ports[0], "GET", "/counts")[1])["completions"]
    ask(ports[1], "POST", "/v1/chat/completions", body())
    after = json.loads(ask(ports[0], "GET", "/counts")[1])["completions"]
    assert [b - a for a, b in zip(before, after, strict=True)] == [0, 1]


def test_what_routers_ask_of_an_engine_is_there(ports: list[int]) -> None:
    for path, part in (("/health", b""), ("/v1/models", b'"bench"'), ("/metrics", b"vllm:num_requests_running")):
        status, said = ask(ports[0], "GET", path)
        assert status == 200
        assert part in said
    assert ask(ports[0], "GET", "/nowhere")[0] == 404


def test_a_closed_loop_is_answered_without_errors(cache: Path, ports: list[int]) -> None:
    seen = load(cache, ports[0], size=32768)
    assert seen["errors"] == 0, seen["error"]
    assert seen["requests"] > 10
    assert 0 < seen["latency_p50"] <= seen["latency_p99"] <= seen["latency_max"]


def test_an_open_loop_asks_at_its_rate(cache: Path, ports: list[int]) -> None:
    seen = load(cache, ports[0], rate=100, seconds=0.5)
    assert seen["errors"] == 0, seen["error"]
    assert seen["requests"] + seen["late"] in range(48, 53)


def test_streams_are_counted_event_by_event(cache: Path, ports: list[int]) -> None:
    ask(ports[0], "PUT", "/pace/100")
    seen = load(cache, ports[0], events=20)
    assert seen["errors"] == 0, seen["error"]
    assert seen["requests"] > 0
    assert seen["events"] >= seen["requests"] * 22  # 20, the usage and [DONE]


def bodies_seen(listener: socket.socket, count: int, found: list[bytes], answer: bytes) -> None:
    """Takes `count` requests of one connection and gives each the answer."""
    # The generator leaves in mid-answer when its time is over.
    with contextlib.suppress(ConnectionError), listener.accept()[0] as peer, peer.makefile("rb") as reader:
        for _ in range(count):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (line := reader.readline()):
                    return
                head += line
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            found.append(head + reader.read(length))
            peer.sendall(answer)


def serve(cache: Path, answer: bytes, **options: object) -> tuple[list[bytes], dict[str, Any]]:
    found: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=bodies_seen, args=(listener, 1_000_000, found, answer))
        thread.start()
        seen = load(cache, listener.getsockname()[1], connections=1, **options)
        thread.join(10)
    return found, seen


def test_requests_are_of_the_size_asked_for_share_their_prefix_and_never_repeat(cache: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    found, seen = serve(cache, answer, size=1024, key="sk-x", first=100)
    assert seen["errors"] == 0, seen["error"]
    heads, asked = zip(*(each.split(b"\r\n\r\n", 1) for each in found), strict=True)
    assert all(b"\r\nauthorization: Bearer sk-x\r\n" in head for head in heads)
    assert {len(each) for each in asked} == {1024}
    assert len(set(asked)) == len(asked)
    groups: dict[str, int] = {}
    for each in asked:
        system, user = (message["content"] for message in json.loads(each)["messages"])
        assert len(system) >= 0.85 * (len(system) + len(user) - 18)
        groups[system] = groups.get(system, 0) + 1
    assert len(groups) == min(16, len(asked))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",  # a stream without its events
    ],
)
def test_anything_but_the_answer_asked_for_is_an_error(cache: Path, answer: bytes) -> None:
    found: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=bodies_seen, args=(listener, 1, found, answer))
        thread.start()
        seen = load(cache, listener.getsockname()[1], connections=1, events=5)
        thread.join(10)
    assert seen["errors"] >= 1
    assert seen["error"]
