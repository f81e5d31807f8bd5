"""A Workload in a file that `headway up` reads: it is not served, and the line says what is to be done with it."""

from __future__ import annotations

import pytest

from headway.cli.unserved import to_serve
from headway.errors import SpecError
from headway.spec.load import load_places
from tests.support.running import Headway

WORKLOAD = "kind: Workload\nname: evening\narrivals: {rate: 1/s}\nprompt: 5\noutput: 5\n"
MODEL = "---\nkind: Model\nname: chat\nsource: builtin://mock\nengine: mock\ntask: chat\n"
LINE = "evening is a Workload, which is not served; headway bench --workload f.yaml sends it"


def test_the_rest_is_served_and_a_line_tells_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    objects, places = load_places(WORKLOAD + MODEL, "f.yaml", "/")
    assert [each.name for each in to_serve(objects, places)] == ["chat"]
    assert capsys.readouterr().err == LINE + "\n"


def test_nothing_else_to_serve_is_an_error() -> None:
    objects, places = load_places(WORKLOAD, "f.yaml", "/")
    with pytest.raises(SpecError) as found:
        to_serve(objects, places)
    assert str(found.value) == f"f.yaml:2: {LINE}; write a kind: Model for headway up"


def test_up_starts_nothing_for_it(headway: Headway) -> None:
    path = headway.model_file("load.yaml", WORKLOAD)
    done = headway.up(path)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {path}:2: evening is a Workload, which is not served; "
        f"headway bench --workload {path} sends it; write a kind: Model for headway up\n"
    )
    assert headway.processes() == []


def test_up_serves_the_model_beside_it(headway: Headway) -> None:
    done = headway.up(headway.model_file("both.yaml", WORKLOAD + MODEL))
    assert done.returncode == 0, done.stderr
    assert "evening is a Workload, which is not served; headway bench --workload " in done.stderr
    assert "chat" in headway.run("ls").stdout
    assert "evening" not in headway.run("ls").stdout


def test_a_site_is_read_by_plan(capsys: pytest.CaptureFixture[str]) -> None:
    objects, places = load_places("kind: Site\nname: dc\ninventory: []\n" + MODEL, "f.yaml", "/")
    assert [each.name for each in to_serve(objects, places)] == ["chat"]
    assert capsys.readouterr().err == "dc is a Site, which is not served; headway plan f.yaml --on dc reads it\n"
