"""The peers' configurations: read by the real program where it is installed, and free of the known traps."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.gateway import configs
from benchmarks.gateway.environments import MALICIOUS, Missing, virtual_environment
from benchmarks.gateway.headway_side import KEY, bare, everything
from benchmarks.gateway.launch import Place
from benchmarks.gateway.peers import LITELLM
from headway.gateway.table import read_table, write_table

ENDPOINTS = [9101, 9102]
PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


def test_nginx_keeps_bodies_in_memory_and_takes_its_configuration(tmp_path: Path) -> None:
    text = configs.nginx(tmp_path, 8080, ENDPOINTS)
    assert "client_body_buffer_size 2m;" in text
    assert text.count("server 127.0.0.1:91") == 2
    if not (program := shutil.which("nginx", path=PATH)):
        pytest.skip("nginx is not installed")
    (tmp_path / "nginx.conf").write_text(text)
    command = [program, "-t", "-p", str(tmp_path), "-e", str(tmp_path / "log"), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


def test_haproxy_does_not_wait_for_more_and_takes_its_configuration(tmp_path: Path) -> None:
    text = configs.haproxy(8080, ENDPOINTS)
    assert "option http-no-delay" in text
    if not (program := shutil.which("haproxy", path=PATH)):
        pytest.skip("haproxy is not installed")
    (tmp_path / "haproxy.cfg").write_text(text)
    command = [program, "-c", "-f", str(tmp_path / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


def test_envoy_and_litellm_get_every_endpoint() -> None:
    envoy = json.loads(configs.envoy(8080, ENDPOINTS))
    (cluster,) = envoy["static_resources"]["clusters"]
    (group,) = cluster["load_assignment"]["endpoints"]
    assert [each["endpoint"]["address"]["socket_address"]["port_value"] for each in group["lb_endpoints"]] == ENDPOINTS
    litellm = json.loads(configs.litellm(ENDPOINTS, "sk-x"))
    assert [each["litellm_params"]["api_base"][-7:] for each in litellm["model_list"]] == ["9101/v1", "9102/v1"]


def test_headway_gets_a_table_that_it_can_read(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path, 8080, 8081, tuple(ENDPOINTS))
    for table in (bare(place), everything(place)):
        write_table(tmp_path / "table.json", table)
        (model,) = read_table(tmp_path / "table.json").models
        assert [endpoint.url for endpoint in model.endpoints] == place.urls
    (tenant,) = table.tenants
    assert None not in (tenant.rpm, tenant.tpm, tenant.parallel, tenant.day_tokens, tenant.month_micros), "all is on"
    assert model.price
    assert model.capacity
    assert table.keys[0].sha256 == hashlib.sha256(KEY.encode()).hexdigest()


def test_uploads_with_malware_are_never_installed(tmp_path: Path) -> None:
    assert LITELLM not in MALICIOUS["litellm"]
    for version in MALICIOUS["litellm"]:
        with pytest.raises(Missing, match="malware"):
            virtual_environment(tmp_path, "litellm", version)
    assert not any(tmp_path.iterdir())
