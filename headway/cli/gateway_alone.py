"""Asking a gateway that runs without a control process: its hub's socket, or its request log when nobody answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from headway.errors import UnreachableError, UsageError

__all__ = ["explain"]

ANSWER_WITHIN = 5.0


def explain(gateway: str, request_id: str) -> dict[str, Any]:
    """What the control process would say of a request. `gateway`: a port or the path of a socket."""
    import msgspec  # noqa: PLC0415

    from headway.gateway.hub.admin import private_socket  # noqa: PLC0415
    from headway.gateway.story import from_log  # noqa: PLC0415

    socket = private_socket("gateway", int(gateway)) if gateway.isdigit() else Path(gateway)
    found = asyncio.run(_ask(socket, request_id))
    if found is None and not (log := socket.with_suffix(".requests")).exists():
        raise UnreachableError(
            f"no gateway answers at {socket}, and there is no request log at {log}",
            hint="give the port of headway gateway, or its --socket",
        )
    story = found.story if found is not None else from_log(log, request_id)
    if story is None:
        raise UsageError(f"no request {request_id!r} is remembered there", hint="see --sample of headway gateway")
    return {"kind": "request", "story": msgspec.to_builtins(story)}


async def _ask(socket: Path, request_id: str) -> Any:
    from urllib.parse import quote  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from headway.gateway.story import Found  # noqa: PLC0415
    from headway.wire.probe import get_unix  # noqa: PLC0415

    try:
        answer = await get_unix(socket, f"/explain?id={quote(request_id, safe='')}", timeout=ANSWER_WITHIN)
        return msgspec.json.decode(answer.body, type=Found)
    except (UnreachableError, msgspec.MsgspecError):
        return None
