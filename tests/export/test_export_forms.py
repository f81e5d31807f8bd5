"""The forms of `headway export`: all valid, and each true to what its system needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from headway.cli.export_file import Asked, exported
from headway.errors import SpecError, UsageError
from headway.sites.kubernetes.export.forms.knative import FEATURES
from headway.sites.kubernetes.export.registry import FORMS, PIECES
from headway.sites.kubernetes.labels import COMPONENT, MODEL, REVISION
from tests.support import schemas

Manifest = dict[str, Any]
ROOT = Path(__file__).parents[2]
EXAMPLES = ("examples/production.yaml", "examples/chat.yaml")


def export(form: str, file: str = EXAMPLES[0], *pieces: str) -> list[Manifest]:
    found = exported(Asked(str(ROOT / file), form, pieces, "local", "ml"))
    return [each.manifest for each in found.objects]


def written(folder: Path, text: str) -> str:
    path = folder / "file.yaml"
    path.write_text(text)
    return str(path)


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


@pytest.mark.parametrize("file", EXAMPLES)
@pytest.mark.parametrize("form", [each for each in FORMS if each != "knative"])
def test_every_object_of_every_form_is_valid(form: str, file: str) -> None:
    if form == "rayservice" and "chat.yaml" in file:
        with pytest.raises(UsageError, match="vLLM's models only"):
            export(form, file)
        return
    schemas.check(*export(form, file))


@pytest.mark.parametrize("piece", [each for each in PIECES if each != "time-slicing"])
def test_every_object_of_every_piece_is_valid(piece: str) -> None:
    schemas.check(*export("kubernetes", EXAMPLES[0], piece))


def test_plain_objects_keep_their_names_and_selectors_when_a_revision_changes(tmp_path: Path) -> None:
    text = "kind: Model\nname: chat\nsource: hf://Qwen/Qwen2.5-7B-Instruct\ngpu: L4\nargs: {max-model-len: %d}\n"
    before, after = (
        of_kind(export("kubernetes", written(tmp_path, text % length)), "Deployment")["chat"] for length in (4096, 8192)
    )
    assert before["spec"]["selector"] == after["spec"]["selector"]
    assert REVISION not in json.dumps(before["spec"]["selector"])
    assert (
        before["spec"]["template"]["metadata"]["labels"][REVISION]
        != (after["spec"]["template"]["metadata"]["labels"][REVISION])
    ), "its pods must roll"
    labels = before["spec"]["template"]["metadata"]["labels"]
    for each in before["spec"]["template"]["spec"]["topologySpreadConstraints"]:
        assert each["labelSelector"]["matchLabels"].items() <= labels.items()
        assert REVISION not in each["labelSelector"]["matchLabels"]


def test_replicas_are_left_to_the_scaler_where_there_is_one() -> None:
    plain = export("kubernetes")
    scalers = of_kind(plain, "HorizontalPodAutoscaler")
    for name, workload in of_kind(plain, "Deployment").items():
        assert ("replicas" in workload["spec"]) == (name not in scalers)
    assert scalers["chat-l4"]["spec"]["minReplicas"] == 2
    assert scalers["chat-l4"]["spec"]["maxReplicas"] == 8


def test_the_adapter_knows_the_metric_of_the_autoscalers() -> None:
    asked = {
        each["spec"]["metrics"][0]["pods"]["metric"]["name"]
        for each in of_kind(export("kubernetes"), "HorizontalPodAutoscaler").values()
    }
    config = of_kind(export("kubernetes", EXAMPLES[0], "metrics-adapter"), "ConfigMap")["adapter-config"]
    rules = yaml.safe_load(config["data"]["config.yaml"])["rules"]
    assert {each["name"]["as"] for each in rules} == asked
    told = exported(Asked(str(ROOT / EXAMPLES[0]), "kubernetes", (), "local", "ml")).objects
    beside = next(each.note for each in told if each.manifest["kind"] == "HorizontalPodAutoscaler")
    printed = yaml.safe_load("\n".join(line for line in beside.splitlines() if line.startswith("  ")))
    assert printed[0] in rules, "the rule that stands beside an HPA is the adapter's"


def test_zero_is_reached_only_where_somebody_holds_requests(tmp_path: Path) -> None:
    file = written(
        tmp_path, "kind: Model\nname: chat\nsource: hf://Qwen/Qwen2.5-7B-Instruct\ngpu: L4\nreplicas: 0..4\n"
    )
    assert of_kind(export("kubernetes", file), "HorizontalPodAutoscaler")["chat"]["spec"]["minReplicas"] == 1
    assert of_kind(export("keda", file), "ScaledObject")["chat"]["spec"]["minReplicaCount"] == 1
    assert of_kind(export("keda-external", file), "ScaledObject")["chat"]["spec"]["minReplicaCount"] == 0
    knative = of_kind(export("knative", file), "Service")["chat"]["spec"]["template"]["metadata"]["annotations"]
    assert knative["autoscaling.knative.dev/min-scale"] == "0"


def test_keda_scales_the_model_itself_where_the_operator_runs() -> None:
    target = of_kind(export("keda-external"), "ScaledObject")["chat"]["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"], target["name"]) == ("headway.dev/v1alpha1", "Model", "chat")


def test_a_gateway_reaches_the_picker_where_all_else_is_denied() -> None:
    found = export("gateway-api")
    pickers = {each["metadata"]["name"]: each for each in found if each["metadata"]["name"].endswith("-picker")}
    policies = [each for each in found if each["kind"] == "NetworkPolicy"]
    deployments = [each for each in found if each["kind"] == "Deployment" and each["metadata"]["name"] in pickers]
    assert [each["metadata"]["name"] for each in policies] == [each["metadata"]["name"] for each in deployments] != []
    for policy, deployment in zip(policies, deployments, strict=True):
        pods = deployment["spec"]["template"]["metadata"]["labels"]
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= pods.items()
        assert {each["port"] for rule in policy["spec"]["ingress"] for each in rule["ports"]} == {9002, 9090}


def test_a_pool_holds_the_replicas_and_not_their_picker() -> None:
    found = export("gateway-api")
    selector = of_kind(found, "InferencePool")["chat"]["spec"]["selector"]["matchLabels"]
    deployments = of_kind(found, "Deployment")
    chosen = {
        name
        for name, each in deployments.items()
        if selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
    }
    assert chosen == {"chat-l4", "chat-a100"}
    assert of_kind(found, "InferencePool")["chat"]["spec"]["endpointPickerRef"]["name"] in of_kind(found, "Service")


def test_a_route_becomes_weights_over_pools_and_a_rewrite_of_the_name(tmp_path: Path) -> None:
    models = "".join(
        f"kind: Model\nname: {name}\nsource: hf://Qwen/Qwen2.5-7B-Instruct\ngpu: L4\n---\n" for name in ("big", "small")
    )
    route = "kind: Route\nname: assistant\nto: [{model: big, weight: 90}, {model: small, weight: 10}]\n"
    found = export("gateway-api", written(tmp_path, models + route))
    rule = of_kind(found, "HTTPRoute")["assistant"]["spec"]["rules"][0]
    weights = {each["name"]: each["weight"] for each in rule["backendRefs"]}
    assert weights["big"] == 9 * weights["small"]
    rewrites = of_kind(found, "InferenceModelRewrite").values()
    assert {each["spec"]["rules"][0]["targets"][0]["modelRewrite"] for each in rewrites} == {"big", "small"}


def test_kserve_is_given_the_container_under_the_name_that_it_looks_for() -> None:
    for each in of_kind(export("kserve"), "InferenceService").values():
        assert each["spec"]["predictor"]["containers"][0]["name"] == "kserve-container"
    llm = export("kserve-llm")
    for each in of_kind(llm, "LLMInferenceService").values():
        assert each["spec"]["template"]["containers"][0]["name"] == "main"
        assert each["spec"]["storageInitializer"] == {"enabled": False}
    assert set(of_kind(llm, "InferenceService")) == {"embed"}, "what embeds stays an InferenceService"


def test_rays_configuration_is_yaml_with_the_models_own_options() -> None:
    service = of_kind(export("rayservice"), "RayService")["chat-l4"]["spec"]
    config = yaml.safe_load(service["serveConfigV2"])["applications"][0]["args"]["llm_configs"][0]
    assert config["model_loading_config"] == {"model_id": "chat", "model_source": "Qwen/Qwen2.5-7B-Instruct"}
    assert config["engine_kwargs"]["max_model_len"] == 16384
    assert len(config["engine_kwargs"]["revision"]) == 40
    worker = service["rayClusterConfig"]["workerGroupSpecs"][0]
    assert worker["rayStartParams"]["num-gpus"] == "1"
    assert worker["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_knatives_pods_have_only_what_knative_takes() -> None:
    """Its admission refuses other fields (knative.dev/serving, pkg/apis/serving/fieldmask.go)."""
    always = {"containers", "volumes", "serviceAccountName", "automountServiceAccountToken", "imagePullSecrets"}
    own = {"containerConcurrency", "timeoutSeconds"}
    for form in [each for each in export("knative") if each["apiVersion"].startswith("serving.knative.dev")]:
        spec = form["spec"]["template"]["spec"]
        assert set(spec) <= always | own | set(FEATURES)
        container = spec["containers"][0]
        assert len(spec["containers"]) == 1
        assert len(container["ports"]) == 1
        assert container["ports"][0]["name"] in ("http1", "h2c")
        assert "startupProbe" not in container
        assert "lifecycle" not in container


def test_queued_workloads_name_the_queue_of_their_namespace(tmp_path: Path) -> None:
    for each in of_kind(export("kueue"), "Deployment").values():
        assert each["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "default"
    text = (ROOT / EXAMPLES[0]).read_text()
    found = exported(Asked(written(tmp_path, text), "kueue", (), "local", "research")).objects
    queue = next(each.manifest for each in found if each.manifest["kind"] == "LocalQueue")
    for each in (found.manifest for found in found if found.manifest["kind"] == "Deployment"):
        assert each["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == queue["metadata"]["name"]


def test_groups_of_one_pod_where_a_model_fits_one_node() -> None:
    found = export("lws")
    assert not of_kind(found, "Deployment")
    for name, each in of_kind(found, "LeaderWorkerSet").items():
        assert each["spec"]["leaderWorkerTemplate"]["size"] == 1
        scaler = of_kind(found, "HorizontalPodAutoscaler").get(name)
        if scaler:
            assert scaler["spec"]["scaleTargetRef"]["kind"] == "LeaderWorkerSet"


def test_a_replica_of_several_nodes_is_a_group_or_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "kind: Model\nname: big\nsource: hf://deepseek-ai/DeepSeek-V3\ngpu: H100:16\n")
    assert of_kind(export("lws", file), "LeaderWorkerSet")["big"]["spec"]["leaderWorkerTemplate"]["size"] == 2
    plain = export("kubernetes", file)
    (name, workload), *others = of_kind(plain, "StatefulSet").items()
    assert not others
    assert workload["spec"]["serviceName"] in of_kind(plain, "Service"), "its pods find each other by it"
    assert name.startswith("big-")
    schemas.check(*plain)
    for form in ("kserve", "kserve-llm", "rayservice", "knative"):
        with pytest.raises(UsageError, match="takes 2 nodes"):
            export(form, file)


def test_weights_of_each_replicas_own_need_a_form_with_claims(tmp_path: Path) -> None:
    text = "kind: Model\nname: own\nsource: hf://Qwen/Qwen2.5-7B-Instruct\ngpu: L4\nweights: {cache: replica}\n"
    file = written(tmp_path, text)
    group = of_kind(export("lws", file), "LeaderWorkerSet")["own"]
    schemas.check(group)
    claims = {each["metadata"]["name"] for each in group["spec"]["leaderWorkerTemplate"]["volumeClaimTemplates"]}
    pod = group["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]
    mounted = {each["name"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounted <= claims | {each["name"] for each in pod["volumes"]}
    for form in ("kserve", "kserve-llm", "knative"):
        with pytest.raises(UsageError, match="a claim for each Replica"):
            export(form, file)


def test_the_monitor_finds_the_engines_pods() -> None:
    monitor = of_kind(export("kubernetes", EXAMPLES[0], "monitors"), "PodMonitor")["headway-engines"]["spec"]
    for each in of_kind(export("kubernetes"), "Deployment").values():
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        assert MODEL in labels
        assert labels[COMPONENT] == "replica"
        names = {port["name"] for port in each["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {end["port"] for end in monitor["podMetricsEndpoints"]} & names


def test_custom_resources_load_again(tmp_path: Path) -> None:
    found = export("headway")
    again = written(tmp_path, "---\n".join(yaml.safe_dump(each) for each in found))
    assert export("headway", again) == found


@pytest.mark.parametrize(
    ("form", "pieces", "told"),
    [
        ("kserv", (), "did you mean kserve"),
        ("helm", (), "one of kubernetes, headway"),
        ("kubernetes", ("vap",), "did you mean vpa"),
        ("kserve", ("vpa",), "do not go together"),
        ("kubernetes", ("time-slicing",), "no Model asks for a share"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(form: str, pieces: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        export(form, EXAMPLES[0], *pieces)


def test_a_file_with_nothing_to_serve_is_an_error(tmp_path: Path) -> None:
    file = written(tmp_path, "kind: Site\nname: prod\ninventory: [{gpu: L4, count: 2}]\n")
    with pytest.raises(SpecError, match="no kind: Model"):
        export("kubernetes", file)
    with pytest.raises(UsageError, match="nothing of"):
        export("kubernetes", written(tmp_path, "kind: Model\nname: far\nsource: openai://gpt-4o-mini\n"))
