"""The picker's parts one by one: hints, order, what is seen of an answer, TLS, and the command."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

import headway
from headway.gateway.picker import ext_proc_pb2
from headway.gateway.picker.asked import HintedAsked
from headway.gateway.picker.ext_proc_pb2 import HealthCheckRequest, HealthCheckResponse
from headway.gateway.picker.hints import Hints, read_hints, served
from headway.gateway.picker.server import HEALTH, Front
from headway.gateway.picker.tls import self_signed
from headway.gateway.picker.visit import Watch
from headway.gateway.request import Request
from headway.gateway.table import Objective, RoutingTable, TenantRule, write_table
from headway.gateway.tls import Certificate
from headway.wire.openai import OPERATIONS
from headway.wire.usage import Usage
from tests.support.gateway import CHAT, DONE, ROOT, chat_body, endpoint, event, key_for, make_certificate, route, use
from tests.support.picker import PickerProcess, picker_here, spaces


@pytest.mark.parametrize(
    ("headers", "told", "expected"),
    [
        ({}, {}, Hints()),
        ({b"x-gateway-model-name-rewrite": b"a"}, {}, Hints(model="a")),
        ({b"x-gateway-model-name-rewrite": b"a", b"x-llm-d-model-name-rewrite": b"b"}, {}, Hints(model="b")),
        ({b"x-gateway-inference-objective": b" batch "}, {}, Hints(objective="batch")),
        ({b"x-llm-d-inference-fairness-id": b"x" * 500}, {}, Hints(flow="x" * 128)),
        ({b"x-slo-ttft-ms": b"250"}, {}, Hints(ttft=0.25)),
        ({b"x-slo-ttft-ms": b"soon"}, {}, Hints()),
        ({b"x-slo-ttft-ms": b"9" * 400}, {}, Hints()),
        ({b"x-gateway-destination-endpoint-subset": b"a:1, b:2,"}, {}, Hints(subset=("a:1", "b:2"))),
        ({b"x-gateway-destination-endpoint-subset": b""}, {}, Hints(subset=())),
        (
            {b"x-gateway-destination-endpoint-subset": b"a:1"},
            {"envoy.lb.subset_hint": {"x-gateway-destination-endpoint-subset": ["c:3", "d:4,e:5", 7]}},
            Hints(subset=("c:3", "d:4", "e:5")),
        ),
        ({}, {"envoy.lb": {"x-gateway-destination-endpoint-subset": ["c:3"]}}, Hints()),
    ],
)
def test_hints(headers: dict[bytes, bytes], told: dict[str, Any], expected: Hints) -> None:
    assert read_hints(headers, spaces(told)) == expected


def test_who_served() -> None:
    said = spaces({"envoy.lb": {"x-gateway-destination-endpoint-served": "a:1"}})
    seen = spaces({"envoy.filters.http.ext_proc": {"upstream.address": "b:2"}})
    assert (served(said, seen), served({}, seen), served({}, {}), served(seen, {})) == ("a:1", "b:2", "", "")


@pytest.mark.parametrize(
    ("objective", "header", "tenant", "expected"),
    [
        ("", "", "", "normal"),
        ("fast", "", "", "high"),
        ("fast", "low", "", "low"),
        ("bulk", "", "", "low"),
        ("bulk", "high", "", "low"),
        ("none such", "", "", "normal"),
        ("fast", "", "normal", "normal"),
        ("fast", "", "high", "high"),
        ("plain", "", "high", "normal"),
        ("bulk", "", "high", "low"),
    ],
)
async def test_an_objective_is_a_priority_below_its_tenants(
    tmp_path: Path, objective: str, header: str, tenant: Any, expected: str
) -> None:
    key, entry = key_for("blue")
    async with picker_here(tmp_path, route()) as picker:
        tenants = (TenantRule("blue", priority=tenant),) if tenant else ()
        objectives = (Objective("fast", 5), Objective("plain"), Objective("bulk", -5))
        use(picker.here.worker, RoutingTable(2, (route(),), tenants, (entry,), objectives))
        request = Request()
        request.parts = [chat_body()]
        request.headers = {b"authorization": f"Bearer {key}".encode(), b"x-headway-priority": header.encode()}
        gateway = picker.here.worker.gateway
        asked = HintedAsked(gateway, request, OPERATIONS[CHAT], Hints(objective=objective, flow="f"))
        assert asked.read(near=True) is None
        assert asked.priority == expected
        assert asked.sheddable == (objective == "bulk")
        assert asked.gate.tenant == ("blue" if tenant else "f")


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'


@pytest.mark.parametrize(
    ("status", "kind", "pieces", "expected", "error"),
    [
        (200, b"application/json", [b'{"usage":{"prompt_', b'tokens":4,"completion_tokens":5}}'], (4, 5), ""),
        (200, b"application/json", [b"{}"], None, ""),
        (400, b"application/json", [b'{"usage":{"prompt_tokens":4}}'], None, "engine_error"),
        (200, b"text/event-stream", [event("a"), event("b"), DONE], (None, 2), ""),
        (200, b"text/event-stream; charset=utf-8", [event("a"), USAGE + DONE], (9, 2), ""),
        (200, b"text/event-stream", [(event("a") + USAGE + DONE)[at : at + 7] for at in range(0, 400, 7)], (9, 2), ""),
        (200, b"text/event-stream", [event("a")], (None, 1), "engine_failed"),
        (200, b"text/event-stream", [event("a"), b'data: {"error": {"message": "x"}}\n\n'], (None, 2), "engine_error"),
        (200, b"text/event-stream", [b"x" * 3000] * 2, None, ""),
    ],
)
def test_what_is_seen_of_an_answer(status: int, kind: bytes, pieces: list[bytes], expected: Any, error: str) -> None:
    watch = Watch(status, kind, 4096)
    passed = [watch.look(piece, end=False) for piece in pieces]
    assert passed == pieces
    watch.finish(True)
    usage = watch.usage()
    assert (usage and (usage.prompt_tokens, usage.completion_tokens)) == expected
    assert watch.error == error
    assert watch.started


def test_a_usage_that_the_caller_did_not_ask_for_is_hidden() -> None:
    told = event("a") + USAGE + DONE + b": odd"
    watch = Watch(200, b"text/event-stream", 4096, hide=True)
    pieces = [told[at : at + 9] for at in range(0, len(told), 9)]
    passed = [watch.look(piece, end=piece is pieces[-1]) for piece in pieces]
    assert b"".join(passed) == event("a") + DONE + b": odd"
    assert watch.usage() == Usage(9, 2)


# TLS


async def status(channel: grpc.aio.Channel) -> int:
    check = channel.unary_unary(
        f"/{HEALTH}/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    )
    return int((await check(HealthCheckRequest(service="readiness"), timeout=10)).status)


async def test_tls_with_files_that_are_renewed_and_health_without(tmp_path: Path) -> None:
    pair = Certificate(*make_certificate(tmp_path))
    front = Front("127.0.0.1", 0, certificate=pair)
    async with picker_here(tmp_path, route(endpoint("http://10.0.0.1:80")), front=front) as picker:
        where = f"localhost:{picker.front_port}"
        for _ in range(2):
            trusted = grpc.ssl_channel_credentials(pair.chain.read_bytes())
            async with grpc.aio.secure_channel(where, trusted) as channel:
                assert await status(channel) == HealthCheckResponse.SERVING
            old = pair.chain.read_bytes()
            make_certificate(tmp_path)
        pair.key.write_text("half")
        async with grpc.aio.secure_channel(where, grpc.ssl_channel_credentials(old)) as channel:
            assert await status(channel) == HealthCheckResponse.SERVING


def test_a_certificate_of_its_own_is_usable_and_its_key_private(tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    pair.check()
    again = self_signed(tmp_path)
    assert again == pair
    assert pair.key.stat().st_mode & 0o077 == 0
    assert ssl.PEM_cert_to_DER_cert(pair.chain.read_text())


# the command


def run(folder: Path, *options: str, module: str = "headway.gateway.picker") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", module, *options]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(argv, capture_output=True, text=True, cwd=folder, env=env, check=False, timeout=30)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--tls-cert", "c.pem"), 2, "give both or neither"),
        (("--tls-cert", "c.pem", "--tls-key", "k.pem", "--plaintext"), 2, "give one of them"),
        (("--tls-cert", "c.pem", "--tls-key", "k.pem"), 1, "c.pem: no such file"),
        (("--plaintext", "--host", "203.0.113.1"), 1, "203.0.113.1:9002: cannot listen there"),
    ],
)
def test_what_cannot_be_is_one_clear_line(tmp_path: Path, options: tuple[str, ...], code: int, says: str) -> None:
    done = run(tmp_path, "--table", "t.json", "--socket", "p.sock", *options)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("headway picker: ")
    assert says in line


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    write_table(tmp_path / "t.json", RoutingTable(1))
    picker = PickerProcess(tmp_path, route())
    try:
        for option, port in (("--port", picker.front_port), ("--metrics-port", picker.port)):
            other = "--metrics-port" if option == "--port" else "--port"
            words = ("--table", "t.json", "--socket", str(tmp_path / "x"), option, str(port), other, "0")
            done = run(tmp_path, *words)
            assert done.returncode == 1
            assert done.stderr == (
                f"headway picker: 127.0.0.1:{port} is taken; stop what listens there, or choose another {option}\n"
            )
    finally:
        picker.stop()


def test_help_needs_no_grpc_and_its_absence_is_one_line(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['grpc'] = None; from headway.cli.main import main; "
    for words, code, says in (
        (["picker", "--help"], 0, "--metrics-port"),
        (["picker", "--table", "t.json"], 2, "pip install 'headway[picker]'"),
    ):
        argv = [sys.executable, "-c", f"{hide}sys.argv = {['headway', *words]!r}; main()"]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False, timeout=30)
        assert done.returncode == code, done.stderr
        assert says in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def fields(messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, str, int, int, str]]:
    for message in messages:
        for each in message.field:
            yield message.name, each.name, each.number, each.type, each.type_name
        yield from fields(message.nested_type)


def test_the_messages_are_those_of_the_proto_file(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    name, found = "headway/gateway/picker/ext_proc.proto", tmp_path / "set"
    include = Path(protoc.__file__).parent / "_proto"
    root = Path(headway.__file__).parents[1]
    assert protoc.main(["", f"-I{root}", f"-I{include}", f"--descriptor_set_out={found}", str(root / name)]) == 0
    (fresh,) = FileDescriptorSet.FromString(found.read_bytes()).file
    used = FileDescriptorProto()
    ext_proc_pb2.DESCRIPTOR.CopyToProto(used)
    assert list(fields(used.message_type)) == list(fields(fresh.message_type)), "run: make proto"
    assert used.enum_type == fresh.enum_type, "run: make proto"
