"""`headway secret`: secrets that may be committed. A value is never an argument, where other users could see it."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.cli.on import ON, on_cluster, place
from headway.errors import SecretError, UsageError

if TYPE_CHECKING:
    from headway.sites.kubernetes.sealed import Scope
    from headway.wire.kube.cluster import Cluster
    from headway.wire.kube.manifest import Manifest

__all__ = ["register"]

secret = typer.Typer(
    name="secret",
    help="Secrets that may be committed: seal, external.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
NAMESPACE = typer.Option(help="Where the Secret will be: that of the Models that name it.")


def register(app: typer.Typer) -> None:
    app.add_typer(secret)


@secret.command()
def seal(
    name: Annotated[str, typer.Argument(help="Of the Secret: NAME in secret:NAME/KEY.")],
    keys: Annotated[
        list[str],
        typer.Argument(help="KEY=FILE, or KEY to be asked (or to read it from a pipe).", metavar="KEY[=FILE]..."),
    ],
    certificate: Annotated[
        Path | None,
        typer.Option("--cert", help="The controller's (kubeseal --fetch-cert). Left out: asked for --on SITE."),
    ] = None,
    namespace: Annotated[str, NAMESPACE] = "default",
    scope: Annotated[
        str, typer.Option(help="strict, namespace-wide or cluster-wide: where else it may be used.")
    ] = "strict",
    controller: Annotated[str, typer.Option(help="The namespace of the sealed-secrets controller.")] = "kube-system",
    on: Annotated[str | None, ON] = None,
) -> None:
    """Print a SealedSecret: values that only the controller of one cluster can read.

    With --cert no cluster is asked. Commit what it prints, apply it, and write secret:NAME/KEY under env of a Model.
    """
    from headway.sites.kubernetes.sealed import SCOPES, Certificate, sealed_secret  # noqa: PLC0415

    if scope not in SCOPES:
        raise UsageError(f"--scope {scope}", hint=f"use one of {', '.join(SCOPES)}")
    _check_names(name, namespace, [each.partition("=")[0] for each in keys])
    pem = _read(certificate) if certificate else on_cluster(place(on), lambda it: _fetched(it, controller))
    read = Certificate.read(pem)
    values = {key: _value(key, file) for key, _, file in (each.partition("=") for each in keys)}
    chosen: Scope = next(each for each in SCOPES if each == scope)
    _print(sealed_secret(name, namespace, values, read, scope=chosen))


@secret.command()
def external(
    name: Annotated[str, typer.Argument(help="Of the Secret: NAME in secret:NAME/KEY.")],
    keys: Annotated[
        list[str], typer.Argument(help="KEY=PATH, where the store has it; or PATH#PROPERTY.", metavar="KEY=PATH...")
    ],
    store: Annotated[str, typer.Option(help="The SecretStore of External Secrets.")],
    cluster_store: Annotated[bool, typer.Option("--cluster-store", help="It is a ClusterSecretStore.")] = False,
    namespace: Annotated[str, NAMESPACE] = "default",
) -> None:
    """Print an ExternalSecret: where a vault has the values."""
    from headway.sites.kubernetes.sealed import external_secret  # noqa: PLC0415

    found = dict(each.partition("=")[::2] for each in keys)
    _check_names(name, namespace, list(found))
    if empty := [key for key, path in found.items() if not path]:
        raise UsageError(f"{empty[0]} says not where the store has it", hint=f"write {empty[0]}=PATH")
    _print(external_secret(name, namespace, found, store, cluster_store=cluster_store))


def _value(key: str, file: str) -> bytes:
    """Without the line's end that editors and `echo` add."""
    if file:
        value = _read(Path(file))
    elif sys.stdin.isatty():
        value = getpass.getpass(f"{key}: ").encode()
    else:
        value = sys.stdin.buffer.read()
    if not value.strip():
        raise SecretError(f"{key}: found nothing", hint=f"write {key}=FILE, or pipe it in")
    return value.removesuffix(b"\n").removesuffix(b"\r")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="give a file that you may read") from None


async def _fetched(cluster: Cluster, namespace: str) -> bytes:
    from headway.sites.kubernetes.sealed import CERTIFICATE_PATH  # noqa: PLC0415
    from headway.wire.kube.cluster import ApiRefusal  # noqa: PLC0415

    try:
        lines = [line async for line in cluster.lines(CERTIFICATE_PATH.format(namespace=namespace), {})]
    except ApiRefusal as refusal:
        hint = "install sealed-secrets there, say --controller NAMESPACE, or give --cert FILE"
        raise SecretError(f"no certificate of a sealed-secrets controller: {refusal.message}", hint=hint) from refusal
    return "\n".join(lines).encode()


def _check_names(name: str, namespace: str, keys: list[str]) -> None:
    from headway.spec.fault import Fault  # noqa: PLC0415
    from headway.spec.names import check_name  # noqa: PLC0415
    from headway.store.secrets import environment_name  # noqa: PLC0415

    try:
        check_name(name)
        check_name(namespace)
    except Fault as fault:
        raise UsageError(fault.message, hint=fault.hint) from None
    if len(set(keys)) < len(keys) or (len(keys) > 1 and "" in keys):
        raise UsageError("a key stands twice", hint="write each key once")
    for key in keys:
        environment_name(f"secret:{name}/{key}")  # raises for what could not be named in a file


def _print(manifest: Manifest) -> None:
    from headway.sites.kubernetes.export.document import text_of  # noqa: PLC0415
    from headway.sites.kubernetes.objects.derived import Derived  # noqa: PLC0415

    sys.stdout.write(text_of([Derived(manifest)]))
