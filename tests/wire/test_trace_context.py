"""W3C Trace Context, by the cases of its recommendation (w3.org/TR/trace-context, sections 3.2 and 3.3)."""

from __future__ import annotations

import pytest

from headway.wire.trace_context import MOST_MEMBERS, TraceContext, read_context, write_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def parent(version: str = "00", trace: str = TRACE, span: str = SPAN, flags: str = "01", rest: str = "") -> bytes:
    return f"{version}-{trace}-{span}-{flags}{rest}".encode()


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (parent(), True),
        (parent(flags="00"), False),
        (parent(flags="03"), True),  # the random flag of level 2
        (parent(flags="fe"), False),
        (b"  " + parent() + b"\t", True),
        (parent("01"), True),
        (parent("cc", rest="-what-the-future-brings"), True),
    ],
)
def test_what_is_read(header: bytes, sampled: bool) -> None:
    assert read_context(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"00",
        parent("ff"),
        parent("0"),
        parent("0g"),
        parent("00", rest="-more"),
        parent("00", rest="x"),
        parent("cc", rest="x"),
        parent(trace="0" * 32),
        parent(trace=TRACE[:-1]),
        parent(trace=TRACE + "0"),
        parent(trace=TRACE.upper()),
        parent(span="0" * 16),
        parent(span=SPAN[:-1]),
        parent(flags=""),
        parent(flags="1"),
        parent(flags="0x"),
        parent().replace(b"-", b"."),
        parent() + b"," + parent(),
        parent() + b"\n",
    ],
)
def test_what_is_no_trace(header: bytes) -> None:
    assert read_context(header) is None


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (b"congo=t61rcWkgMzE", True),
        (b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", True),
        (b"a=1 , b=2,,c=3", True),
        (b"tenant@system=x", True),
        (b"0tenant@system=x", True),
        (b"a=" + b"x" * 256, True),
        (b"", False),
        (b",", False),
        (b"=1", False),
        (b"a", False),
        (b"a=", False),
        (b"A=1", False),
        (b"0a=1", False),
        (b"a=1,a=2", False),
        (b"a=b=c", False),
        (b"a=\x7f", False),
        (b"a=" + b"x" * 257, False),
        (b",".join(b"k%d=1" % n for n in range(MOST_MEMBERS)), True),
        (b",".join(b"k%d=1" % n for n in range(MOST_MEMBERS + 1)), False),
    ],
)
def test_a_state_is_kept_or_dropped_and_the_trace_goes_on(state: bytes, kept: bool) -> None:
    found = read_context(parent(), state)
    assert found == TraceContext(TRACE, SPAN, True, state if kept else b"")


def test_what_is_written_is_read_again() -> None:
    lines = write_context(TRACE, SPAN, sampled=False, state=b"a=1").split(b"\r\n")
    assert lines == [b"traceparent: " + parent(flags="00"), b"tracestate: a=1", b""]
    assert write_context(TRACE, SPAN, sampled=True) == b"traceparent: " + parent() + b"\r\n"
