"""Where callers reach a gateway, by its Service and its Ingresses."""

from __future__ import annotations

from typing import Any

import pytest

from headway.sites.kubernetes.gateway_address import address_of


def service(*where: dict[str, Any], ports: dict[str, int] | None = None) -> dict[str, Any]:
    named = [{"name": name, "port": port} for name, port in (ports or {"http": 80}).items()]
    return {"spec": {"ports": named}, "status": {"loadBalancer": {"ingress": list(where)}}}


def ingress(to: str = "headway-gateway", host: str = "models.acme.dev", tls: bool = False, ip: str = "") -> Any:
    path = {"backend": {"service": {"name": to}}}
    rule = {"http": {"paths": [path]}} | ({"host": host} if host else {})
    status = {"loadBalancer": {"ingress": [{"ip": ip}] if ip else []}}
    return {"spec": {"rules": [rule]} | ({"tls": [{}]} if tls else {}), "status": status}


@pytest.mark.parametrize(
    ("there", "ingresses", "address"),
    [
        (None, [], ""),
        (service(), [], ""),
        (service({"ip": "34.1.2.3"}), [], "http://34.1.2.3"),
        (service({"hostname": "a.elb.aws"}, ports={"http": 8080}), [], "http://a.elb.aws:8080"),
        (service({"ip": "fd00::1"}), [], "http://[fd00::1]"),
        (service({"ip": "34.1.2.3"}, ports={"http": 80, "https": 443}), [], "https://34.1.2.3"),
        (service({"ip": "34.1.2.3"}), [ingress()], "http://models.acme.dev"),
        (service(), [ingress(tls=True)], "https://models.acme.dev"),
        (service(), [ingress(to="other")], ""),
        (service(), [ingress(host="*.acme.dev", ip="10.0.0.1")], "http://10.0.0.1"),
        (service(), [ingress(host="")], ""),
    ],
)
def test_the_address_from_outside(there: Any, ingresses: list[Any], address: str) -> None:
    assert address_of(there, ingresses) == address
