"""docs/mock-engine.md knows every flag, profile, fault, path and metric, and its table says what the profiles are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from headway.engines import mock_faults, mock_options
from headway.engines.mock_profile import PROFILES, Profile
from tests.support.mock_engine import engines

PAGE = (Path(__file__).parents[2] / "docs/mock-engine.md").read_text()


def test_every_flag_fault_and_field_is_documented() -> None:
    flags = {flag for action in mock_options.parser()._actions for flag in action.option_strings} - {"-h", "--help"}
    assert len(flags) > 30
    assert {flag for flag in flags if not re.search(rf"`[^`]*{flag}\b", PAGE)} == set()
    assert [kind for kind in get_args(mock_faults.Kind) if kind not in PAGE] == []
    assert [field for field in Profile.__struct_fields__ if f"`{field}`" not in PAGE] == []


def test_the_table_of_profiles_is_true() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.M)
    assert [row[0] for row in rows] == list(PROFILES)
    for name, base, prefill, *sizes in rows:
        known = PROFILES[name]
        assert float(base.split()[0]) / 1000 == known.step_base
        speed = int(prefill.split()[0].replace(",", ""))
        assert known.per_prefill_token == (1 / speed if speed else 0)
        said = [int(size.replace(",", "")) for size in sizes]
        assert said == [known.kv_tokens, known.max_batched_tokens, known.max_model_len]


async def test_every_metric_is_documented_and_every_documented_path_is_there() -> None:
    async with engines() as to:
        names = re.findall(r"^# TYPE (\S+)", await to.get("/metrics"), re.M)
        assert len(names) > 15
        assert [name for name in names if f"`{name}`" not in PAGE] == []
        listed = PAGE.partition("## Endpoints")[2].partition("Metrics have")[0]
        for path in re.findall(r"`(/[\w/]+)`", listed):
            answers = [await to.post(path, {}), (200, await to.get(path))]
            assert any("here" not in str(answer) for _, answer in answers), path
