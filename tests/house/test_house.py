"""The house is the one that is drawn, and what exists is documented."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from headway import errors
from headway.cli.reference import render as render_cli
from headway.gateway.counts import Counts
from headway.gateway.hub.metrics import scrape
from headway.policy.decision import Reason
from headway.spec.reference import render as render_spec

ROOT = Path(__file__).parents[2]


def test_the_drawn_layers_are_the_checked_ones() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    checked = next(each["layers"] for each in contracts if each["type"] == "layers")
    drawing = (ROOT / "CONTRIBUTING.md").read_text().split("test_house.py -->")[1].split("```")[1]
    drawn = [re.split(r"\s{2,}", line)[0] for line in drawing.strip().splitlines()]
    assert drawn == checked


def test_every_folder_is_a_floor() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    named = {name.strip() for layer in layers for name in layer.split("|")}
    folders = {f"headway.{path.parent.name}" for path in (ROOT / "headway").glob("*/__init__.py")}
    assert folders <= named


def test_every_error_code_is_documented_with_its_exit_status() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\d) \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    kinds = [getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    assert told == {kind.code: str(kind.exit_code) for kind in kinds}


def test_every_reason_is_documented() -> None:
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/reasons.md").read_text(), re.MULTILINE)
    assert told == [reason.value for reason in Reason]


def test_every_api_error_code_is_documented() -> None:
    files = [*(ROOT / "headway/gateway").rglob("*.py"), *(ROOT / "headway/wire").rglob("*.py")]
    source = "\n".join(path.read_text() for path in files)
    codes = set(re.findall(r'Refusal\(\s*\d{3},\s*"(\w+)"', source))
    admission = (ROOT / "headway/policy/admission.py").read_text()
    codes |= set(re.findall(r', (?:401|403|429), "(\w+)"', admission))
    told = set(re.findall(r"^\| `(\w+)` \| \d{3}", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    assert len(codes) > 15
    assert codes <= told


def test_every_metric_is_documented() -> None:
    names = set(re.findall(r"^# TYPE (headway_\w+?)(?:_total)? ", scrape(Counts(), 1).decode(), re.MULTILINE))
    told = set(re.findall(r"^\| `(headway_\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    assert names == told


def test_the_generated_pages_are_fresh() -> None:
    assert (ROOT / "docs/reference.md").read_text() == render_spec(), "run: make docs"
    assert (ROOT / "docs/cli.md").read_text() == render_cli(), "run: make docs"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
