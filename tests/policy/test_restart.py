"""The restart policy: when again, and what is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.decision import Reason
from headway.policy.restart import (
    Cause,
    Death,
    History,
    RestartSettings,
    Verdict,
    after,
    delay_of,
    is_port_taken,
    telling_lines,
)

SETTINGS = RestartSettings()
AT_START = Death(Cause.EXITED, status=1)


def again(deaths: list[Death], lines: list[str] | None = None, history: History | None = None) -> Verdict:
    history = history or History()
    for death in deaths:
        verdict = after("chat-0", history, death, lines or [], SETTINGS)
        history = verdict.history
    return verdict


@pytest.mark.parametrize("status", [-9, -15, -2, -1, 137, 143, 130])
def test_a_signal_from_outside_is_at_once_and_lengthens_nothing(status: int) -> None:
    killed = Death(Cause.EXITED, ready_seconds=5, status=status)
    verdict = again([AT_START, *[killed] * 20])
    assert (verdict.delay, verdict.decision.reason) == (0.0, Reason.KILLED_FROM_OUTSIDE)
    assert again([AT_START, *[killed] * 20, AT_START]).delay == again([AT_START, AT_START]).delay


@pytest.mark.parametrize("status", [-11, -6, -4, -8, 1, 70, 139, 134])
def test_the_engines_own_faults_are_waited_for(status: int) -> None:
    verdict = again([Death(Cause.EXITED, ready_seconds=5, status=status)])
    assert (verdict.delay, verdict.decision.reason) == (0.5, Reason.ENGINE_EXITED)
    assert verdict.decision.numbers["status"] == status


@pytest.mark.parametrize("status", [None, 0])
def test_an_end_of_which_nobody_knows_counts_as_outside_if_it_had_been_ready(status: int | None) -> None:
    assert again([Death(Cause.EXITED, ready_seconds=5, status=status)]).delay == 0.0
    assert again([Death(Cause.EXITED, status=status)]).delay == 0.5


def test_kills_before_it_was_ready_have_a_budget() -> None:
    killed = Death(Cause.EXITED, status=-9)
    assert [again([killed] * n).delay for n in range(1, 8)] == [0, 0, 0, 0.5, 1.0, 30, 30]
    assert again([killed] * 3 + [Death(Cause.EXITED, ready_seconds=1, status=-9), killed]).delay == 0


def test_a_crash_loop_is_named_with_the_telling_line_and_retried_at_the_cap() -> None:
    lines = ["loading", "error: weights are missing", "exiting"]
    verdicts = [again([AT_START] * n, lines) for n in (1, 2, 3, 4)]
    assert [each.delay for each in verdicts] == [0.5, 1.0, 30, 30]
    assert [each.decision.reason for each in verdicts] == [Reason.ENGINE_EXITED] * 2 + [Reason.CRASH_LOOP] * 2
    assert verdicts[2].decision.message == ("ended 3 times in a row; exited with status 1: error: weights are missing")


def test_a_healthy_period_is_forgiveness() -> None:
    healthy = Death(Cause.EXITED, ready_seconds=61, status=1)
    short = Death(Cause.EXITED, ready_seconds=59, status=1)
    assert again([AT_START, AT_START, healthy]).delay == 0.5
    assert again([AT_START, AT_START, short]).delay == 30


def test_a_lost_port_is_another_try_within_a_budget() -> None:
    lost = Death(Cause.EXITED, status=1, port_taken=True)
    assert [again([lost] * n).delay for n in range(1, 8)] == [0, 0, 0, 0, 0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("cause", "reason", "delay"),
    [
        (Cause.START_TIMEOUT, Reason.START_TIMEOUT, 0.5),
        (Cause.NOT_ANSWERING, Reason.NOT_ANSWERING, 0.5),
        (Cause.PREPARE_FAILED, Reason.PREPARE_FAILED, 0.5),
        (Cause.IMPOSSIBLE, Reason.PREPARE_FAILED, 30.0),
    ],
)
def test_each_cause_has_its_reason_and_tells_the_detail(cause: Cause, reason: Reason, delay: float) -> None:
    verdict = again([Death(cause, "what was seen")])
    assert (verdict.decision.reason, verdict.delay) == (reason, delay)
    assert verdict.decision.message == "what was seen"


def test_telling_lines() -> None:
    llama = [
        "0.00.003.287 I srv    load_model: loading model 'bad.gguf'",
        "0.00.003.373 E gguf_init_from_reader: invalid magic characters: 'xxxx', expected 'GGUF'",
        "0.00.003.462 E llama_model_load: error loading model: failed to load model from bad.gguf",
        "0.00.003.509 I srv    operator(): operator(): cleaning up before exit...",
    ]
    assert telling_lines(llama)[0] == "gguf_init_from_reader: invalid magic characters: 'xxxx', expected 'GGUF'"
    python = [
        "INFO starting",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "ValueError: no such model",
        "During handling of the above exception, another exception occurred:",
        "RuntimeError: Engine core initialization failed",
    ]
    assert telling_lines(python)[0] == "RuntimeError: Engine core initialization failed"
    assert telling_lines(["a", "", "b"]) == ["b", "a"]
    assert telling_lines([]) == []


def test_a_taken_port_is_read_from_what_engines_say() -> None:
    assert is_port_taken(["srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1"])
    assert is_port_taken(["OSError: [Errno 98] Address already in use"])
    assert not is_port_taken(["error: no such model"])


settings = st.builds(
    RestartSettings,
    first_delay=st.floats(0.001, 10),
    factor=st.floats(1, 10),
    cap=st.floats(10, 1000),
    crash_loop_after=st.integers(1, 10),
)
deaths = st.builds(
    Death,
    cause=st.sampled_from(Cause),
    ready_seconds=st.none() | st.floats(0, 1000),
    status=st.none() | st.integers(-64, 255),
    port_taken=st.booleans(),
)


@given(settings, st.integers(1, 10_000))
def test_waits_never_shrink_and_never_pass_the_cap(chosen: RestartSettings, failures: int) -> None:
    assert 0 < delay_of(failures, chosen) <= delay_of(failures + 1, chosen) <= chosen.cap


@given(settings, st.lists(deaths, min_size=1, max_size=30))
def test_every_end_gets_an_answer_within_the_cap(chosen: RestartSettings, ends: list[Death]) -> None:
    history = History()
    for end in ends:
        verdict = after("chat-0", history, end, ["text"], chosen)
        assert 0 <= verdict.delay <= chosen.cap
        assert verdict.decision.message
        history = verdict.history
    assert history.killed_starts <= chosen.killed_starts
    assert history.port_races <= chosen.port_races
