"""The objects that run an App on a cluster: Deployment, Service, its volume, and who may reach it. Pure.

They are called NAME-app, so that a Model of that name has objects of its own. Its key for the gateway and the password
that it asks people for lie in the Secret NAME-app, which `headway up` and `headway open` make with the rights of the
person who calls them: the operator reads and writes no Secret. Until it is there the pod waits and says so.
"""

from __future__ import annotations

from typing import Any

from headway.errors import ResourceError
from headway.sites.kubernetes import labels
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.gateway_address import inside
from headway.sites.kubernetes.objects.accelerators import Accelerators, accelerators
from headway.sites.kubernetes.objects.derived import Derived, because, derive
from headway.sites.kubernetes.objects.fetch import env_of
from headway.sites.kubernetes.objects.naming import app_name
from headway.sites.kubernetes.objects.quantity import cores, mebibytes
from headway.sites.kubernetes.objects.security import container_security, pod_security
from headway.spec.app import App, Whole

__all__ = ["CONTAINER", "KEY", "TOKEN", "app_labels", "app_objects", "object_name"]

CONTAINER = "app"
KEY, TOKEN = "key", "token"
"""Entries of its Secret."""
TRIES, EVERY = 60, 5
"""Of the startup probe: five minutes, for an image that installs something first."""
NVIDIA = "nvidia.com/gpu"

Tree = dict[str, Any]


def object_name(app: str) -> str:
    return app_name(app)


def app_labels(app: str) -> Tree:
    return {
        "app.kubernetes.io/name": app,
        labels.MANAGED: "headway",
        labels.COMPONENT: "app",
        labels.APP: app,
    }


def app_objects(app: App, facts: Facts, *, namespace: str, awake: bool) -> tuple[Derived, ...]:
    """In the order in which they are applied. `app` is as it runs on this Site. Raises ResourceError for a GPU that no
    device plugin gives."""
    volume = (_claim(app, namespace),) if app.storage else ()
    return (*volume, _policy(app, namespace), _service(app, namespace), _deployment(app, facts, namespace, awake))


def _deployment(app: App, facts: Facts, namespace: str, awake: bool) -> Derived:
    whole, found = app.whole, accelerators("app", app.gpu or "cpu", 0, facts)
    if found.device_class:
        raise ResourceError(
            f"{app.name}: an App takes GPUs from a device plugin, and this cluster gives them by DRA alone",
            hint="install the vendor's device plugin, or write gpu: cpu",
        )
    if found.shape.pods > 1:
        raise ResourceError(f"{app.name}: gpu: {app.gpu} is more than one node has", hint="ask for fewer")
    chosen = {labels.COMPONENT: "app", labels.APP: app.name}
    tree: Tree = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": object_name(app.name), "namespace": namespace, "labels": app_labels(app.name)},
        "spec": {
            "replicas": because(int(awake), "awake: somebody used it" if awake else "asleep: nobody used it"),
            "selector": {"matchLabels": chosen},
            "strategy": because({"type": "Recreate"}, "two of it would write the same files"),
            "revisionHistoryLimit": 1,
            "template": {"metadata": {"labels": app_labels(app.name)}, "spec": _pod(app, whole, found)},
        },
    }
    return derive(tree, f"The App {app.name}: one pod, or none while it sleeps.")


def _pod(app: App, whole: Whole, found: Accelerators) -> Tree:
    home = whole.preset.home
    stored = {"persistentVolumeClaim": {"claimName": object_name(app.name)}} if app.storage else {"emptyDir": {}}
    return {
        "automountServiceAccountToken": because(False, "an App has no business with the API server"),
        "enableServiceLinks": because(False, "variables of other Services are not its settings"),
        "securityContext": pod_security(whole.preset.uid),
        "affinity": _affinity(found),
        "tolerations": _tolerations(found),
        "containers": [
            {
                "name": CONTAINER,
                "image": because(whole.image, "as written" if app.image else f"of the preset {app.preset}"),
                "command": _words(whole) or None,
                "workingDir": because(home, "so that what is written there stays") if app.storage else None,
                "env": _env(app, whole),
                "ports": [{"name": "http", "containerPort": whole.port}],
                "resources": _resources(app, whole, found),
                "startupProbe": {**_probe(whole), "periodSeconds": EVERY, "failureThreshold": TRIES},
                "readinessProbe": {**_probe(whole), "periodSeconds": 10},
                "securityContext": container_security(),
                "volumeMounts": [
                    {"name": "home", "mountPath": because(home, "the one place that it may write, besides /tmp")},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a mount of its own
                ],
            }
        ],
        "volumes": [{"name": "home", **stored}, {"name": "tmp", "emptyDir": {}}],
    }


def _env(app: App, whole: Whole) -> list[Tree]:
    """What the App is told of where it is, the gateway and its secrets; then what is written."""
    secret = object_name(app.name)
    own = {
        "HOST": "0.0.0.0",  # noqa: S104 - in a pod of its own
        "PORT": str(whole.port),
        "STORAGE": whole.preset.home,
        "HOME": whole.preset.home,
        "OPENAI_BASE_URL": f"{inside(labels.SYSTEM)}/v1",
        "OPENAI_API_KEY": f"secret:{secret}/{KEY}",
    }
    if whole.preset.token:
        own[whole.preset.token] = f"secret:{secret}/{TOKEN}"
    return env_of(own | {name: _put_in(value, whole) for name, value in whole.env.items()})


def _words(whole: Whole) -> list[str]:
    return [_put_in(each, whole) for each in whole.command]


def _put_in(text: str, whole: Whole) -> str:
    for place, value in (("{host}", "0.0.0.0"), ("{port}", str(whole.port)), ("{storage}", whole.preset.home)):  # noqa: S104
        text = text.replace(place, value)
    return text


def _probe(whole: Whole) -> Tree:
    return {"httpGet": {"path": whole.ready, "port": "http"}}


def _resources(app: App, whole: Whole, found: Accelerators) -> Tree:
    memory = because(mebibytes(whole.memory), "as written" if app.memory else "what the preset usually takes")
    gpus = {found.resource: because(str(found.shape.gpus), found.why)} if found.resource else {}
    many = because(cores(whole.cpu), "as written" if app.cpu else "one core; it may take more while there are some")
    return {"requests": {"cpu": many, "memory": memory, **gpus}, "limits": {"memory": memory, **gpus}}


def _affinity(found: Accelerators) -> Tree | None:
    if not found.terms:
        return None
    terms = because([{"matchExpressions": list(each)} for each in found.terms], found.why_nodes)
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def _tolerations(found: Accelerators) -> list[Any] | None:
    if not found.resource:
        return None
    key = NVIDIA if "mig-" in found.resource else found.resource
    taint = {"key": key, "operator": "Exists", "effect": "NoSchedule"}
    return [because(taint, "GPU nodes are usually kept free of others by this taint")]


def _service(app: App, namespace: str) -> Derived:
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": object_name(app.name), "namespace": namespace, "labels": app_labels(app.name)},
        "spec": {
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            "selector": {labels.COMPONENT: "app", labels.APP: app.name},
        },
    }
    return derive(tree, f"The address of {app.name} inside the cluster; an Ingress of your own may lead to it.")


def _claim(app: App, namespace: str) -> Derived:
    assert app.storage is not None  # noqa: S101
    tree = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": object_name(app.name), "namespace": namespace, "labels": app_labels(app.name)},
        "spec": {
            "accessModes": because(["ReadWriteOnce"], "one pod at a time; every cluster's disks can do that"),
            "resources": {"requests": {"storage": mebibytes(app.storage)}},
        },
    }
    return derive(tree, f"The storage of {app.name}. It has no owner: deleting the App leaves it.")


def _policy(app: App, namespace: str) -> Derived:
    tree = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": object_name(app.name), "namespace": namespace, "labels": app_labels(app.name)},
        "spec": {
            "podSelector": {"matchLabels": {labels.COMPONENT: "app", labels.APP: app.name}},
            "policyTypes": because(["Ingress"], "what it may reach is its namespace's to say: it installs and fetches"),
            "ingress": [
                {"from": [because({"podSelector": {}}, "pods of its own namespace; port-forward comes by the node")]}
            ],
        },
    }
    return derive(tree, f"Who may reach {app.name}. To let an Ingress in, add a policy of your own.")
