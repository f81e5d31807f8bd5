"""The reference page of the user's file, written from the JSON Schema: `make docs` puts it at docs/reference.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from headway.spec.document import API_VERSION
from headway.spec.fault import written
from headway.spec.kinds import LATER_KINDS
from headway.spec.schema import json_schema
from headway.spec.units import format_duration, format_size
from headway.spec.wording import LATER_FIELDS

__all__ = ["render"]

_HEAD = """\
# The file

Generated from the schema by `make docs`; change `headway/spec/about.py`, not this page.

A file holds one or more documents, parted by a line `---`, in any order. This is a whole file:

```yaml
kind: Model
name: chat
source: builtin://smollm2-135m-instruct
```

An unknown key is an error that names the file, the line and the nearest right key. A field that is left out is derived,
and `headway explain NAME` says how. For completion and checks in an editor: `headway schema --out headway.schema.json`,
and as the first line of the file `# yaml-language-server: $schema=headway.schema.json`.
"""

_TAIL = """\
## Units

Numbers that have a unit are written with it: durations `500ms`, `10m`, `1h30m`; sizes `24GB` (10^9) or `1.5GiB` (2^30),
also in Kubernetes' spelling (`24G`, `1.5Gi`). Cores are plain numbers or thousandths: `2`, `0.5`, `500m`.
Counts are plain or with k, M, G (powers of 1000): `500`, `200k`. Rates are `20/s` or `600/min`. Money is in USD, which
may be left out: `50 USD`, and `0.15/1M` for a million tokens.

## Secrets

`secret:NAME/KEY` in `env` names a secret; [models and sources](models.md#secrets) says where it is read from.
What looks like a credential written out is an error.

## As a Kubernetes object

The same fields under `spec`; both forms load, side by side in one file too.

```yaml
apiVersion: {version}
kind: Model
metadata: {{name: chat}}
spec:
  source: builtin://smollm2-135m-instruct
```

On a cluster a Model has one field more, `spec.scale`: how many Replicas run now, whatever `replicas` says. It is what
`kubectl scale`, autoscalers and people write; what `kubectl get -o yaml` prints loads with it, and it is passed over.

## Not in this version

Kinds {kinds}, and of a Model {fields}: an error says so.
"""


_TYPES = {"string": "text", "object": "mapping", "array": "list", "boolean": "true or false"}
_OTHERS = {"Replicas": "number or range", "Length": "number, range or mapping", "Pause": "text or mapping"}
"""Whose values need not be mappings."""
_FORMS: dict[str, Callable[[Any], str]] = {"size": format_size, "duration": format_duration}
"""By the first word of a unit."""


def render() -> str:
    parts = json_schema()["$defs"]
    model = parts["Model"]["properties"]
    tables = "\n".join(
        "\n".join(lines)
        for lines in (
            _section("Model", "", parts["Model"], {}),
            _section("Slo", "slo.", parts["Slo"], {}),
            _section("Price", "price.", parts["Price"], {}),
            _section("Routing", "routing.", parts["Routing"], {}),
            _section("Cache", "cache.", parts["Cache"], {}),
            _section("ResponseCache", "cache.responses.", parts["ResponseCache"], {}),
            _section("EmbeddingCache", "cache.embeddings.", parts["EmbeddingCache"], {}),
            _section("Deadlines", "deadlines.", parts["Deadlines"], {}),
            _section("Profile", "profiles.SITE.", parts["Profile"], model),
            _section("Variant", "variants.", parts["Variant"], model),
            _section("Tenant", "", parts["Tenant"], {}),
            _section("Limits", "limits.", parts["Limits"], {}),
            _section("Budget", "budget.", parts["Budget"], {}),
            _section("Data", "data.", parts["Data"], {}),
            _section("Quota", "quota.", parts["Quota"], {}),
            _section("Route", "", parts["Route"], {}),
            _section("Target", "to.", parts["Target"], {}),
            _section("Match", "match.", parts["Match"], {}),
            _section("Fallback", "fallback.", parts["Fallback"], {}),
            _section("Shadow", "shadow.", parts["Shadow"], {}),
            _section("App", "", parts["App"], {}),
            _section("AppProfile", "profiles.SITE.", parts["AppProfile"], parts["App"]["properties"], "App"),
            _section("Workload", "", parts["Workload"], {}),
            _section("Arrivals", "arrivals.", parts["Arrivals"], {}),
            _section("ArrivalStage", "arrivals.stages.", parts["ArrivalStage"], {}),
            _section("Length", "prompt.", parts["Length"], {}),
            _section("Prefix", "prefix.", parts["Prefix"], {}),
            _section("Sessions", "sessions.", parts["Sessions"], {}),
            _section("Pause", "sessions.think.", parts["Pause"], {}),
            _section("Cancel", "cancel.", parts["Cancel"], {}),
            _section("Objectives", "slo.", parts["Objectives"], {}),
            _section("Part", "mix.", parts["Part"], parts["Workload"]["properties"], "Workload"),
            _section("TraceFile", "trace.", parts["TraceFile"], {}),
            _section("Site", "", parts["Site"], {}),
            _section("GpuPrice", "prices.", parts["GpuPrice"], {}),
            _section("SpotPrice", "prices.spot.", parts["SpotPrice"], {}),
            _section("Stock", "inventory.", parts["Stock"], {}),
            _section("Spot", "inventory.spot.", parts["Spot"], {}),
        )
    )
    kinds, fields = (", ".join(f"`{each}`" for each in names) for names in (LATER_KINDS, LATER_FIELDS))
    return f"{_HEAD}\n{tables}\n{_TAIL.format(version=API_VERSION, kinds=kinds, fields=fields)}"


def _section(name: str, prefix: str, part: dict[str, Any], said: dict[str, Any], by: str = "Model") -> Iterator[str]:
    """A table of the fields. `said`: fields that another table, that `by` its name, has told of already."""
    yield f"## {name}\n\n{part['description']}\n"
    yield "| field | type | unit | default | example | meaning |"
    yield "|---|---|---|---|---|---|"
    for key, field in _properties(part).items():
        first, *more = [f"`{written(each)}`" for each in field["examples"]]
        told = key in said
        examples = first if told else "<br>".join([first, *more])
        meaning = f"As the {by}'s `{key}`." if told else field["description"]
        default = "required" if key in part.get("required", ()) else _default(field)
        cells = (f"`{prefix}{key}`", _type(field), field.get("x-unit", ""), default, examples, meaning)
        yield "| " + " | ".join(cells) + " |"
    yield ""


def _properties(part: dict[str, Any]) -> dict[str, Any]:
    """Its fields, also where it may be a plain value instead."""
    forms = [part, *part.get("anyOf", ())]
    found: dict[str, Any] = next(each["properties"] for each in forms if "properties" in each)
    return found


def _default(field: dict[str, Any]) -> str:
    found = field.get("default")
    form = _FORMS.get(field.get("x-unit", "").partition(":")[0])
    if form is not None and isinstance(found, int | float):
        return f"`{form(found)}`"
    return f"`{written(found)}`" if found not in (None, []) else ""


def _type(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return _OTHERS.get(name, "mapping") + ("" if name == "Replicas" else f", see [{name}](#{name.lower()})")
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"])
    return _TYPES.get(field["type"], "number")
