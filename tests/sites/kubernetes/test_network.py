"""Which flows a Model's NetworkPolicy opens for its weights."""

from __future__ import annotations

import pytest

from headway.sites.kubernetes.objects import fetch
from headway.sites.kubernetes.objects.network import model_policies


@pytest.mark.parametrize(
    ("env", "ports"),
    [
        ({}, (443,)),
        ({"AWS_ENDPOINT": "http://minio.store:9000"}, (443, 9000)),
        ({"HF_ENDPOINT": "http://mirror"}, (80, 443)),
        ({"HTTPS_PROXY": "http://proxy:3128", "AWS_REGION": "eu"}, (443, 3128)),
        ({"AWS_ENDPOINT": "secret:store/url", "HF_HOME": "/weights", "ELSE": "http://x:1"}, (443,)),
        ({"AWS_ENDPOINT": "http://minio:port"}, (443,)),
    ],
)
def test_weights_come_by_the_ports_that_the_environment_names(env: dict[str, str], ports: tuple[int, ...]) -> None:
    assert fetch.ports(env) == ports


def test_a_store_on_another_port_is_reached() -> None:
    (made,) = model_policies("chat", "team", ports=(443, 9000))
    assert made.manifest["spec"]["egress"][-1]["ports"] == [
        {"protocol": "TCP", "port": 443},
        {"protocol": "TCP", "port": 9000},
    ]
