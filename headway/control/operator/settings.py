"""How the operator runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from headway.control.operator.lease import Terms
from headway.control.operator.queue import Backoff
from headway.sites.kubernetes.labels import SYSTEM

__all__ = ["OperatorSettings"]


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Times are seconds."""

    identity: str
    """The pod's name: who holds the lease."""

    namespace: str = SYSTEM
    """Headway's own: the lease and the Tenants lie there."""

    site: str = "kubernetes"
    """The Site's name, for the `profiles` of Models."""

    port: int = 8486
    """/healthz, /readyz, /metrics; 0 = none."""

    host: str = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus come from outside of the pod

    scaler_port: int = 0
    """KEDA's external scaler (gRPC); 0 = none."""

    terms: Terms = field(default_factory=Terms)

    workers: int = 16
    """Passes at a time. A pass waits for the API server nearly all its time."""

    backoff: Backoff = field(default_factory=Backoff)

    resync: float = 600.0
    """Every object has a pass at least so often, whatever the watches told. It writes nothing where nothing changed."""

    look_for_kinds: float = 60.0
    """What the API server serves is asked again so often (one GET): what is installed later is used then."""

    retell: float = 15.0
    """A message that merely reads otherwise than before is written again at most so often."""

    stop_within: float = 8.0
    """For passes that run when the operator is asked to stop."""

    repairs: int = 3
    """Of one object in `resync` seconds that are done at once; more look like another writer that does not give in."""
