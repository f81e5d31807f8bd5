"""Tenants that want the same namespace, or Headway's own."""

from __future__ import annotations

from headway.control.operator.passes import Passes
from headway.control.operator.settings import OperatorSettings
from headway.policy.decision import Reason
from headway.wire.kube.manifest import Manifest, ref
from tests.control.operator.test_operator_copies import Watched, own


def tenant(name: str, space: str, second: int) -> Manifest:
    made = own("Tenant", name, "headway", f"2026-01-01T00:00:{second:02}Z")
    return made | {"spec": {"namespace": space}}


def test_of_two_tenants_of_one_namespace_the_first_has_it() -> None:
    watched = Watched()
    ana, ben = tenant("ana", "research", 1), tenant("ben", "research", 2)
    watched.put(ana)
    assert watched.put(ben) == ["Tenant headway/ana", "Tenant headway/ben"]
    passes = Passes(watched.copies, OperatorSettings("me"))
    assert passes.plan(ana).apply
    told = passes.plan(ben)
    assert told.apply == ()
    assert told.conditions[0].reason is Reason.NAME_TAKEN
    watched.put(ana, gone=True)
    assert passes.plan(ben).apply


def test_headways_own_namespace_is_no_tenants() -> None:
    watched = Watched()
    made = tenant("ana", "headway", 1)
    watched.put(made)
    told = Passes(watched.copies, OperatorSettings("me")).plan(watched.copies.own(ref(made)) or {})
    assert told.apply == ()
    assert told.conditions[0].reason is Reason.SPEC_INVALID
