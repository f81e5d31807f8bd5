"""Where callers reach a cluster's gateway from outside, by what the cluster says of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headway.wire.kube.manifest import Manifest

__all__ = ["GATEWAY", "address_of", "inside"]

GATEWAY = "headway-gateway"
"""Its Service, in the system namespace."""


def address_of(service: Manifest | None, ingresses: Iterable[Manifest] = ()) -> str:
    """Base URL without `/v1`: of an Ingress that leads to it, else of its load balancer; empty: only from inside."""
    for each in ingresses:
        if host := _ingress_host(each):
            return f"{'https' if each['spec'].get('tls') else 'http'}://{host}"
    for each in ((service or {}).get("status", {}).get("loadBalancer") or {}).get("ingress") or ():
        host = each.get("hostname") or each.get("ip") or ""
        if host:
            return _url(_bracketed(host), _ports(service))
    return ""


def inside(namespace: str) -> str:
    """As pods of the cluster call it."""
    return f"http://{GATEWAY}.{namespace}.svc"


def _ingress_host(ingress: Manifest) -> str:
    spec = ingress["spec"]
    rules = spec.get("rules") or ()
    leads = any(_leads(path) for rule in rules for path in (rule.get("http") or {}).get("paths") or ())
    if not leads and not _leads({"backend": spec.get("defaultBackend")}):
        return ""
    named: str = next((rule["host"] for rule in rules if rule.get("host") and "*" not in rule["host"]), "")
    where = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return named or next((each.get("hostname") or _bracketed(each.get("ip", "")) for each in where), "")


def _leads(path: dict[str, Any]) -> bool:
    backend = (path.get("backend") or {}).get("service") or {}
    return bool(backend.get("name") == GATEWAY)


def _ports(service: Manifest | None) -> list[dict[str, Any]]:
    return ((service or {}).get("spec") or {}).get("ports") or []


def _url(host: str, ports: list[dict[str, Any]]) -> str:
    secure = next((each["port"] for each in ports if each.get("name") == "https"), 0)
    if secure:
        return f"https://{host}" + ("" if secure == 443 else f":{secure}")
    plain = next((each["port"] for each in ports if each.get("name") == "http"), 80)
    return f"http://{host}" + ("" if plain == 80 else f":{plain}")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
