"""`headway import`: what is written by hand comes back as a Model that loads, and nothing is lost in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headway.cli.import_file import found_in, text_of_all
from headway.errors import SpecError, UsageError
from headway.sites.kubernetes.importing.model import imported
from headway.sites.kubernetes.importing.served import served
from headway.spec.load import load
from headway.spec.model import Model

BY_HAND = Path(__file__).parents[1] / "manifests/by_hand"


def models(path: Path) -> dict[str, Model]:
    """As the text that is printed loads them."""
    text = text_of_all(found_in(str(path), None, ""), path.name)
    return {each.name: each for each in load(text, "printed", "/") if isinstance(each, Model)}


def container(args: str = "", /, image: str = "vllm/vllm-openai:v0.10.2", **more: Any) -> dict[str, Any]:
    return {"name": "engine", "image": image, "args": args.split(), **more}


def deployment(pod: dict[str, Any], **spec: Any) -> dict[str, Any]:
    body = {"template": {"spec": pod}, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "it"}, "spec": body}


def test_the_usual_deployment_of_vllm() -> None:
    llama = models(BY_HAND / "08-vllm.yaml")["llama"]
    assert llama.source == "hf://meta-llama/Llama-3.1-8B-Instruct"
    assert (llama.engine, llama.image, llama.gpu) == ("vllm", "vllm/vllm-openai:v0.10.2", "L4")
    assert llama.args == {"max-model-len": 16384, "enable-prefix-caching": True}
    assert llama.env == {"HUGGING_FACE_HUB_TOKEN": "secret:hf/token", "VLLM_LOGGING_LEVEL": "WARNING"}
    assert llama.pod == {"nodeSelector": {"pool": "inference"}}
    found = found_in(str(BY_HAND / "08-vllm.yaml"), None, "")[0]
    assert any("trust-remote-code" in each for each in found.lost)


def test_a_statefulset_with_disks_of_its_own() -> None:
    mistral = models(BY_HAND / "02-statefulset.yaml")["mistral"]
    assert mistral.weights is not None
    assert (mistral.weights.cache, mistral.weights.storage_class) == ("replica", "fast-ssd")
    assert mistral.replicas.wanted == 2


def test_gpus_by_affinity_slice_and_selector() -> None:
    assert models(BY_HAND / "06-node-affinity.yaml")["llama-70b"].gpu == "H100-SXM:4"
    assert "tensor-parallel-size" not in models(BY_HAND / "06-node-affinity.yaml")["llama-70b"].args
    embed = models(BY_HAND / "04-mig-pod.yaml")["embed"]
    assert (embed.gpu, embed.task, dict(embed.args)) == ("mig-1g.10gb", "embedding", {})


def test_spot_and_sglang() -> None:
    qwen = models(BY_HAND / "18-spot.yaml")["qwen"]
    assert (qwen.engine, qwen.gpu) == ("sglang", "L4")
    assert qwen.cost is not None
    assert qwen.cost.spot == "prefer"


def test_several_workloads_of_one_file_and_others_beside_them() -> None:
    found = models(BY_HAND / "17-rag.yaml")
    assert set(found) == {"chat", "embed"}, "qdrant and the application are no engines"
    assert (found["embed"].engine, found["embed"].gpu, found["embed"].task) == ("llamacpp", "cpu", "embedding")


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    workload = yaml.safe_load((BY_HAND / "04-mig-pod.yaml").read_text())
    scaler = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x", "namespace": "ml"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "embed"}, "minReplicas": 2, "maxReplicas": 5},
    }  # fmt: skip
    listed = {"apiVersion": "v1", "kind": "List", "items": [workload]}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(scaler))
    (tmp_path / "b.json").write_text(yaml.safe_dump(listed))
    assert str(models(tmp_path)["embed"].replicas) == "2..5"


@pytest.mark.parametrize(
    ("spec", "engine", "model", "flags"),
    [
        (container("--model Qwen/Q --port 8000 --seed=3"), "vllm", "Qwen/Q", {"seed": 3}),
        (container("serve Qwen/Q -tp 2 --enforce-eager"), "vllm", "Qwen/Q",
         {"tensor-parallel-size": 2, "enforce-eager": True}),
        (container("Qwen/Q --dtype bfloat16 --disable-log-requests"), "vllm", "Qwen/Q", {"dtype": "bfloat16"}),
        (container("", command=["bash", "-lc", "set -e; pip install x && exec vllm serve $MODEL --max_model_len 1024"],
                   image="python:3.12", env=[{"name": "MODEL", "value": "Qwen/Q"}]),
         "vllm", "Qwen/Q", {"max-model-len": 1024}),
        (container("", command=["python3", "-m", "vllm.entrypoints.openai.api_server"], image="mine:1",
                   env=[{"name": "MODEL_ID", "value": "Qwen/Q"}]), "vllm", "Qwen/Q", {}),
        (container("-m /models/x.gguf -c 8192 -np 4 -ngl 99", image="ghcr.io/ggml-org/llama.cpp:server-cuda"),
         "llamacpp", "/models/x.gguf", {"ctx-size": 8192, "parallel": 4}),
        (container("--model-id Qwen/Q --dtype half", image="ghcr.io/huggingface/text-generation-inference:3.3"),
         "tgi", "Qwen/Q", {"dtype": "half"}),
    ],
)  # fmt: skip
def test_commands_as_people_write_them(spec: dict[str, Any], engine: str, model: str, flags: dict[str, Any]) -> None:
    found = served(spec)
    assert found is not None
    assert (found.engine, found.model, dict(found.flags)) == (engine, model, flags)


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "x", "image": "nginx:1.27"},
        container("redis-server --port 1", image="redis:8"),
        container("", command=["python", "app.py"], image="mine/vllm-client:1"),
        container("", command=["sh", "-c", "echo 'unclosed"], image="busybox"),
    ],
)
def test_what_is_no_engine_is_left_alone(spec: dict[str, Any]) -> None:
    assert served(spec) is None


@pytest.mark.parametrize(
    ("volume", "source"),
    [
        ({"persistentVolumeClaim": {"claimName": "weights"}}, "pvc://weights/llama/8b"),
        ({"hostPath": {"path": "/data/models"}}, "file:///data/models/llama/8b"),
        ({"image": {"reference": "registry.example.com/llama:8b"}}, "oci://registry.example.com/llama:8b"),
        ({"emptyDir": {}}, "hf://organisation/name"),
    ],
)
def test_weights_are_where_they_are_mounted_from(volume: dict[str, Any], source: str) -> None:
    mounts = [{"name": "w", "mountPath": "/models/"}, {"name": "s", "mountPath": "/cache"}]
    pod = {
        "containers": [container("--model /models/llama/8b", volumeMounts=mounts)],
        "volumes": [{"name": "w", **volume}, {"name": "s", "emptyDir": {}}],
    }
    found = imported(deployment(pod), [])
    assert found is not None
    assert found.document["source"] == source
    assert bool(found.lost) == (source == "hf://organisation/name")


def test_what_no_field_can_say_is_told() -> None:
    pod = {
        "hostNetwork": True,
        "initContainers": [{"name": "download", "image": "x"}],
        "containers": [
            container(
                "--model Qwen/Q --api-key abc --lora-modules a=b",
                env=[
                    {"name": "HF_TOKEN", "value": "hf_abcdefghijklmnopqrstuvwx"},
                    {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                ],
                securityContext={"privileged": True},
                resources={"limits": {"nvidia.com/gpu": 2}},
            ),
            {"name": "exporter", "image": "y"},
        ],
        "nodeSelector": {"nvidia.com/gpu.memory": "40960"},
    }
    found = imported(deployment(pod, replicas=0), [])
    assert found is not None
    told = "\n".join(found.lost)
    for word in ("HF_TOKEN", "NODE", "api-key", "lora-modules", "exporter", "download", "hostNetwork", "privileged"):
        assert word in told
    assert "hf_abc" not in str(found.document) + told, "a credential is never repeated"


WORDS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12)


@given(
    st.lists(WORDS, max_size=8),
    st.sampled_from(["vllm/vllm-openai:x", "x/y", "lmsysorg/sglang", "ggml-org/llama.cpp:server"]),
    st.sampled_from([[], ["sh", "-c"], ["vllm", "serve"], ["llama-server"]]),
)
def test_any_command_line_is_read_without_a_fault(words: list[str], image: str, command: list[str]) -> None:
    found = imported(deployment({"containers": [{"name": "c", "image": image, "command": command, "args": words}]}), [])
    assert found is None or found.document["kind"] == "Model"


def test_a_file_without_an_engine_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no Deployment or StatefulSet"):
        found_in(str(BY_HAND / "19-pdb.yaml"), None, "")
    with pytest.raises(UsageError, match="no such file"):
        found_in(str(tmp_path / "none.yaml"), None, "")
    (tmp_path / "other.yaml").write_text("a: 1\n")
    with pytest.raises(SpecError, match="found no Kubernetes object"):
        found_in(str(tmp_path / "other.yaml"), None, "")
