"""Where objects of a kind are found in the API: group, version, plural.

The kinds that Headway writes or reads are listed here, so that nothing must be asked before the first request;
`Cluster.discover` finds the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.errors import HeadwayError

__all__ = ["GROUP", "RESOURCES", "VERSION", "Resource", "resource"]

GROUP = "headway.dev"
VERSION = "v1alpha1"


@dataclass(frozen=True, slots=True)
class Resource:
    api_version: str  # "v1", "apps/v1"
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """The URL path. An empty namespace of a namespaced kind is all of them."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")


_OURS = f"{GROUP}/{VERSION}"
_LISTED = (
    Resource("v1", "Namespace", "namespaces", namespaced=False),
    Resource("v1", "Node", "nodes", namespaced=False),
    Resource("v1", "PersistentVolume", "persistentvolumes", namespaced=False),
    Resource("v1", "Pod", "pods"),
    Resource("v1", "Service", "services"),
    Resource("v1", "ServiceAccount", "serviceaccounts"),
    Resource("v1", "ConfigMap", "configmaps"),
    Resource("v1", "Secret", "secrets"),
    Resource("v1", "Event", "events"),
    Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("v1", "ResourceQuota", "resourcequotas"),
    Resource("v1", "LimitRange", "limitranges"),
    Resource("apps/v1", "Deployment", "deployments"),
    Resource("apps/v1", "ReplicaSet", "replicasets"),
    Resource("apps/v1", "StatefulSet", "statefulsets"),
    Resource("apps/v1", "DaemonSet", "daemonsets"),
    Resource("batch/v1", "Job", "jobs"),
    Resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Resource("networking.k8s.io/v1", "Ingress", "ingresses"),
    Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    Resource("coordination.k8s.io/v1", "Lease", "leases"),
    Resource("rbac.authorization.k8s.io/v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
    Resource("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Resource("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False),
    Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False),
    Resource("resource.k8s.io/v1", "ResourceClaim", "resourceclaims"),
    Resource("resource.k8s.io/v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
    Resource("resource.k8s.io/v1", "ResourceSlice", "resourceslices", namespaced=False),
    Resource("resource.k8s.io/v1", "DeviceClass", "deviceclasses", namespaced=False),
    Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False),
    Resource(_OURS, "Model", "models"),
    Resource(_OURS, "Route", "routes"),
    Resource(_OURS, "Tenant", "tenants"),
    Resource(_OURS, "App", "apps"),
    Resource("keda.sh/v1alpha1", "ScaledObject", "scaledobjects"),
    Resource("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "leaderworkersets"),
    Resource("kueue.x-k8s.io/v1beta2", "LocalQueue", "localqueues"),
    Resource("kueue.x-k8s.io/v1beta2", "ClusterQueue", "clusterqueues", namespaced=False),
    Resource("kueue.x-k8s.io/v1beta2", "ResourceFlavor", "resourceflavors", namespaced=False),
)
RESOURCES = {(each.api_version, each.kind): each for each in _LISTED}


def resource(kind: str, api_version: str = "") -> Resource:
    """By kind, and by version where two groups have a kind of that name. Raises HeadwayError for one not listed."""
    for each in _LISTED:
        if each.kind == kind and api_version in ("", each.api_version):
            return each
    raise HeadwayError(f"{api_version} {kind} is no kind that Headway reads or writes".strip())
