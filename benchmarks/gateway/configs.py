"""The peers' configuration files: one worker, logs off, connections kept, and none of their known traps.

- nginx writes a body of more than 16 KiB to disk by default (client_body_buffer_size) and closes a client's connection
  after 1,000 requests (keepalive_requests); it keeps no connection to a backend unless told so.
- HAProxy waits for more to send unless `option http-no-delay` is set, which delays first tokens.
- Envoy refuses more than 1,024 requests at once to a cluster and ends a response after 15 s by default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["envoy", "haproxy", "litellm", "nginx"]


def nginx(folder: Path, port: int, endpoints: Sequence[int]) -> str:
    user = "user root;" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "\n".join(f"  {kind}_temp_path {folder}/{kind};" for kind in kinds)
    servers = "\n".join(f"    server 127.0.0.1:{each};" for each in endpoints)
    return f"""daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
{scratch}
  client_body_buffer_size 2m;
  client_max_body_size 64m;
  keepalive_requests 1000000000;
  upstream engines {{
    least_conn;
{servers}
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://engines;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


def haproxy(port: int, endpoints: Sequence[int]) -> str:
    servers = "\n".join(f"  server e{n} 127.0.0.1:{each}" for n, each in enumerate(endpoints))
    return f"""global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option http-no-delay
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend callers
  bind 127.0.0.1:{port} backlog 4096
  default_backend engines
backend engines
  balance leastconn
{servers}
"""


def envoy(port: int, endpoints: Sequence[int]) -> str:
    """As JSON, which Envoy reads as YAML."""
    filters = "type.googleapis.com/envoy.extensions.filters"
    router = {"@type": f"{filters}.http.router.v3.Router"}
    manager = {
        "@type": f"{filters}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "engines", "timeout": "0s"}}],
                }
            ]
        },
    }
    many = {"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000}
    cluster = {
        "name": "engines",
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [many]},
        "load_assignment": {
            "cluster_name": "engines",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(each)}} for each in endpoints]}],
        },
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": "callers", "address": _address(port), "filter_chains": [chain]}
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}})


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def litellm(endpoints: Sequence[int], key: str) -> str:
    """As JSON, which is YAML: one deployment for each endpoint, a master key, no database."""
    deployments = [
        {
            "model_name": "bench",
            "litellm_params": {"model": "openai/bench", "api_base": f"http://127.0.0.1:{each}/v1", "api_key": "none"},
        }
        for each in endpoints
    ]
    return json.dumps({"model_list": deployments, "general_settings": {"master_key": key}})
