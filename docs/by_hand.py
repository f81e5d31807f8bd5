"""docs/by-hand.md: what teams write by hand for models on Kubernetes, beside what Headway derives.

Both sides are real: the left is `tests/manifests/by_hand`, the right is what `headway export` prints of a file in
`tests/manifests/asked`. tests/export/test_by_hand.py holds them against each other and against the published schemas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.cli.export_file import Asked, exported
from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["PAIRS", "Pair", "derived", "render"]

ROOT = Path(__file__).parents[1]
BY_HAND, ASKED = ROOT / "tests/manifests/by_hand", ROOT / "tests/manifests/asked"
NAMESPACE = "ml"


@dataclass(frozen=True, slots=True)
class Pair:
    """`hand` and `asked`: files, without `.yaml`. `kinds`: those of the export that answer to it; empty: all. `gains`:
    what the derived one has besides, in words. `both`: the Models and the pieces."""

    title: str
    hand: str
    asked: str
    form: str = "kubernetes"
    pieces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    gains: tuple[str, ...] = ()
    both: bool = False

    @property
    def command(self) -> str:
        """As one types it; two where the admin's pieces come with the Models."""
        form = "headway export FILE" + (f" --as {self.form}" if self.form != "kubernetes" else "")
        pieces = "headway export FILE" + "".join(f" --piece {each}" for each in self.pieces)
        return f"{form} && {pieces}" if self.both else pieces if self.pieces else form


ABOUT = (
    "What teams write by hand to serve models on Kubernetes, and what Headway derives instead. Each right side is",
    "what `headway export` prints of the few lines above it, with no cluster at hand: every value that nobody wrote",
    "says why it is so. Both sides are checked against the published schemas of Kubernetes and its ecosystem",
    "(`tests/export/test_by_hand.py`). [export.md](export.md) has all forms; [import.md](import.md) reads what you",
    "have.",
)
PAIRS = (
    Pair(
        "Is the device plugin there?", "01-device-check", "01-device-check", pieces=("device-check",),
        gains=(
            "one Job for each kind of device that the file asks for, on the nodes where its Replicas would run",
            "it is restricted (non-root, read-only), ends by itself, and gives up after ten minutes",
            "`headway doctor --on SITE` asks the same without a pod",
        ),
    ),
    Pair(
        "A StatefulSet, for a disk of weights for each replica", "02-statefulset", "02-statefulset",
        kinds=("StatefulSet", "Service"),
        gains=(
            "a StatefulSet only because `weights: {cache: replica}` says so; else it is a Deployment",
            "probes by the time that loading takes, not by a guess of 120 s; a drain that waits for running answers",
            "non-root, read-only root file system, no token of the API server",
        ),
    ),
    Pair(
        "An HPA on the engine's queue", "03-hpa-queue", "03-llama", kinds=("HorizontalPodAutoscaler",),
        gains=(
            "requests that run count, too: with the queue alone it goes down whenever the replicas suffice",
            "the target is computed: how many requests have room in the KV cache of this GPU",
            "prometheus-adapter's rule stands above it; nobody has to guess what the metric is called there",
            "behaviour: up at once, down slowly, because what goes takes its prefix cache along",
        ),
    ),
    Pair(
        "A pod on a MIG slice", "04-mig-pod", "04-mig-pod", kinds=("Deployment",),
        gains=("`--piece mig` prints how the GPUs must be cut for it", "everything of the StatefulSet above"),
    ),
    Pair(
        "Time-slicing", "05-time-slicing", "05-time-slicing", pieces=("time-slicing",),
        gains=(
            "the number of parts comes from the smallest share that a Model asks for",
            "a pod that asks for two parts is refused: two parts are not twice the GPU",
            "the pod's own share of the memory goes to the engine, so that neighbours do not break each other",
        ),
    ),
    Pair(
        "Node affinity by GPU", "06-node-affinity", "06-node-affinity", kinds=("Deployment",),
        gains=(
            "the product under every label that names it: GPU feature discovery, GKE, Karpenter",
            "tensor parallelism, shared memory and its limit follow from the number of GPUs",
        ),
    ),
    Pair(
        "A KServe InferenceService", "07-kserve", "07-kserve", form="kserve",
        gains=(
            "the weights come once, and not for each pod (kserve #4918, #5116)",
            "scaled by requests, through KEDA, and not by cores",
            "`--as kserve-llm` prints the LLMInferenceService",
        ),
    ),
    Pair(
        "vLLM: Deployment and Service", "08-vllm", "08-vllm", kinds=("Deployment", "Service", "PodDisruptionBudget"),
        gains=(
            "`headway import` reads the left side and writes the file",
            "--trust-remote-code is not taken over: code that comes with a model is never run",
            "a rollout that needs no second GPU and cuts no answer",
        ),
    ),
    Pair(
        "A RayService", "09-rayservice", "09-rayservice", form="rayservice",
        gains=(
            "node affinity and tolerations for the workers, restricted pods",
            "`num-gpus` of the worker is what it has",
        ),
    ),
    Pair(
        "A VerticalPodAutoscaler", "10-vpa", "03-llama", pieces=("vpa",),
        gains=("it says why it may only recommend", "requests only: limits stay as derived"),
    ),
    Pair(
        "The cluster autoscaler's priority expander", "11-priority-expander", "11-priority-expander",
        pieces=("priority-expander",),
        gains=(
            "the order is by price, spot first where the file prefers it",
            "`l4` does not match `l40`; any other group is still there, last",
        ),
    ),
    Pair(
        "A KEDA ScaledObject on a queue", "12-keda-queue", "03-llama", form="keda", kinds=("ScaledObject",),
        gains=(
            "a series that is gone is not read as an idle 0, and while Prometheus is away nothing is taken away",
            "`--as keda-external` needs no Prometheus: KEDA asks Headway's scaler, down to zero",
        ),
    ),
    Pair(
        "A claim for the weights", "13-model-cache", "13-model-cache", kinds=("PersistentVolumeClaim", "Job"),
        gains=(
            "the Job runs by itself, before any Replica holds a GPU, once for each revision of the weights",
            "safetensors only, checked, at the commit that the file names; mounted read-only afterwards",
        ),
    ),
    Pair(
        "A NetworkPolicy", "14-network-policy", "01-device-check", pieces=("network-policies",),
        gains=(
            "for gateway and operator as well; each flow says why it is there",
            "Prometheus may read the metrics, which the left side forgets",
        ),
    ),
    Pair(
        "A quota", "15-quota", "15-quota", pieces=("quota",),
        gains=(
            "the namespace, with Pod Security `restricted`",
            "the same Tenant limits tokens, requests and money at the gateway; Kueue's queues where Kueue is",
        ),
    ),
    Pair(
        "A RAG service: many parts and an Ingress", "17-rag", "17-rag",
        pieces=("quota", "ingress", "certificate"), both=True,
        gains=(
            "one address and one key for chat and embedder, so the application knows one URL",
            "the embedder on cores is llama-server, with a probe, a budget for disruption and a drain",
            "the vector store and the application stay yours (kind App runs the application, too)",
        ),
    ),
    Pair(
        "Spot machines first", "18-spot", "18-spot", kinds=("Deployment",),
        gains=(
            "the labels and taints of GKE, EKS, AKS and Karpenter, so that the file moves with you",
            "the grace period is as long as an answer, and the drain waits for it",
        ),
    ),
    Pair(
        "A PodDisruptionBudget", "19-pdb", "03-llama", kinds=("PodDisruptionBudget",),
        gains=(
            "`maxUnavailable: 1`, because `minAvailable: 1` of one replica keeps a node from ever being emptied",
            "a Replica that is not ready holds no node back",
        ),
    ),
    Pair(
        "A PriorityClass", "20-priority-class", "20-priority-class", pieces=("priority-classes",),
        gains=("those that the file names and the cluster has not",),
    ),
    Pair(
        "DCGM's ServiceMonitor", "21-dcgm", "01-device-check", pieces=("dcgm",),
        gains=(
            "`honorLabels`, without which the pod that has the GPU is lost",
            "alerts for broken, hot, and idle GPUs",
        ),
    ),
)  # fmt: skip


def derived(pair: Pair) -> Sequence[Derived]:
    """What answers to the left side."""
    file = str(ASKED / f"{pair.asked}.yaml")
    asked = [Asked(file, pair.form, pair.pieces, "local", NAMESPACE)]
    if pair.both:
        asked.insert(0, Asked(file, pair.form, (), "local", NAMESPACE))
    found = [each for wanted in asked for each in exported(wanted).objects]
    return [each for each in found if not pair.kinds or each.manifest["kind"] in pair.kinds]


def render() -> str:
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# By hand, and derived"
    yield ""
    yield "<!-- made by docs/by_hand.py: make docs -->"
    yield from ABOUT
    for pair in PAIRS:
        yield from _section(pair)
    yield ""
    yield "## A SealedSecret"
    yield from _folded("By hand, with the cluster at hand", (BY_HAND / "16-sealed-secret.yaml").read_text("utf-8"))
    yield ""
    yield "`headway secret seal hf token --cert controller.pem --namespace ml` prints the same object, offline, from"
    yield "the controller's certificate; the value is asked for, or read from a pipe, and never in an argument."


def _section(pair: Pair) -> Iterator[str]:
    yield ""
    yield f"## {pair.title}"
    yield from _folded("By hand", (BY_HAND / f"{pair.hand}.yaml").read_text("utf-8"))
    yield ""
    yield "The file:"
    yield "```yaml"
    yield (ASKED / f"{pair.asked}.yaml").read_text("utf-8").rstrip()
    yield "```"
    yield from _folded(f"<code>{pair.command}</code>", text_of(derived(pair)))
    yield ""
    yield from (f"- {each}" for each in pair.gains)


def _folded(title: str, text: str) -> Iterator[str]:
    lines = sum(1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    yield f"<details><summary>{title}: {lines} lines</summary>"
    yield ""
    yield "```yaml"
    yield text.rstrip()
    yield "```"
    yield "</details>"
