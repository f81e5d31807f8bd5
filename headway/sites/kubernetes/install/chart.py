"""A Helm chart of an install, made from the same objects: `deploy/chart` is what this writes, and a test compares them.

The Namespace is Helm's own to make (`--create-namespace`). The kinds stand among the templates, so that an upgrade
brings them up to date, and are kept when the release goes, so that no user's object goes with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import headway
from headway.sites.kubernetes.install.conditional import laid_over
from headway.sites.kubernetes.install.options import Installation
from headway.sites.kubernetes.install.template import Each, template_of
from headway.sites.kubernetes.install.whole import kinds, programs

__all__ = ["chart_files"]

LEDGER, TLS, SECRETS, PULL = ".Values.ledger.secret", ".Values.tls", ".Values.secrets", ".Values.pullSecret"
VOLUME = ".Values.volume"
MANY = "gt (int .Values.gateways.max) 1"
RANGE = "gt (int .Values.gateways.max) (int .Values.gateways.min)"
STANDBY = "gt (int .Values.operators) 1"
TESTS = (LEDGER, TLS, SECRETS, PULL, VOLUME, MANY, RANGE, STANDBY)
_MIN, _MAX, _OPERATORS = 811, 822, 2833
"""Numbers that stand for values until the text is written."""
_NUMBERS = {_MIN: ".Values.gateways.min", _MAX: ".Values.gateways.max", _OPERATORS: ".Values.operators"}
_ITEM = "{{ . }}"
_SERVICE: Any = "{{ .Values.service }}"
_BASE = Installation(image="{{ .Values.image }}", namespace="{{ .Release.Namespace }}", service=_SERVICE)

VALUES = """\
# All that can be chosen. `headway install` has the same choices as options.

# What all parts run; the Containerfile of Headway builds it.
image: {image}

# The gateway: how many. Where min is less than max an autoscaler keeps between them. More than one needs a ledger.
gateways:
  min: 1
  max: 1

# The operator: one leads, the others wait.
operators: 1

# Of the gateway's Service: ClusterIP, LoadBalancer or NodePort.
service: ClusterIP

# Where budgets are counted: a Secret with the address of a PostgreSQL under `key`.
ledger:
  secret: ""
  key: url

# How large a claim keeps the budgets of the one gateway that has no ledger, like 1Gi. Empty: forgotten with its pod.
volume: ""

# A Secret of type kubernetes.io/tls with the gateway's certificate.
tls: ""

# Secrets that Models with an openai source refer to.
secrets: []

# A Secret of the registry that has the image.
pullSecret: ""
"""
NOTES = """\
Headway {version} is in {{{{ .Release.Namespace }}}}. Its pods fit the strictest Pod Security level; to enforce it:

  kubectl label namespace {{{{ .Release.Namespace }}}} pod-security.kubernetes.io/enforce=restricted

Next: headway up FILE --on CONTEXT
"""


def chart_files() -> dict[str, str]:
    """Text by path below the chart's folder."""
    chart = {
        "apiVersion": "v2",
        "name": "headway",
        "description": "Serves models from the same file as on a laptop: operator, gateway, their rights.",
        "type": "application",
        "version": headway.__version__,
        "appVersion": headway.__version__,
        "kubeVersion": ">=1.30.0-0",
    }
    tree: dict[str, Any] = laid_over(TESTS, _made)
    return {
        "Chart.yaml": "".join(f"{key}: {_quoted(value)}\n" for key, value in chart.items()),
        "values.yaml": VALUES.format(image=Installation().image),
        "templates/kinds.yaml": _text(_kept(each.manifest) for each in kinds(_BASE)),
        "templates/headway.yaml": _text(tree.values()),
        "templates/NOTES.txt": NOTES.format(version=headway.__version__),
    }


def _made(holding: frozenset[str]) -> dict[str, Any]:
    """By kind and name, the objects of the install in which these tests hold."""
    most = _MAX if MANY in holding else 1
    least = _MIN if {MANY, RANGE} <= holding else most
    asked = replace(
        _BASE,
        operators=_OPERATORS if STANDBY in holding else 1,
        gateways=(least, most),
        ledger="secret:{{ .Values.ledger.secret }}/{{ .Values.ledger.key }}" if LEDGER in holding else "",
        tls="{{ .Values.tls }}" if TLS in holding else "",
        pull_secret="{{ .Values.pullSecret }}" if PULL in holding else "",
        secrets=(_ITEM,) if SECRETS in holding else (),
        volume="{{ .Values.volume }}" if VOLUME in holding else "",
    )
    found = [each.manifest for each in programs(asked) if each.manifest["kind"] != "Namespace"]
    return {f"{each['kind']} {each['metadata']['name']}": _looped(each) for each in found}


def _looped(manifest: Any) -> Any:
    """The smallest entries that name one of several Secrets become a loop."""
    if isinstance(manifest, dict):
        return {key: _looped(value) for key, value in manifest.items()}
    if not isinstance(manifest, list):
        return manifest
    found = [_looped(each) for each in manifest]
    return [Each(SECRETS, [each]) if _ITEM in repr(each) and "Each(" not in repr(each) else each for each in found]


def _kept(crd: dict[str, Any]) -> dict[str, Any]:
    annotations = {"helm.sh/resource-policy": "keep"}
    return {**crd, "metadata": {**crd["metadata"], "annotations": annotations}}


def _text(objects: Iterable[Any]) -> str:
    text = template_of(objects)
    for number, value in _NUMBERS.items():
        text = re.sub(rf"\b{number}\b", f"{{{{ {value} }}}}", text)
    return text


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[a-z][a-z0-9]*", value) else f'"{value}"'
