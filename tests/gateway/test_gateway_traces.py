"""Traces: the caller's go on, engines get a span of ours, and a collector gets all of it as OTLP says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from headway.errors import UsageError
from headway.gateway.hub.otlp import collector
from headway.gateway.table import TenantRule, TokenPrice
from tests.gateway.conftest import Start
from tests.support.collector import Collector, attributes, collecting
from tests.support.gateway import (
    ROOT,
    Asked,
    GatewayProcess,
    Peer,
    answers,
    ask,
    endpoint,
    eventually,
    gateway_here,
    key_for,
    raw,
    request_bytes,
    route,
    sends,
    streams,
)
from tests.support.ports import free_port

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = f"traceparent: 00-{TRACE}-{SPAN}-01"
ACME, ACME_KEY = key_for("acme")
QUIET, QUIET_KEY = key_for("quiet")
_USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}
USAGE = b"data: " + json.dumps({"choices": [], "usage": _USAGE}).encode() + b"\n\n"


async def root_of(to: Collector, request_id: str) -> Span:
    await eventually(lambda: to.root(request_id), what=f"the spans of {request_id}")
    found = to.root(request_id)
    assert found is not None
    return found


async def until_exported(live: GatewayProcess, to: Collector) -> None:
    """A batch counts once its worker has read the collector's answer: a moment after the collector has the spans."""

    async def counted() -> bool:
        metrics = (await ask(live.port, "/metrics", "GET")).body.decode()
        return f'headway_gateway_spans_total{{result="exported"}} {len(to.spans)}.0' in metrics

    await eventually(counted, what="all spans that came are counted as exported")


async def test_without_tracing_a_trace_passes_through_as_it_came(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        await ask(here.port, headers=[CALLER, "tracestate: a=1", "tracestate: b=2"])
        await ask(here.port, headers=[CALLER.replace("-01", "-0x"), "tracestate: a=1"])
        await ask(here.port, headers=[CALLER, CALLER])
        await ask(here.port)
    passed = [(each.headers.get("traceparent"), each.headers.get("tracestate")) for each in one.asked]
    assert passed == [(f"00-{TRACE}-{SPAN}-01", "a=1,b=2"), (None, None), (None, None), (None, None)]


async def test_a_request_as_spans(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    """With two workers, a price, a try that fails, and a caller that traces."""
    dies, works = await engine(sends(then="reset")), await engine(streams("a", "b", tail=USAGE))
    async with collecting() as to:
        live = GatewayProcess(
            tmp_path,
            route(
                endpoint(dies.url, "chat-0"),
                endpoint(works.url, "chat-1"),
                policy="round_robin",
                price=TokenPrice(1_000_000, 500_000, 2_000_000),
            ),
            workers=2,
            tenants=(TenantRule("acme"),),
            keys=(ACME_KEY,),
            more=("--otlp", to.url, "--trace-sample", "0"),
        )
        gateways.append(live)
        asked = 0
        while not dies.asked:  # each worker asks them in turn: of its first two requests one meets the engine that dies
            headers = [CALLER, "tracestate: a=1", f"x-request-id: traced-{asked}", f"authorization: Bearer {ACME}"]
            answer = await ask(live.port, stream=True, max_tokens=10, temperature=0.5, headers=headers)
            assert answer.status == 200
            asked += 1
            assert asked <= 4
        roots = [await root_of(to, f"traced-{number}") for number in range(asked)]
        root = next(each for each in roots if len(_tries(to, each)) == 2)
        assert to.asked[0]["line"] == "POST /v1/traces HTTP/1.1"
        assert to.asked[0]["content-type"] == "application/json"
        assert to.resource["service.name"] == "headway-gateway"
        assert (root.name, root.kind) == ("chat chat", Span.SPAN_KIND_SERVER)
        assert (root.trace_id.hex(), root.parent_span_id.hex(), root.trace_state) == (TRACE, SPAN, "a=1")
        said = attributes(root.attributes)
        expected = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "chat",
            "gen_ai.request.stream": True,
            "gen_ai.request.max_tokens": 10,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.usage.input_tokens": 20,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 8,
            "http.response.status_code": 200,
            "url.path": "/v1/chat/completions",
            "headway.tenant": "acme",
            "headway.cost": (12 + 4 + 10) / 1e6,
        }
        assert expected.items() <= said.items()
        assert [each.name for each in root.events] == ["first_token"]
        assert root.start_time_unix_nano <= root.events[0].time_unix_nano <= root.end_time_unix_nano
        failed, answered = _tries(to, root)
        assert (failed.kind, answered.kind) == (Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_CLIENT)
        assert (attributes(failed.attributes)["error.type"], failed.status.code) == ("reset", Status.STATUS_CODE_ERROR)
        assert attributes(failed.attributes)["server.port"] == dies.port
        assert attributes(answered.attributes)["server.address"] == "127.0.0.1"
        assert attributes(answered.attributes)["headway.decision.reason"] == "only_one"
        for span in (failed, answered):
            assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
            assert span.end_time_unix_nano <= root.end_time_unix_nano
        # Each engine was given the span of its own try, not the caller's.
        given = {each.headers["traceparent"]: each.headers["tracestate"] for each in (*dies.asked, *works.asked)}
        ours = {f"00-{TRACE}-{each.span_id.hex()}-01" for root in roots for each in _tries(to, root)}
        assert set(given) == ours
        assert set(given.values()) == {"a=1"}
        await until_exported(live, to)
        shown = await live.admin("/explain?id=traced-0")
        assert TRACE.encode() in shown


def _children(to: Collector, root: Span) -> list[Span]:
    found = [span for span in to.spans if span.parent_span_id == root.span_id]
    return sorted(found, key=lambda span: span.start_time_unix_nano)


def _tries(to: Collector, root: Span) -> list[Span]:
    """The first request may have waited for its tenant's first lease, which is a span, too."""
    return [span for span in _children(to, root) if not span.name.startswith("wait ")]


async def test_who_is_traced(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    """The caller's flag counts; of the others a fraction; of a tenant that wants no records nobody."""
    one = await engine(answers())
    async with collecting() as to:
        live = GatewayProcess(
            tmp_path,
            route(endpoint(one.url)),
            tenants=(TenantRule("acme"), TenantRule("quiet", log="none")),
            keys=(ACME_KEY, QUIET_KEY),
            more=("--otlp", to.url, "--trace-sample", "100%"),
        )
        gateways.append(live)
        quiet, acme = f"authorization: Bearer {QUIET}", f"authorization: Bearer {ACME}"
        for name, key, trace in (
            ("unsampled", acme, CALLER.removesuffix("01") + "00"),
            ("quiet", quiet, CALLER),
            ("own", acme, "x: y"),
            ("invalid", acme, "traceparent: 00-zz"),
            ("refused", "authorization: Bearer nobody", "x: y"),
        ):
            await ask(live.port, headers=[key, trace, f"x-request-id: {name}"])
        await root_of(to, "refused")
        by_id = {each.headers["x-request-id"]: each.headers["traceparent"].split("-") for each in one.asked}
        assert by_id["unsampled"][1] == TRACE
        assert by_id["unsampled"][2] != SPAN
        assert by_id["unsampled"][3] == "00"
        assert by_id["quiet"] == ["00", TRACE, SPAN, "01"]  # passed on; nothing of it is recorded here
        assert (to.root("unsampled"), to.root("quiet")) == (None, None)
        own, invalid = await root_of(to, "own"), await root_of(to, "invalid")
        assert by_id["own"][1] == own.trace_id.hex() != TRACE
        assert by_id["invalid"][1] == invalid.trace_id.hex() != own.trace_id.hex()
        assert own.parent_span_id == b""
        refused = await root_of(to, "refused")
        assert attributes(refused.attributes)["error.type"] == "invalid_api_key"
        assert refused.status.code == Status.STATUS_CODE_UNSET  # the caller's fault is no error of a server
        for span in to.spans:
            text = str(span)
            assert QUIET not in text
            assert ACME not in text
            assert '"hi"' not in text


async def test_waiting_is_a_span(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    gate = asyncio.Semaphore(0)

    async def turnstile(asked: Asked, peer: Peer) -> None:
        await gate.acquire()
        await answers()(asked, peer)

    one = await engine(turnstile)
    async with collecting() as to:
        more = ("--otlp", to.url, "--trace-sample", "100%")
        live = GatewayProcess(tmp_path, route(endpoint(one.url), capacity=1), more=more)
        gateways.append(live)
        first = asyncio.create_task(ask(live.port))
        await eventually(lambda: one.running == 1)
        second = asyncio.create_task(ask(live.port, headers=["x-request-id: waits"]))

        async def both() -> bool:
            return (await live.stats()).running == 2

        await eventually(both)
        gate.release()
        gate.release()
        assert {(await first).status, (await second).status} == {200}
        root = await root_of(to, "waits")
        wait, attempt = _children(to, root)
        assert (wait.name, wait.kind) == ("wait line", Span.SPAN_KIND_INTERNAL)
        assert attributes(wait.attributes) == {"headway.line.ahead": 0, "headway.line.waiting": 0}
        assert wait.end_time_unix_nano <= attempt.start_time_unix_nano


async def test_a_connection_that_was_closed_while_idle_has_no_span(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    """The same bytes go out again: one span, not two of one id."""

    async def close_when_asked_again(asked: Asked, peer: Peer) -> None:
        peer.close()

    one = await engine(answers(), close_when_asked_again, answers())
    async with collecting() as to:
        live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=("--otlp", to.url, "--trace-sample", "1"))
        gateways.append(live)
        for number in range(2):
            assert (await ask(live.port, headers=[f"x-request-id: again-{number}"])).status == 200
        assert len(one.asked) == 3
        (attempt,) = _children(to, await root_of(to, "again-1"))
        assert attempt.span_id.hex() == one.asked[2].headers["traceparent"].split("-")[2]


@pytest.mark.parametrize(
    ("to_do", "expected"),
    [
        (([503], b"{}"), "exported"),
        (([400], b"what is this"), "refused"),
        (([], b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}'), "refused"),
    ],
)
async def test_what_a_collector_does_is_counted_and_hurts_nobody(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess], to_do: tuple[list[int], bytes], expected: str
) -> None:
    one, (statuses, answer) = await engine(answers()), to_do
    async with collecting(statuses=list(statuses), answer=answer) as to:
        live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=("--otlp", to.url, "--trace-sample", "1"))
        gateways.append(live)
        assert (await ask(live.port)).status == 200

        async def counted() -> bool:
            text = (await ask(live.port, "/metrics", "GET")).body.decode()
            return f'spans_total{{result="{expected}"}} 2.0' in text

        await eventually(counted, deadline=20)


async def test_a_collector_that_is_not_there(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    one = await engine(answers())
    more = ("--otlp", f"http://127.0.0.1:{free_port()}", "--trace-sample", "1")
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=more)
    gateways.append(live)
    for _ in range(5):
        assert (await ask(live.port)).status == 200
    await eventually(lambda: "traces cannot be sent" in live.log.read_text())
    assert (await ask(live.port)).status == 200
    assert live.stop() == 0


async def test_what_is_left_is_sent_at_the_end(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with collecting() as to:
        live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=("--otlp", to.url, "--trace-sample", "1"))
        await ask(live.port, headers=["x-request-id: last"])
        stopped = await asyncio.to_thread(live.stop)
        assert stopped == 0
        assert to.root("last") is not None


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("", {}, None),
        ("http://c:4318", {}, "http://c:4318/v1/traces"),
        ("http://c:4318/", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d"}, "http://c:4318/v1/traces"),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://d/otlp"}, "https://d/otlp/v1/traces"),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://e/x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d"}, "http://e/x"),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d", "OTEL_TRACES_EXPORTER": "none"}, None),
        ("http://c", {"OTEL_SDK_DISABLED": "true"}, None),
    ],
)  # fmt: skip
def test_where_traces_go(given: str, environment: dict[str, str], expected: str | None) -> None:
    found = collector(given, environment)
    assert (found.url if found else None) == expected


def test_who_sends_and_with_which_key() -> None:
    found = collector(
        "http://c",
        {
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%2Cb, x-team = one",
            "OTEL_SERVICE_NAME": "edge",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=prod,service.name=other",
        },
    )
    assert found is not None
    assert found.headers == {"api-key": "a,b", "x-team": "one"}
    assert found.resource == {"service.name": "edge", "deployment.environment": "prod"}


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ("c:4318", {}),
        ("ftp://c", {}),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://d", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}),
    ],
)
def test_what_is_no_collector(given: str, environment: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"--otlp http://host:4318"):
        collector(given, environment)


def test_a_collector_that_is_none_is_one_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "headway.gateway", "--table", str(tmp_path / "t.json"), "--otlp", "nowhere"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


async def test_two_hosts_are_still_refused(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        said = await raw(here.port, request_bytes(body=b"{}", headers=["host: other"]))
        assert said.startswith(b"HTTP/1.1 400")
