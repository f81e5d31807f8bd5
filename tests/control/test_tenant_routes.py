"""Tenants, keys and prices as the gateway is told them; and who may reach a gateway that has no Tenant."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from headway.control.desire import Desire
from headway.control.routes import key_entries, routes, tenant_rules
from headway.control.settings import ControlSettings
from headway.errors import SpecError, UsageError
from headway.gateway.table import KeyEntry, RoutingTable, TenantRule, TokenPrice, read_table, write_table
from headway.paths import StateDir
from headway.policy.admission import Ceiling, ceilings
from headway.policy.budget import Limit
from headway.spec.model import Model, Price, Routing
from headway.spec.revision import Pinned, Revision
from headway.spec.tenant import Allowance, Budget, Data, Limits, Tenant
from headway.store.database import Database
from headway.store.desired import DesiredState
from headway.store.models import DesiredModel

SOURCE = "builtin://smollm2-135m-instruct"
WHOLE = Tenant(
    name="team",
    models=("chat", "embed-*"),
    limits=Limits(rpm=60, tpm=1000, parallel=4),
    budget=Budget(day=Allowance(5000, "tokens"), month=Allowance(7_000_000, "micros")),
    priority="low",
    weight=2.0,
    data=Data(log="none"),
    cache="shared",
)


def test_a_tenant_becomes_a_rule_that_admission_reads() -> None:
    (rule,) = tenant_rules([WHOLE])
    assert rule == TenantRule(
        name="team",
        models=("chat", "embed-*"),
        rpm=60,
        tpm=1000,
        parallel=4,
        day_tokens=5000,
        month_micros=7_000_000,
        priority="low",
        weight=2.0,
        isolated=False,
        log="none",
        answers="none",
    )
    assert set(ceilings(rule)) == {
        Ceiling(Limit.RPM, 60),
        Ceiling(Limit.TPM, 1000),
        Ceiling(Limit.PARALLEL, 4),
        Ceiling(Limit.DAY_TOKENS, 5000),
        Ceiling(Limit.MONTH_MICROS, 7_000_000),
    }
    assert tenant_rules([Tenant(name="b"), Tenant(name="a")]) == (TenantRule("a"), TenantRule("b"))


def test_the_table_file_holds_hashes_and_comes_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    state = DesiredState(database)
    state.apply([], [WHOLE], prune=False, origin="f", now=0.0)
    made = state.keys.new("team", now=0.0, models=["chat"], lasts=100.0)
    gone = state.keys.new("team", now=0.0)
    state.keys.revoke(gone.key.id, 1.0)
    entries = key_entries(state.keys.all(), {"team"}, 50.0)
    assert entries == (KeyEntry(made.key.sha256, made.key.id, "team", ("chat",), 100.0),)
    assert key_entries(state.keys.all(), {"team"}, 100.0) == ()
    assert key_entries(state.keys.all(), set(), 50.0) == (), "of no Tenant that there is"
    table = RoutingTable(3, (), tenant_rules([WHOLE]), entries)
    write_table(tmp_path / "table.json", table)
    assert read_table(tmp_path / "table.json") == table
    assert made.secret.encode() not in (tmp_path / "table.json").read_bytes()
    database.close()


def test_a_table_without_tenants_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"models": [{"name": "chat", "endpoints": [{"url": "http://127.0.0.1:1"}]}]}')
    table = read_table(tmp_path / "t")
    assert (table.tenants, table.keys, table.models[0].policy, table.models[0].price) == (
        (),
        (),
        "predicted_latency",
        None,
    )
    assert msgspec.json.decode(msgspec.json.encode(table), type=RoutingTable) == table


@pytest.mark.parametrize(
    ("price", "told"),
    [
        (None, None),
        (Price(input=10), TokenPrice(10, 10, 10)),
        (Price(input=10, output=40), TokenPrice(10, 10, 40)),
        (Price(input=10, cached=0, output=0), TokenPrice(10, 0, 0)),
    ],
)
def test_a_model_carries_its_price_and_policy(price: Price | None, told: TokenPrice | None) -> None:
    model = Model(name="chat", source=SOURCE, price=price, routing=Routing(policy="least_request"))
    wanted = DesiredModel(model, Revision("chat", "llamacpp", Pinned(SOURCE), "chat"), {})
    (found,) = routes({"chat": wanted}, (), (), {})
    assert (found.price, found.policy) == (told, "least_request")


@pytest.mark.parametrize(
    ("host", "is_open"),
    [
        *(("127.0.0.1", False), ("127.8.8.8", False), ("::1", False), ("localhost", False)),
        *(("0.0.0.0", True), ("::", True), ("10.0.0.7", True), ("box.example.com", True)),
    ],
)
def test_which_addresses_others_can_reach(host: str, is_open: bool, tmp_path: Path) -> None:
    assert ControlSettings(StateDir(tmp_path), host=host).is_open_to_others is is_open


@pytest.fixture
def desire(tmp_path: Path) -> Any:
    """Of a control process whose gateway others can reach; nothing runs, so what is not refused goes no further."""
    database = Database(tmp_path / "db")
    state = DesiredState(database)
    control: Any = SimpleNamespace(wanted=state, models=state.models, apps=state.apps)
    yield Desire(control, ControlSettings(StateDir(tmp_path), host="10.0.0.7")), state
    database.close()


async def test_a_gateway_without_tenants_is_not_opened_to_others(desire: Any) -> None:
    asked, state = desire
    with pytest.raises(UsageError, match=r"without a Tenant whoever reaches 10\.0\.0\.7 could use every Model"):
        await asked.apply([Model(name="chat", source=SOURCE)], [], prune=False, origin="f")
    assert state.models.all() == {}
    wanted = DesiredModel(Model(name="chat", source=SOURCE), Revision("chat", "llamacpp", Pinned(SOURCE), "chat"), {})
    state.apply([wanted], [Tenant(name="team")], prune=False, origin="f", now=0.0)
    with pytest.raises(UsageError, match="the last Tenant stays"):
        await asked.remove("team", 0.0)
    assert list(state.tenants.all()) == ["team"]


async def test_what_is_wanted_already_is_looked_at_too(desire: Any) -> None:
    asked, state = desire
    wanted = DesiredModel(Model(name="chat", source=SOURCE), Revision("chat", "llamacpp", Pinned(SOURCE), "chat"), {})
    state.apply([wanted], [], prune=False, origin="f", now=0.0)
    money = Tenant(name="team", budget=Budget(day=Allowance(5_000_000, "micros")))
    with pytest.raises(SpecError, match=r"team\.budget\.day: found 5 USD, but the Model chat has no price"):
        await asked.apply([], [money], prune=False, origin="f")
    with pytest.raises(SpecError, match="chat is the name of a Model and of a Tenant"):
        await asked.apply([], [Tenant(name="chat")], prune=False, origin="f")
    assert state.tenants.all() == {}
