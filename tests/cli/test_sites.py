"""`headway site` and `--on`: names become places. Nothing here asks a cluster; tests/cluster does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headway.cli.cluster_explain import value_at
from headway.cli.cluster_up import as_there
from headway.cli.known_sites import KnownSites
from headway.cli.main import app
from headway.cli.on import Place, complete_site, place
from headway.errors import HeadwayError, SpecError, UsageError
from headway.spec.check import from_json, site_from_json, tenant_from_json

Call = Callable[..., str]
CONFIG = """
apiVersion: v1
kind: Config
current-context: kind-kind
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts:
- {name: kind-kind, context: {cluster: c, user: u}}
- {name: gke_acme_europe-west4_prod, context: {cluster: c, user: u, namespace: models}}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(CONFIG)
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("HEADWAY_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def call() -> Call:
    def run(*args: str) -> str:
        done = CliRunner().invoke(app, list(args))
        if done.exception and isinstance(done.exception, HeadwayError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    return run


def test_without_a_word_it_is_this_machine() -> None:
    assert place(None) == Place("local")
    assert place("local").is_local
    assert place("local").flag == ""


def test_a_site_is_added_listed_used_and_forgotten(call: Call) -> None:
    call("site", "add", "prod", "--context", "gke_acme_europe-west4_prod", "--namespace", "team-a", "--unseen")
    assert place("prod") == Place("prod", "gke_acme_europe-west4_prod", "team-a")
    assert place("prod").flag == " --on prod"
    listed = json.loads(call("site", "ls", "--json"))
    assert listed == [
        {"kind": "Site", "name": "local", "used": True},
        {
            "kind": "Site",
            "name": "prod",
            "context": "gke_acme_europe-west4_prod",
            "namespace": "team-a",
            "used": False,
        },
    ]
    assert complete_site("pr") == ["prod"]
    assert call("site", "use", "prod") == "prod is used where --on is left out\n"
    assert place(None).name == "prod"
    assert place("prod").flag == ""
    assert place("local").flag == " --on local"
    table = call("site", "ls").splitlines()
    assert table[2].split()[:2] == ["*", "prod"]
    assert call("site", "rm", "prod") == "prod  forgotten; local is used now\n"
    assert place(None).is_local


def test_the_context_of_that_name_is_the_default_else_the_current_one(call: Call) -> None:
    call("site", "add", "kind-kind", "--unseen")
    call("site", "add", "dev", "--unseen")
    assert {place(name).context for name in ("kind-kind", "dev")} == {"kind-kind"}


def test_a_context_of_the_kubeconfig_is_a_place_by_itself() -> None:
    found = place("gke_acme_europe-west4_prod")
    assert (found.context, found.namespace, found.defaults) == ("gke_acme_europe-west4_prod", "", None)


def test_a_site_of_a_file_keeps_all_that_it_says(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "kind: Site\nname: prod\ncontext: kind-kind\ndefaults: {gpu: L4, env: {A: x}}\n"
        "prices: [{gpu: L4, price: 0.3/h, spot: {price: 0.1/h, preemptions: 0.05/h}}]\n"
    )
    assert place(str(file)).name == "prod"
    call("site", "add", str(file), "--namespace", "team-b", "--unseen", "--use")
    found = KnownSites().get("prod")
    assert found is not None
    assert str(found.prices[0].price) == "0.3/h"
    assert (place(None).namespace, place(None).defaults) == ("team-b", found.defaults)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("kind-knd", "no Site 'kind-knd'; did you mean kind-kind?"),
        ("zzz", "no Site 'zzz'; there are gke_acme_europe-west4_prod, kind-kind, local; headway site add adds one"),
    ],
)
def test_a_name_that_is_nowhere(name: str, told: str) -> None:
    with pytest.raises(UsageError) as found:
        place(name)
    assert str(found.value) == told


def test_a_site_without_a_cluster_is_only_to_plan_with(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "dc.yaml"
    file.write_text("kind: Site\nname: dc\ninventory: [{gpu: H100, count: 8}]\n")
    call("site", "add", str(file))
    with pytest.raises(UsageError, match="has no cluster, only an inventory"):
        place("dc")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["add", "prod", "--context", "nope", "--unseen"], "no context 'nope' in the kubeconfig"),
        (["add", "local", "--unseen"], "local is this machine"),
        (["add", "Prod!", "--unseen"], "name: found 'Prod!'"),
        (["use", "prod"], "no Site 'prod'; there are local"),
        (["rm", "prod"], "no Site 'prod'; known: none"),
        (["show"], "this is for a cluster; name it: --on SITE"),
    ],
)
def test_wrong_use_is_told(call: Call, args: list[str], told: str) -> None:
    with pytest.raises(UsageError) as found:
        call("site", *args)
    assert told in str(found.value)


def test_a_broken_file_is_told_with_its_line(call: Call, tmp_path: Path) -> None:
    call("site", "add", "prod", "--unseen")
    kept = tmp_path / "state/sites/prod.yaml"
    kept.write_text("kind: Site\nname: prod\ncontext: kind-kind\nbanana: 1\n")
    with pytest.raises(SpecError, match=r"prod\.yaml:4:1: banana: unknown field"):
        place("prod")


def test_what_only_this_machine_has_is_refused_on_a_cluster(call: Call) -> None:
    with pytest.raises(UsageError, match="--port, --otlp is for this machine"):
        call("up", "smollm2-135m-instruct", "--on", "kind-kind", "--port", "1", "--otlp", "x")


@pytest.mark.parametrize(
    "verb", ["ls", "status chat", "logs chat", "explain chat", "chat chat hi", "down chat", "up smollm2-135m-instruct"]
)
def test_a_cluster_that_does_not_answer_is_one_line_and_exit_3(call: Call, verb: str) -> None:
    with pytest.raises(HeadwayError, match=r"the API server at https://127\.0\.0\.1:1 does not") as found:
        call(*verb.split(), "--on", "kind-kind")
    assert found.value.exit_code == 3


@pytest.mark.parametrize(
    ("pointer", "told"),
    [
        ("/spec/list/0/image", " = vllm:1"),
        ("/spec/limits/nvidia.com~1gpu", " = 1"),
        ("/spec/flag", " = true"),
        ("/spec/limits", ' = {"nvidia.com/gpu": 1}'),
        ("/spec/long", ""),
        ("/spec/list/7", ""),
        ("/spec/flag/below", ""),
        ("/spec/gone", ""),
    ],
)
def test_a_derived_value_stands_beside_its_reason(pointer: str, told: str) -> None:
    spec = {"list": [{"image": "vllm:1"}], "limits": {"nvidia.com/gpu": 1}, "flag": True, "long": "x" * 81}
    assert value_at({"spec": spec}, pointer) == told


def test_a_site_in_use_costs_nobody_a_cluster(call: Call) -> None:
    call("site", "add", "prod", "--unseen", "--use")
    with pytest.raises(UsageError, match="all Models of prod would end; say it: headway down --on prod"):
        call("down")


MODEL = {"name": "chat", "source": "hf://org/name", "env": {"A": "own"}, "args": {"x": 1}}
DEFAULTS = {"gpu": "L4", "replicas": 3, "env": {"A": "site", "B": "site"}, "args": {"y": 2}}
SITE = site_from_json({"name": "prod", "context": "kind-kind", "defaults": DEFAULTS})
PROD = Place("prod", "kind-kind", "", SITE.defaults)


def test_defaults_of_a_site_stand_under_what_a_model_says() -> None:
    there = as_there(from_json(MODEL | {"replicas": 1}), PROD, "team-a")
    assert there["metadata"] == {"name": "chat", "namespace": "team-a"}
    assert there["spec"] == {
        "source": "hf://org/name",
        "replicas": 1,
        "gpu": "L4",
        "env": {"A": "own", "B": "site"},
        "args": {"x": 1, "y": 2},
    }


def test_a_profile_of_the_sites_own_name_is_laid_over_here_and_one_of_its_kind_there() -> None:
    both = {"prod": {"gpu": "H100"}, "kubernetes": {"gpu": "T4"}}
    there = as_there(from_json(MODEL | {"profiles": both}), Place("prod", "kind-kind"), "team-a")["spec"]
    assert there["gpu"] == "H100"
    assert there["profiles"] == {}, "else the operator would lay the other one over it"
    kind = as_there(from_json(MODEL | {"profiles": {"kubernetes": {"gpu": "T4"}}}), Place("prod", "k"), "team-a")[
        "spec"
    ]
    assert "gpu" not in kind
    assert kind["profiles"] == {"kubernetes": {"gpu": "T4"}}


def test_a_model_that_says_nothing_more_sends_nothing_more() -> None:
    assert as_there(from_json(MODEL), Place("prod", "k"), "n")["spec"].keys() == {"source", "env", "args"}


def test_tenants_live_in_the_system_namespace() -> None:
    there = as_there(tenant_from_json({"name": "acme"}), PROD, "team-a")
    assert (there["kind"], there["metadata"]["namespace"]) == ("Tenant", "headway")
