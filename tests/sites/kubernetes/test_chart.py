"""The Helm chart: what lies in deploy/chart is what is generated, and renders to what `headway install` applies."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from headway.sites.kubernetes.install.chart import chart_files
from headway.sites.kubernetes.install.conditional import Choice, laid_over
from headway.sites.kubernetes.install.options import Installation
from headway.sites.kubernetes.install.whole import install
from tests.support.helm import render

CHART = Path(__file__).parents[3] / "deploy" / "chart"
CASES: list[tuple[dict[str, Any], Installation]] = [
    ({}, Installation()),
    ({"image": "r/h:1", "operators": 3}, Installation(image="r/h:1", operators=3)),
    ({"volume": "1Gi"}, Installation(volume="1Gi")),
    ({"gateways": {"min": 3, "max": 3}}, Installation(gateways=(3, 3))),
    (
        {
            "gateways": {"min": 2, "max": 10},
            "ledger": {"secret": "pg", "key": "uri"},
            "tls": "cert",
            "secrets": ["openai", "groq"],
            "pullSecret": "reg",
            "service": "LoadBalancer",
        },
        Installation(
            gateways=(2, 10),
            ledger="secret:pg/uri",
            tls="cert",
            secrets=("openai", "groq"),
            pull_secret="reg",
            service="LoadBalancer",
        ),
    ),
]


@cache
def _files() -> dict[str, str]:
    return chart_files()


def _ours(values: dict[str, Any], namespace: str) -> list[Any]:
    files = _files()
    given = yaml.safe_load(files["values.yaml"]) | values
    texts = [files["templates/kinds.yaml"], files["templates/headway.yaml"]]
    return [each for text in texts for each in yaml.safe_load_all(render(text, given, namespace)) if each]


def _helms(values: dict[str, Any], namespace: str, folder: Path) -> list[Any]:
    given = folder / "values.yaml"
    given.write_text(yaml.safe_dump(values))
    command = ["helm", "template", "headway", str(CHART), "--namespace", namespace, "--values", str(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _sorted(objects: list[Any]) -> list[Any]:
    for each in objects:
        each["metadata"].pop("annotations", None)  # that Helm keeps the kinds
    return sorted(objects, key=lambda each: (each["kind"], each["metadata"]["name"]))


def _wanted(of: Installation) -> list[Any]:
    return _sorted([each.manifest for each in install(of) if each.manifest["kind"] != "Namespace"])


def test_the_chart_that_lies_there_is_the_generated_one() -> None:
    there = {str(path.relative_to(CHART)): path.read_text() for path in CHART.rglob("*") if path.is_file()}
    assert there == _files(), "run: make docs"


@pytest.mark.parametrize(("values", "of"), CASES)
def test_the_chart_renders_to_what_install_applies(values: dict[str, Any], of: Installation) -> None:
    assert _sorted(_ours(values, of.namespace)) == _wanted(of)


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on PATH")
@pytest.mark.parametrize(("values", "of"), CASES)
def test_a_real_helm_renders_the_same(values: dict[str, Any], of: Installation, tmp_path: Path) -> None:
    assert _sorted(_helms(values, of.namespace, tmp_path)) == _wanted(of)


def test_kinds_outlive_the_release() -> None:
    kinds = [each for each in _ours({}, "x") if each["kind"] == "CustomResourceDefinition"]
    assert kinds
    assert all(each["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for each in kinds)


def test_what_differs_becomes_a_choice_at_the_smallest_place() -> None:
    def made(holding: frozenset[str]) -> dict[str, Any]:
        return {"args": ["a", *(["--tls"] if "tls" in holding else [])], "port": 443 if "tls" in holding else 80}

    found = laid_over(["tls", "other"], made)
    assert found == {"args": ["a", Choice("tls", ["--tls"], [])], "port": Choice("tls", 443, 80)}
