"""Keys and Tenants in the store: shown once, kept as a hash, scoped, expiring, revoked, rotated."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.errors import UsageError
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision
from headway.spec.tenant import Limits, Tenant
from headway.store.database import MIGRATIONS, Database
from headway.store.desired import DesiredState
from headway.store.keys import hash_key
from headway.store.models import DesiredModel

DAY = 86_400.0
TEAM, OTHER = Tenant(name="team"), Tenant(name="other")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "db")
    yield made
    made.close()


@pytest.fixture
def state(database: Database) -> DesiredState:
    made = DesiredState(database)
    made.apply([], [TEAM, OTHER], prune=False, origin="f.yaml", now=0.0)
    return made


def wanted(name: str) -> DesiredModel:
    source = "builtin://smollm2-135m-instruct"
    return DesiredModel(Model(name=name, source=source), Revision(name, "llamacpp", Pinned(source), "chat"), {})


def test_a_key_is_shown_once_and_kept_as_a_hash(state: DesiredState, tmp_path: Path) -> None:
    made = state.keys.new("team", now=1.0, name="ci", models=["chat"], lasts=90 * DAY)
    prefix, key_id, secret = made.secret.split("-")
    assert (prefix, key_id, len(secret)) == ("hw", made.key.id, 40)
    (kept,) = state.keys.all("team")
    assert kept == made.key
    assert (kept.sha256, kept.models, kept.expires) == (hash_key(made.secret), ("chat",), 1.0 + 90 * DAY)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key_id.encode() in stored
    assert secret.encode() not in stored


def test_no_two_keys_are_alike(state: DesiredState) -> None:
    made = [state.keys.new("team", now=1.0).secret for _ in range(200)]
    assert len(set(made)) == len({each.split("-")[2] for each in made}) == 200


def test_a_key_ends(state: DesiredState) -> None:
    forever, short = state.keys.new("team", now=0.0).key, state.keys.new("team", now=0.0, lasts=10.0).key
    assert [each.is_valid(9.9) for each in (forever, short)] == [True, True]
    assert [each.state(10.0) for each in (forever, short)] == ["active", "expired"]
    assert state.keys.revoke(forever.id, 5.0).state(4.0) == "revoked", "whatever the clock says"
    assert state.keys.revoke(forever.id, 7.0).revoked == 5.0, "again changes nothing"


def test_a_rotated_key_stays_for_its_grace(state: DesiredState) -> None:
    old = state.keys.new("team", now=0.0, name="ci", models=["chat"], lasts=100.0).key
    made = state.keys.rotate(old.id, grace=20.0, now=50.0)
    assert (made.key.name, made.key.models, made.key.expires) == ("ci", ("chat",), 150.0)
    (after,) = [each for each in state.keys.all() if each.id == old.id]
    assert (after.successor, after.expires) == (made.key.id, 70.0)
    assert [after.state(now) for now in (60.0, 70.0)] == ["replaced", "expired"]
    with pytest.raises(UsageError, match=f"the key {old.id} was replaced by {made.key.id}; make one: headway key new"):
        state.keys.rotate(old.id, grace=1.0, now=60.0)
    again = state.keys.rotate(made.key.id, grace=10**9, now=60.0)
    (longer,) = [each for each in state.keys.all() if each.id == made.key.id]
    assert longer.expires == 150.0, "not longer than it would have been"
    state.keys.revoke(again.key.id, 61.0)
    with pytest.raises(UsageError, match="is revoked"):
        state.keys.rotate(again.key.id, grace=1.0, now=62.0)
    endless = state.keys.new("team", now=0.0).key
    assert state.keys.rotate(endless.id, grace=5.0, now=10.0).key.expires is None


def test_what_is_not_there_is_told(state: DesiredState) -> None:
    with pytest.raises(UsageError, match="no tenant 'nobody' here; tenants: other, team"):
        state.keys.new("nobody", now=0.0)
    with pytest.raises(UsageError, match="no key 'x' here; headway key ls names them"):
        state.keys.revoke("x", 0.0)
    secret = state.keys.new("team", now=0.0).secret
    with pytest.raises(UsageError, match="that is a whole key, not its id") as caught:
        state.keys.revoke(secret, 0.0)
    assert secret not in str(caught.value), "a secret is not repeated where logs may keep it"
    with pytest.raises(UsageError, match="name of the key"):
        state.keys.new("team", now=0.0, name="a\nb")


def test_tenants_are_added_changed_pruned_and_their_keys_go(state: DesiredState) -> None:
    key = state.keys.new("team", now=1.0).key
    changed = Tenant(name="team", limits=Limits(rpm=5))
    changes = state.apply([], [changed, OTHER], prune=False, origin="f", now=2.0)
    assert [(each.name, each.change, each.kind) for each in changes] == [
        ("team", "changed", "Tenant"),
        ("other", "unchanged", "Tenant"),
    ]
    found = state.tenants.all()["team"]
    assert (found.tenant, found.generation, found.created) == (changed, 2, 0.0)
    assert state.keys.all("team") == [key], "a change leaves the keys"
    pruned = state.apply([], [OTHER], prune=True, origin="f", now=3.0)
    assert [(each.name, each.change) for each in pruned] == [("other", "unchanged"), ("team", "removed")]
    assert [each.state(3.0) for each in state.keys.all("team")] == ["revoked"]
    state.apply([], [TEAM], prune=False, origin="f", now=4.0)
    assert not state.keys.all("team")[0].is_valid(4.0), "a team of the same name begins without keys"


def test_prune_looks_at_the_kinds_that_the_file_has(state: DesiredState) -> None:
    state.apply([wanted("a"), wanted("b")], [], prune=False, origin="f", now=1.0)
    changes = state.apply([wanted("a")], [], prune=True, origin="f", now=2.0)
    assert [(each.name, each.change) for each in changes] == [("a", "unchanged"), ("b", "removed")]
    assert sorted(state.tenants.all()) == ["other", "team"], "the gateway does not fall open by a file of Models"
    state.apply([], [TEAM], prune=True, origin="f", now=3.0)
    assert sorted(state.models.all()) == ["a"]


def test_models_and_tenants_change_together_or_not_at_all(state: DesiredState, database: Database) -> None:
    pages = database.rows("PRAGMA page_count")[0][0]
    database.rows(f"PRAGMA max_page_count={pages}")
    many = [Tenant(name=f"t{number}", members=tuple(f"m{n}" for n in range(100))) for number in range(500)]
    with pytest.raises(Exception, match="disk full"):
        state.apply([wanted("a")], many, prune=False, origin="f", now=1.0)
    assert (list(state.models.all()), sorted(state.tenants.all())) == ([], ["other", "team"])


def test_an_older_database_is_brought_up_by_two_at_once(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with sqlite3.connect(path) as connection:
        connection.executescript(f"{MIGRATIONS[0]} PRAGMA user_version=1;")
    connection.close()
    failed: list[Exception] = []

    def open_it() -> None:
        try:
            Database(path).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    database = Database(path)
    assert DesiredState(database).tenants.all() == {}
    assert database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    database.close()
