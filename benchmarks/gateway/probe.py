"""Single requests, outside of any measurement: is a proxy there, and which ports are free."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time

from benchmarks.gateway.process import Child

__all__ = ["ask", "await_answer", "free_ports"]

START_SECONDS = 60.0
"""For a proxy to answer its first request; litellm imports for ten."""
PROBE = {"model": "bench", "messages": [{"role": "user", "content": "Are you there?"}], "max_tokens": 4}


def ask(port: int, method: str, path: str, body: str = "", key: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP: {error!r}") from None
    finally:
        connection.close()


def await_answer(child: Child, port: int, key: str) -> str:
    """Wait until the proxy answers a completion; why not, if not."""
    end, said = time.monotonic() + START_SECONDS, "nothing"
    while time.monotonic() < end:
        if not child.alive():
            return f"it ended at once: {child.last_words()}"
        try:
            status, body = ask(port, "POST", "/v1/chat/completions", json.dumps(PROBE), key)
        except OSError as error:
            said = str(error)
        else:
            if status == 200:
                return ""
            said = f"{status} {body[:200]!r}"
        time.sleep(0.1)
    return f"no answer within {START_SECONDS:.0f} s ({said}): {child.last_words()}"


def free_ports(count: int) -> list[int]:
    """Free now; all are held until all are known, so that they differ."""
    with contextlib.ExitStack() as stack:
        doors = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [door.getsockname()[1] for door in doors]
