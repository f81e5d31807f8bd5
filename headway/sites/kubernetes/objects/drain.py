"""The hook that lets a Replica end its answers: it looks at the engine's own count of running requests until that is 0.

Kubernetes calls it before SIGTERM, when the pod's EndpointSlice already says `terminating`; gateways then send nothing
new, after a moment for the news to reach them. `terminationGracePeriodSeconds` bounds it: the hook's time counts. Where
a Replica is several pods, all of them wait for what the first one still answers.
"""

from __future__ import annotations

from headway.engines.container import Container

__all__ = ["NEWS", "hook"]

NEWS = 5
"""Seconds for a gateway's watch to hear that the pod leaves."""

_PYTHON = (
    "import os,time,urllib.request as u\n"
    "time.sleep({news})\n"
    "e=os.environ\n"
    "host=e.get('HEADWAY_LEADER') or e.get('LWS_LEADER_ADDRESS') or '127.0.0.1'\n"
    "def busy():\n"
    " try:\n"
    "  t=u.urlopen(f'http://{{host}}:{port}{path}',timeout=5).read().decode()\n"
    " except OSError:\n"
    "  return False\n"
    " return sum(float(l.rsplit(' ',1)[1]) for l in t.splitlines() if l.startswith(('{series} ','{series}{{')))>0\n"
    "while busy():\n"
    " time.sleep(1)\n"
)
_CURL = (
    "sleep {news}; while curl -fsS -m 5 http://127.0.0.1:{port}{path} | "
    "grep -Eq '^{series}(\\{{[^}}]*\\}})? [0-9.]*[1-9]'; do sleep 1; done"
)


def hook(container: Container) -> list[str]:
    """The command of the preStop hook; empty where the engine tells nothing of what runs."""
    if not container.busy or container.metrics_path is None:
        return []
    said = {"news": NEWS, "port": container.port, "path": container.metrics_path, "series": container.busy}
    if container.looks == "curl":
        return ["sh", "-c", _CURL.format(**said)]
    return ["python3", "-c", _PYTHON.format(**said)]
