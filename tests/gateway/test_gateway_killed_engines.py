"""Engines as processes, killed with -9 under load: no answer is torn, and each that can be had is had."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headway.gateway.table import Endpoint
from tests.support.gateway import (
    Answer,
    GatewayProcess,
    ask,
    endpoint,
    eventually,
    route,
)

ENGINE = """
import asyncio, json, sys

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).decode().lower()
            length = int(head.split("content-length: ")[1].split("\\r\\n")[0])
            call = json.loads(await reader.readexactly(length))
            if call.get("stream"):
                writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\n"
                             b"transfer-encoding: chunked\\r\\n\\r\\n")
                for n in range(16):
                    await asyncio.sleep(0.005)
                    event = b'data: {"choices":[{"delta":{"content":"%d "}}]}\\n\\n' % n
                    writer.write(b"%x\\r\\n%b\\r\\n" % (len(event), event))
                writer.write(b"e\\r\\ndata: [DONE]\\n\\n\\r\\n0\\r\\n\\r\\n")
            else:
                await asyncio.sleep(0.08)
                body = json.dumps({"choices": [], "usage": {"completion_tokens": 16}}).encode()
                writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: "
                             b"%d\\r\\n\\r\\n%b" % (len(body), body))
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class Replica:
    """An engine process that is killed and started again, each time at another address."""

    def __init__(self, name: str) -> None:
        self.name, self.incarnation = name, 0
        self.child: subprocess.Popen[str] | None = None
        self.endpoint: Endpoint | None = None

    async def start(self) -> None:
        self.incarnation += 1
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self.child = subprocess.Popen([sys.executable, "-c", ENGINE], stdout=subprocess.PIPE, text=True)
        assert self.child.stdout
        port = int(self.child.stdout.readline())
        self.endpoint = endpoint(f"http://127.0.0.1:{port}", self.name, self.incarnation)

    def kill(self) -> None:
        if self.child:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
            assert self.child.stdout
            self.child.stdout.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_engines_killed_in_turn_under_load(tmp_path: Path, gateways: list[GatewayProcess], stream: bool) -> None:
    replicas = [Replica("chat-0"), Replica("chat-1")]
    for replica in replicas:
        await replica.start()
    live = GatewayProcess(tmp_path, route(*(r.endpoint for r in replicas if r.endpoint)))
    gateways.append(live)
    got: list[Answer] = []
    kills = 0

    def enough() -> bool:
        return len(got) >= 200 and kills >= 5

    async def caller() -> None:
        while not enough():
            got.append(await ask(live.port, stream=stream, deadline=60))

    async def killer() -> None:
        nonlocal kills
        while not enough():
            replica = replicas[kills % 2]
            replica.kill()  # the table still names it for a while, as in life
            kills += 1
            await replica.start()
            live.use(route(*(r.endpoint for r in replicas if r.endpoint)))
            some = len(got) + 15
            await eventually(lambda: len(got) >= some or enough(), deadline=30)  # noqa: B023

    try:
        await asyncio.gather(killer(), *(caller() for _ in range(8)))
    finally:
        for replica in replicas:
            replica.kill()
    assert {answer.status for answer in got} == {200}
    if stream:
        ends = [a.events[-1] if a.events[-1] == "[DONE]" else a.events[-1]["error"]["code"] for a in got]
        assert set(ends) <= {"[DONE]", "engine_failed"}
        assert all(a.body.count(b'"error"') == (end != "[DONE]") for a, end in zip(got, ends, strict=True))
        assert ends.count("[DONE]") > len(ends) // 2
    stats = await live.stats()
    assert (stats.running, stats.waiting) == (0, 0)
    assert stats.requests_total == len(got)
    assert {e.running for e in stats.endpoints} == {0}


async def test_a_single_engine_killed_is_waited_for(tmp_path: Path, gateways: list[GatewayProcess]) -> None:
    replica = Replica("chat-0")
    await replica.start()
    assert replica.endpoint
    live = GatewayProcess(tmp_path, route(replica.endpoint))
    gateways.append(live)
    try:
        asking = [asyncio.create_task(ask(live.port, deadline=60)) for _ in range(20)]

        async def all_run() -> bool:
            return (await live.stats()).endpoints[0].running == 20

        await eventually(all_run)
        replica.kill()
        live.use(route(reason="restarting"))
        await replica.start()
        live.use(route(replica.endpoint))
        assert [(await task).status for task in asking] == [200] * 20
    finally:
        replica.kill()
