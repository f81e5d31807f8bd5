"""Tenants and keys by the command, against a real control process; and keys when none runs."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from headway.gateway.table import RoutingTable, read_table
from headway.paths import StateDir
from headway.policy.budget import Amounts
from headway.store.database import Database
from headway.store.keys import hash_key
from headway.store.ledger import Ledger, Use
from tests.support.running import Headway, eventually

MODEL = "kind: Model\nname: chat\nsource: builtin://mock\nengine: mock\ntask: chat\n"
TENANT = """kind: Tenant
name: research
members: [ana]
models: [chat]
limits: {rpm: 600, parallel: 4}
budget: {day: 2M}
"""
TENANT_ALONE = "kind: Tenant\nname: research\n"


def table(headway: Headway) -> RoutingTable:
    return read_table(StateDir(headway.state).table)


def keys(headway: Headway, *arguments: str) -> Any:
    done = headway.run("key", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def serving(headway: Headway) -> Headway:
    said = headway.up_ok(headway.model_file("both.yaml", f"{TENANT}---\n{MODEL}"))
    assert "research  tenant  added" in said
    assert "Give it a key: headway key new research" in said
    return headway


def test_a_tenant_is_applied_shown_changed_and_removed(serving: Headway) -> None:
    assert [(each.name, each.rpm, each.day_tokens) for each in table(serving).tenants] == [("research", 600, 2_000_000)]
    listed = serving.run("ls").stdout
    assert "research" in listed
    assert "rpm 600, parallel 4" in listed
    assert [each["name"] for each in serving.ls()] == ["chat"], "the array of models stays one of models"
    (tenant,) = json.loads(serving.run("ls", "--tenants", "--json").stdout)
    assert (tenant["limits"], tenant["keys"], tenant["day"]["left"]) == ({"rpm": 600, "parallel": 4}, 0, 2_000_000)
    told = serving.run("status", "research").stdout
    assert told.startswith("research  tenant, priority normal, weight 1, 0 valid keys\nmembers: ana\nmodels: chat\n")
    assert "2000000 tokens left of 2M" in told
    assert told.endswith("next: headway key new research\n")
    changed = serving.model_file("tenant.yaml", TENANT.replace("600", "60"))
    assert "research  tenant  changed" in serving.up_ok(changed)
    assert [each["name"] for each in serving.ls()] == ["chat"]
    assert "research  tenant  unchanged" in serving.up_ok(changed, "--prune")
    assert [each["name"] for each in serving.ls()] == ["chat"], "a file of Tenants prunes no Models"
    assert table(serving).tenants[0].rpm == 60
    assert serving.run("down", "research").stdout == "research  removed\n"
    assert table(serving).tenants == ()
    assert serving.run("ls", "--tenants").stderr == "no tenants: whoever reaches the gateway may use it\n"
    assert serving.status("chat")["state"] == "ready"


def test_a_key_is_made_listed_replaced_and_revoked(serving: Headway) -> None:
    made = serving.run("key", "new", "research", "--name", "ci", "--models", "chat", "--expires", "90d")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert secret.startswith("hw-")
    assert made.stdout.count("\n") == 1, "the key alone, so that a script can take it"
    assert "this is the only time that it is shown" in made.stderr
    (entry,) = table(serving).keys
    assert (entry.sha256, entry.tenant, entry.models) == (hash_key(secret), "research", ("chat",))
    (listed,) = keys(serving, "ls")
    assert (listed["id"], listed["name"], listed["state"]) == (entry.id, "ci", "active")
    shown = serving.run("key", "ls", "research").stdout
    assert "in 90 days" in shown
    assert secret not in shown
    explained = serving.run("explain", "research").stdout
    assert "1 valid key" in explained
    assert entry.id in explained
    rotated = keys(serving, "rotate", entry.id, "--grace", "1h")
    assert {each.id for each in table(serving).keys} == {entry.id, rotated["key"]["id"]}, "both, for an hour"
    assert [each["state"] for each in keys(serving, "ls")] == ["replaced", "active"]
    revoked = serving.run("key", "revoke", rotated["key"]["id"])
    assert revoked.stdout == f"{rotated['key']['id']}  revoked  (research)\n"
    assert {each.id for each in table(serving).keys} == {entry.id}
    serving.run("down", "research")
    assert {each["state"] for each in keys(serving, "ls")} == {"revoked"}
    assert secret not in (serving.state / "logs" / "control.log").read_text()


def test_what_was_used_is_told(serving: Headway) -> None:
    database = Database(StateDir(serving.state).database)
    with Ledger(database).books(json.loads(serving.run("ls", "--tenants", "--json").stdout)[0]["since"]) as books:
        books.enlist("w", "here")
        books.settle([Use("research", "w", Amounts(3, 0, 1200, 4500))])
    database.close()
    told = serving.run("status", "research").stdout
    assert "3 requests, 1200 tokens, 0.004500 USD; 1998800 tokens left of 2M" in told
    assert "1200 tokens, 0.004500 USD" in serving.run("ls", "--tenants").stdout


def test_a_budget_in_money_without_a_price_changes_nothing(serving: Headway) -> None:
    path = serving.model_file("money.yaml", TENANT.replace("2M", "5 USD"))
    done = serving.up(path)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"error: {path}:2: research.budget.day: found 5 USD, but the Model chat has no price; write"
    )
    assert table(serving).tenants[0].day_tokens == 2_000_000


def test_keys_are_kept_by_a_store_without_a_control_process(serving: Headway) -> None:
    serving.run("down")
    assert eventually(lambda: serving.processes() == [])
    made = serving.run("key", "new", "research")
    assert made.returncode == 0
    assert "no Headway is running here: it counts from the next headway up on" in made.stderr
    (listed,) = keys(serving, "ls")
    assert listed["state"] == "active", "down ends what runs; tenants and keys stay"
    serving.up_ok(serving.model_file("model.yaml", MODEL))
    assert [each.id for each in table(serving).keys] == [listed["id"]]
    assert [each.name for each in table(serving).tenants] == ["research"]


def test_a_revocation_that_the_gateway_cannot_hear_says_so(serving: Headway) -> None:
    made = keys(serving, "new", "research")["key"]["id"]
    os.kill(serving.control_pid(), signal.SIGKILL)
    assert eventually(lambda: serving.run("ls").returncode == 3)
    done = serving.run("key", "revoke", made)
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "the control process was killed: the gateway goes on with the keys it knows until headway up\n"
    )
    assert [each.id for each in table(serving).keys] == [made]
    serving.up_ok(serving.model_file("model.yaml", MODEL))
    assert table(serving).keys == ()


def test_an_up_that_fails_takes_its_tenants_back(headway: Headway) -> None:
    path = headway.model_file("broken.yaml", f"{TENANT_ALONE}---\n{MODEL}args: {{exit-at-start: 3}}\n")
    assert headway.up(path).returncode == 1
    assert eventually(lambda: headway.processes() == [])
    headway.up_ok(headway.model_file("model.yaml", MODEL))
    assert json.loads(headway.run("ls", "--tenants", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["new", "nobody"], "no tenant 'nobody' here; write kind: Tenant into a file, and headway up it"),
        (["revoke", "x"], "no key 'x' here; headway key ls names them by id"),
        (["rotate", "x", "--grace", "soon"], "--grace: found 'soon'; write a duration like 500ms, 10m or 1h30m"),
        (["new", "a", "--expires", "90"], "--expires: found '90', which has no unit; write a duration like 500ms, 10m "
                                          "or 1h30m"),
        (["new", "a", "--models", "My Model"],
         "--models: found 'My Model'; write the name of a model, or a pattern like embed-*"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(headway: Headway, arguments: list[str], error: str) -> None:
    done = headway.run("key", *arguments)
    assert (done.returncode, done.stderr) == (2, f"error: {error}\n")


def test_no_keys_is_said(headway: Headway, tmp_path: Path) -> None:
    done = headway.run("key", "ls")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no keys; make one: headway key new TENANT\n")
    assert keys(headway, "ls") == []
