"""The store on a real SQLite file: what is acknowledged survives, what fails leaves no trace."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from headway.errors import HeadwayError, ResourceError, SecretError
from headway.paths import StateDir
from headway.policy.decision import Action, Decision, Reason
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision
from headway.store.database import Database
from headway.store.journal import Journal, JournalLimits
from headway.store.models import DesiredModel, ModelStore
from headway.store.secrets import environment_name, resolve_secret


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "headway.db"


def desired(name: str, source: str = "builtin://smollm2-135m-instruct") -> DesiredModel:
    revision = Revision(name, "llamacpp", Pinned(source, "sha256:00"), "chat")
    return DesiredModel(Model(name=name, source=source), revision, {"engine": "it is a GGUF"})


def test_models_are_added_changed_and_removed(path: Path) -> None:
    store = ModelStore(Database(path))
    assert [each.change for each in store.apply([desired("a"), desired("b")], prune=False, now=1.0)] == ["added"] * 2
    again = store.apply([desired("a"), desired("b", "builtin://gemma-3-270m")], prune=False, now=2.0)
    assert [each.change for each in again] == ["unchanged", "changed"]
    found = store.all()
    assert found["b"].generation == 2
    assert (found["a"].generation, found["a"].created) == (1, 1.0)
    assert found["b"].revision == desired("b", "builtin://gemma-3-270m").revision
    assert found["a"].derived == {"engine": "it is a GGUF"}
    pruned = store.apply([desired("a")], prune=True, now=3.0)
    assert [(each.name, each.change) for each in pruned] == [("a", "unchanged"), ("b", "removed")]
    assert store.remove("a") == ["a"]
    assert store.remove("a") == []
    assert store.all() == {}


def test_another_reader_sees_it_and_the_file_is_private(path: Path) -> None:
    ModelStore(Database(path)).apply([desired("a")], prune=False, now=1.0)
    assert list(ModelStore(Database(path)).all()) == ["a"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_transaction_is_whole_or_nothing(path: Path) -> None:
    database = Database(path)
    with pytest.raises(RuntimeError), database.transaction() as connection:  # noqa: PT012
        connection.execute(
            "INSERT INTO decisions (at, object, action, reason, message, numbers) VALUES (1, 2, 3, 4, 5, 6)"
        )
        raise RuntimeError
    assert database.rows("SELECT * FROM decisions") == []


def test_a_full_disk_is_told_and_changes_nothing(path: Path) -> None:
    database = Database(path)
    store = ModelStore(database)
    store.apply([desired("a")], prune=False, now=1.0)
    pages = database.rows("PRAGMA page_count")[0][0]
    database.rows(f"PRAGMA max_page_count={pages}")  # SQLite's own word for a full disk is the same
    with pytest.raises(ResourceError, match=r"disk full under .*: nothing was changed; free some of it"):
        store.apply([desired(f"m{n}") for n in range(1000)], prune=False, now=2.0)
    assert list(store.all()) == ["a"]


def test_a_database_that_another_process_holds_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.store.database.BUSY_SECONDS", 0.05)
    store = ModelStore(Database(path))
    other = Database(path)
    with other.transaction(), pytest.raises(ResourceError, match=r"held by another process for 0\.05 s: nothing was"):
        store.apply([desired("a")], prune=False, now=1.0)
    assert store.apply([desired("a")], prune=False, now=1.0)[0].change == "added"


def test_an_acknowledged_write_survives_kill_9(path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_store import desired
from headway.store.database import Database
from headway.store.models import ModelStore
store = ModelStore(Database(Path(sys.argv[1])))
for n in range(10**6):
    store.apply([desired(f"m{n}")], prune=False, now=float(n))
    print(n, flush=True)
"""
    here = str(Path(__file__).parent)
    child = subprocess.Popen([sys.executable, "-c", program, str(path), here], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(20)]
    os.kill(child.pid, signal.SIGKILL)
    rest = [int(line) for line in child.stdout.read().split() if line.strip()]
    child.wait()
    child.stdout.close()
    found = ModelStore(Database(path)).all()
    assert {f"m{n}" for n in [*acknowledged, *rest]} <= found.keys()


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(HeadwayError, match=r"written by a newer Headway \(schema 99"):
        Database(path)


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(HeadwayError, match="cannot be used as Headway's database"):
        Database(path)


def test_the_journal_is_bounded_and_newest_first(path: Path) -> None:
    journal = Journal(Database(path), JournalLimits(decisions=10))
    for n in range(25):
        about = "chat" if n % 2 else "chat-abc123-0"
        journal.add_decisions(
            [Decision(about, Action.START, Reason.TOO_FEW_REPLICAS, f"number {n}", {"n": n})], float(n)
        )
    newest = journal.decisions(limit=100)
    assert [each.decision.numbers["n"] for each in newest] == list(range(24, 14, -1))
    assert {each.decision.object for each in journal.decisions_of("chat", 100)} == {"chat", "chat-abc123-0"}
    assert journal.decisions_of("cha", 100) == []


def test_a_secret_comes_from_the_environment_then_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateDir(tmp_path / "state").create()
    assert environment_name("secret:hf/token") == "HEADWAY_SECRET_HF_TOKEN"
    with pytest.raises(SecretError, match=r"secret:hf/token: not found; set HEADWAY_SECRET_HF_TOKEN .* or write it to"):
        resolve_secret("secret:hf/token", state)
    (state.secrets / "hf").mkdir()
    (state.secrets / "hf" / "token").write_text("from-file\n")
    assert resolve_secret("secret:hf/token", state) == "from-file"
    monkeypatch.setenv("HEADWAY_SECRET_HF_TOKEN", "from-environment")
    assert resolve_secret("secret:hf/token", state) == "from-environment"


@pytest.mark.parametrize("name", ["secret:", "secret:hf", "secret:../x/y", "secret:a/../b", "secret:/etc/passwd"])
def test_a_secret_name_cannot_leave_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="does not name a secret"):
        resolve_secret(name, StateDir(tmp_path))
