"""`headway export` and `headway import` as a person and a program run them."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.support.running import Headway

ROOT = Path(__file__).parents[2]
FILE = str(ROOT / "examples/production.yaml")
DEPLOYMENT = str(ROOT / "tests/manifests/by_hand/08-vllm.yaml")


def test_what_is_printed_is_yaml_that_says_what_it_is(headway: Headway) -> None:
    done = headway.run("export", FILE, "-n", "ml")
    assert done.returncode == 0, done.stderr
    head = done.stdout.splitlines()
    assert head[0].startswith("# headway ")
    assert "# Must be there already: Secret hf, PriorityClass production, StorageClass shared." in head
    assert any("Route assistant, Tenant research" in line for line in head[:6])
    kinds = {each["kind"] for each in yaml.safe_load_all(done.stdout)}
    assert {"Deployment", "Service", "HorizontalPodAutoscaler", "PersistentVolumeClaim"} <= kinds
    bare = headway.run("export", FILE, "-n", "ml", "--bare").stdout
    assert "#" not in bare
    assert list(yaml.safe_load_all(bare)) == list(yaml.safe_load_all(done.stdout))
    listed = json.loads(headway.run("export", FILE, "-n", "ml", "--json").stdout)
    assert listed["items"] == list(yaml.safe_load_all(bare))


def test_a_folder_gets_a_file_for_each_object(headway: Headway, tmp_path: Path) -> None:
    done = headway.run("export", FILE, "--as", "headway", "-n", "ml", "-o", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert {each.name for each in tmp_path.glob("*.yaml")} == {
        "headway-tenant-research.yaml", "ml-model-chat.yaml", "ml-model-embed.yaml", "ml-route-assistant.yaml",
    }  # fmt: skip
    again = headway.run("export", str(tmp_path / "ml-model-chat.yaml"), "--as", "headway", "--bare", "-n", "ml")
    assert again.stdout == (tmp_path / "ml-model-chat.yaml").read_text()


def test_what_there_is_and_what_is_wrong(headway: Headway) -> None:
    told = headway.run("export", "--list").stdout
    assert "keda-external" in told
    assert "priority-expander" in told
    wrong = headway.run("export", FILE, "--as", "helm-chart")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: --as: found 'helm-chart'; ")
    assert headway.run("export", FILE, "--on", "nowhere").returncode in (2, 3)


def test_import_writes_a_file_that_exports(headway: Headway, tmp_path: Path) -> None:
    made = tmp_path / "llama.yaml"
    done = headway.run("import", DEPLOYMENT, "-o", str(made))
    assert done.returncode == 0, done.stderr
    assert "# LOOK AT: --trust-remote-code" in made.read_text()
    exported = headway.run("export", str(made), "--bare")
    workload = next(each for each in yaml.safe_load_all(exported.stdout) if each["kind"] == "Deployment")
    assert workload["spec"]["template"]["spec"]["containers"][0]["image"] == "vllm/vllm-openai:v0.10.2"
    rows = json.loads(headway.run("import", DEPLOYMENT, "--json").stdout)
    assert rows[0]["model"]["source"] == "hf://meta-llama/Llama-3.1-8B-Instruct"
    wrong = headway.run("import", str(ROOT / "tests/manifests/by_hand/19-pdb.yaml"))
    assert wrong.returncode == 2
    assert "no Deployment or StatefulSet" in wrong.stderr
