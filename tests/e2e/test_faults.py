"""kill -9 as a test: engines under load, the control process under load, and what `up` finds afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

import openai
import pytest

from tests.support.processes import running
from tests.support.running import EXAMPLES, Headway, eventually

REQUESTS, CONCURRENCY, MAX_TOKENS = 200, 8, 16
TWO = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\nreplicas: 2\n"

pytestmark = pytest.mark.timeout(400)  # 200 requests of real engines, on a machine that does something else too

Ask = Callable[[int], Awaitable[str]]


async def test_engines_are_killed_under_load(headway: Headway) -> None:
    """200 requests, 8 at once, over 2 replicas; every 2 s one engine, alternating, is killed with -9."""
    headway.up_ok(headway.model_file("two.yaml", TWO))
    async with _client(headway) as client:
        killed = 0
        load = asyncio.create_task(_load(lambda n: _either(client, n)))
        while not load.done():
            await asyncio.wait([load], timeout=2.0)
            if not load.done() and (pid := _ready_pid(headway, killed)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        outcomes = await load
    print(f"\n{killed} engines killed: {dict(outcomes)}")
    assert killed >= 2
    assert outcomes["answered"] == REQUESTS // 2, outcomes
    assert outcomes["stream complete"] + outcomes["stream ended by one error event"] == REQUESTS // 2, outcomes
    restarts = sum(each["restarts"] for each in eventually(lambda: _all_ready(headway, 2))["replicas"])
    assert restarts == killed


async def test_the_control_process_is_killed_under_load(headway: Headway) -> None:
    headway.up_ok(headway.model_file("two.yaml", TWO))
    before = headway.pids("chat")
    gateway = headway.status("chat")["address"]
    async with _client(headway) as client:
        asked = 0

        async def ask(number: int) -> str:
            nonlocal asked
            asked += 1
            if asked == REQUESTS // 4:
                os.kill(headway.control_pid(), signal.SIGKILL)
            return await _either(client, number)

        outcomes = await _load(ask)
        assert outcomes == {"answered": REQUESTS // 2, "stream complete": REQUESTS // 2}, outcomes
        said = headway.up_ok(headway.model_file("two.yaml", TWO))
        assert "unchanged" in said
        assert headway.pids("chat") == before, "adopted, not started anew"
        assert headway.status("chat")["address"] == gateway
        assert await _either(client, 0) == "answered"
    explained = headway.run("explain", "chat").stdout
    assert "FoundRunning" in explained


def test_a_dead_gateway_comes_back(headway: Headway) -> None:
    headway.up_ok(EXAMPLES / "chat.yaml")
    pid = running(headway.processes(), "-m headway.gateway ")[0].pid
    os.kill(pid, signal.SIGKILL)
    with openai.OpenAI(base_url=headway.status("chat")["address"], api_key="unused", max_retries=0) as client:
        assert eventually(lambda: _answers(client))


def test_replicas_changed_in_the_file_only_the_difference_moves(headway: Headway) -> None:
    headway.up_ok(headway.model_file("chat.yaml", TWO))
    two = headway.pids("chat")
    headway.up_ok(headway.model_file("chat.yaml", TWO.replace("replicas: 2", "replicas: 3")))
    three = headway.pids("chat")
    assert two.items() < three.items()
    assert len(three) == 3
    headway.up_ok(headway.model_file("chat.yaml", TWO.replace("replicas: 2", "replicas: 1")))
    one = eventually(lambda: (found := headway.pids("chat")) and len(found) == 1 and found)
    assert one.items() < three.items()


async def test_a_new_revision_replaces_the_old_without_a_lost_request(headway: Headway) -> None:
    headway.up_ok(headway.model_file("chat.yaml", TWO))
    before = headway.pids("chat")
    async with _client(headway) as client:
        load = asyncio.create_task(_load(lambda n: _either(client, n)))
        changed = headway.model_file("chat.yaml", TWO + "args: {ctx-size: 8192}\n")
        done = await asyncio.to_thread(headway.up, changed)
        outcomes = await load
    assert done.returncode == 0, done.stderr
    assert outcomes == {"answered": REQUESTS // 2, "stream complete": REQUESTS // 2}, outcomes
    after = eventually(lambda: (found := headway.pids("chat")) and not found.keys() & before.keys() and found)
    assert len(after) == 2


async def test_two_ups_at_once(headway: Headway) -> None:
    chat, other = (
        headway.model_file(f"{name}.yaml", TWO.replace("name: chat", f"name: {name}").replace("2\n", "1\n"))
        for name in ("one", "two")
    )
    done = await asyncio.gather(asyncio.to_thread(headway.up, chat), asyncio.to_thread(headway.up, other))
    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    assert {each["name"]: each["state"] for each in headway.ls()} == {"one": "ready", "two": "ready"}
    controls = running(headway.processes(), "headway.cli.control_process")
    assert len(controls) == 1


def test_down_leaves_nothing(headway: Headway) -> None:
    headway.up_ok(EXAMPLES / "chat.yaml")
    assert headway.run("down").returncode == 0
    assert eventually(lambda: headway.processes() == [])
    after = headway.run("ls")
    assert after.returncode == 3
    assert after.stderr.startswith("error: no Headway is running here")


async def _load(ask: Ask) -> Counter[str]:
    """REQUESTS requests, CONCURRENCY at once; even ones plain, odd ones streams."""
    numbers = iter(range(REQUESTS))
    outcomes: Counter[str] = Counter()

    async def worker() -> None:
        for number in numbers:
            outcomes[await ask(number)] += 1

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return outcomes


async def _either(client: openai.AsyncOpenAI, number: int) -> str:
    return await (_stream(client, number) if number % 2 else _plain(client, number))


async def _plain(client: openai.AsyncOpenAI, number: int) -> str:
    try:
        answer = await client.completions.create(model="chat", prompt=f"Number {number}:", max_tokens=MAX_TOKENS)
    except openai.OpenAIError as error:
        return f"failed: {error!r}"
    return "answered" if answer.choices else "empty"


async def _stream(client: openai.AsyncOpenAI, number: int) -> str:
    """Reads the raw events, so that what a careless client would forgive is seen."""
    body = {"model": "chat", "prompt": f"Number {number}:", "max_tokens": MAX_TOKENS, "stream": True}
    async with client._client.stream("POST", "completions", json=body) as response:
        if response.status_code != 200:
            return f"stream failed: {response.status_code}"
        text = (await response.aread()).decode()
    events = [event for event in text.split("\n\n") if event]
    if not text.endswith("\n\n") or not all(event.startswith("data: ") for event in events):
        return f"stream torn: {text[-80:]!r}"
    errors = [event for event in events if '"error"' in event]
    if not errors:
        return "stream complete" if events[-1] == "data: [DONE]" else "stream without an end"
    return "stream ended by one error event" if errors == events[-1:] else f"error not last: {events[-2:]}"


def _client(headway: Headway) -> openai.AsyncOpenAI:
    address = f"http://127.0.0.1:{headway.port}/v1/"
    return openai.AsyncOpenAI(base_url=address, api_key="unused", max_retries=0, timeout=100)


def _answers(client: openai.OpenAI) -> bool:
    try:
        return bool(client.completions.create(model="chat", prompt="Hi", max_tokens=1).choices)
    except openai.OpenAIError:
        return False


def _ready_pid(headway: Headway, turn: int) -> int | None:
    """The engine whose turn it is to die, if it is ready."""
    replicas = sorted(headway.status("chat")["replicas"], key=lambda each: each["name"])
    chosen = replicas[turn % len(replicas)]
    return chosen["pid"] if chosen["state"] == "ready" else None


def _all_ready(headway: Headway, count: int) -> dict[str, object] | None:
    status = headway.status("chat")
    return status if status["replicas_ready"] == count else None
