"""Where a ledger is kept: a SQLite file, or a PostgreSQL that several gateways share."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from headway.errors import UsageError
from headway.store.claim import Claim
from headway.store.connection import AnyDatabase
from headway.store.database import Database
from headway.store.postgres import Postgres
from headway.store.secrets import is_secret, resolve_secret

__all__ = ["LEDGER_HELP", "check_place", "claim_of", "is_shared", "open_place"]

LEDGER_HELP = (
    "what tenants spent: a SQLite file (beside the socket if left out), or a PostgreSQL that several gateways share"
    " (postgresql://USER@HOST/DATABASE, its password in PGPASSFILE; or secret:NAME/KEY)"
)

_URL = ("postgresql://", "postgres://")


def check_place(place: str) -> str:
    """As it was given. Raises UsageError when it shows a password: the command line is no place for one."""
    if place.startswith(_URL):
        parts = urlsplit(place)
        if ":" in parts.netloc.rpartition("@")[0] or "password" in parse_qs(parts.query):
            raise UsageError(
                "--ledger: a password on the command line is seen by everybody on this host",
                hint="leave it out and set PGPASSFILE, or keep the whole URL as a secret: --ledger secret:ledger/url",
            )
    return place


def claim_of(place: str) -> Claim | None:
    """What a gateway must have before it reads a ledger of its own; None of one that several share."""
    return None if is_shared(place) else Claim(Path(place))


def is_shared(place: str) -> bool:
    """Whether several gateways can have it."""
    return is_secret(place) or place.startswith(_URL)


def open_place(place: str) -> AnyDatabase:
    """A path, a URL, or `secret:NAME/KEY` for a URL. Raises HeadwayError."""
    address = resolve_secret(place) if is_secret(place) else place
    if address.startswith(_URL):
        return Postgres(address)
    if is_secret(place):
        raise UsageError(
            f"--ledger {place}: is not a URL of PostgreSQL", hint="write postgresql://USER:PASSWORD@HOST/DB"
        )
    return Database(Path(address))
