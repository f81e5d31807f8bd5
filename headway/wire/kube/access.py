"""From a kubeconfig, or from inside a pod, to an HTTP client that is let in. lightkube reads the files and the
credentials (certificates, tokens that rotate, `exec` plugins)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.errors import UnreachableError, UsageError

if TYPE_CHECKING:
    import httpx2
    from lightkube.config.kubeconfig import KubeConfig, SingleConfig

__all__ = ["Access", "contexts"]

EXTRA = "pip install 'headway[kubernetes]'"
SECONDS = 10.0
"""For one answer of the API server. Watches read without a limit of their own."""


@dataclass(frozen=True, slots=True)
class Access:
    """`namespace`: that objects go to which name none. `server`: for messages."""

    context: str
    namespace: str
    server: str
    http: httpx2.AsyncClient

    @classmethod
    def open(cls, context: str = "", namespace: str = "") -> Access:
        """Of a context of the kubeconfig (empty: the current one; inside a pod, its service account).
        Raises UsageError for one that is not there, UnreachableError where there is no kubeconfig at all."""
        with _told():
            config = _single(context)
            import httpx2  # noqa: PLC0415
            from lightkube.config.client_adapter import AsyncClient, ConnectionParams  # noqa: PLC0415

            http = AsyncClient(config, ConnectionParams(timeout=httpx2.Timeout(SECONDS), trust_env=False))
        return cls(config.context_name or "", namespace or config.namespace, config.cluster.server, http)


def contexts() -> tuple[list[str], str]:
    """The names of the kubeconfig's contexts, and which is the current one."""
    with _told():
        config = _config()
    return sorted(config.contexts), config.current_context or ""


def _config() -> KubeConfig:
    from lightkube.config.kubeconfig import KubeConfig  # noqa: PLC0415

    return KubeConfig.from_env()


def _single(context: str) -> SingleConfig:
    config = _config()
    if context and context not in config.contexts:
        known = ", ".join(sorted(config.contexts)) or "none"
        raise UsageError(f"no context {context!r} in the kubeconfig", hint=f"contexts: {known}")
    found = config.get(context or None)
    assert found is not None  # noqa: S101 - without a default it raises
    return found


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError("a cluster needs the Kubernetes client", hint=EXTRA) from error
    except Exception as error:
        if type(error).__name__ != "ConfigError":
            raise
        raise UnreachableError(f"no cluster: {error}", hint="set KUBECONFIG, or name a context") from error
