"""`headway key … --on CLUSTER`: what a person types and sees."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_double import ApiDouble, tenant
from tests.support.gateway import ROOT


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiDouble]:
    made = await ApiDouble(tmp_path).start()
    await made.put(tenant("acme"))
    yield made
    await made.stop()


async def headway(api: ApiDouble, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"KUBECONFIG": str(api.kubeconfig), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    env |= {"HEADWAY_STATE_DIR": str(api.kubeconfig.parent / "state")}
    argv = [sys.executable, "-m", "headway", *arguments]
    return await asyncio.to_thread(
        lambda: subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    )


async def test_the_life_of_a_key_on_a_cluster(api: ApiDouble) -> None:
    made = await headway(api, "key", "new", "acme", "--name", "ci", "--expires", "90d", "--on", "double")
    assert made.returncode == 0, made.stderr
    secret, key_id = made.stdout.strip(), made.stdout.strip().split("-")[1]
    assert f"key {key_id} of tenant acme; this is the only time that it is shown" in made.stderr

    listed = json.loads((await headway(api, "key", "ls", "--json", "--on", "double")).stdout)
    assert [(each["id"], each["name"], each["state"]) for each in listed] == [(key_id, "ci", "active")]
    assert secret not in json.dumps(listed)
    assert key_id in (await headway(api, "key", "ls", "acme", "--on", "double")).stdout

    rotated = await headway(api, "key", "rotate", key_id, "--grace", "0s", "--json", "--on", "double")
    second = json.loads(rotated.stdout)["key"]["id"]
    gone = await headway(api, "key", "revoke", second, "--on", "double")
    assert gone.stdout == f"{second}  revoked  (acme)\n"
    assert not (api.kubeconfig.parent / "state" / "headway.db").exists()  # nothing of it is kept on this machine


async def test_what_cannot_be_is_one_line(api: ApiDouble) -> None:
    nobody = await headway(api, "key", "new", "nobody", "--on", "double")
    assert (nobody.returncode, nobody.stderr) == (2, "error: no tenant 'nobody' here; tenants: acme\n")
    await api.stop()
    away = await headway(api, "key", "ls", "--on", "double")
    assert away.returncode == 3
    assert away.stderr.startswith(f"error: the API server at http://127.0.0.1:{api.port} does not answer")
