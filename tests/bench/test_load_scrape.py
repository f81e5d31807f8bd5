"""The server's counters as they are read, and how many processes a load is given."""

from __future__ import annotations

import os

import pytest

from headway.bench.schedule import traffic_of
from headway.bench.scrape import counters
from headway.bench.share import workers_for
from headway.spec.check import workload_from_json

TEXT = """
# HELP vllm:num_requests_running running
vllm:num_requests_running{model_name="chat",engine="0"} 3
vllm:num_requests_running{model_name="chat",engine="1"} 4
vllm:num_requests_running{model_name="other",engine="0"} 50
vllm:generation_tokens_total{model_name="chat"} 100
vllm:time_to_first_token_seconds_bucket{le="0.1",model_name="chat"} 5
llamacpp:requests_processing 2
unknown_total 9
headway_gateway_tokens_total{model="chat",operation="chat",type="input"} 10
headway_gateway_tokens_total{model="chat",operation="completion",type="input"} 1
headway_gateway_tokens_total{model="chat",operation="chat",type="output"} 7
headway_gateway_requests_running NaN
"""


def test_the_models_own_series_are_added_up() -> None:
    assert counters(TEXT, {"chat"}) == {
        "vllm:num_requests_running": 7.0,
        "vllm:generation_tokens_total": 100.0,
        "llamacpp:requests_processing": 2.0,
        "headway_gateway_tokens_total{type=input}": 11.0,
        "headway_gateway_tokens_total{type=output}": 7.0,
    }


def test_a_model_that_the_server_calls_something_else_is_everything_there_is() -> None:
    assert counters(TEXT, {"alias"})["vllm:num_requests_running"] == 57.0
    assert counters("<html>", {"chat"}) == {}


@pytest.mark.parametrize(("rate", "least", "most"), [("1/s", 1, 1), ("20000/s", 2, 10_000)])
def test_a_heavier_load_has_more_processes(monkeypatch: pytest.MonkeyPatch, rate: str, least: int, most: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    fields = {"name": "t", "model": "m", "prompt": 10, "output": 100, "arrivals": {"rate": rate}, "for": "10s"}
    assert least <= workers_for(traffic_of(workload_from_json(fields), None, None)) <= min(most, 63)
