"""Durations, sizes, cores, counts and money as people write them: `1h30m`, `1.5GiB`, `500m`, `200k`, `50 USD`.

Inside the code times are seconds, sizes bytes, cpu cores and money millionths; units appear only at the edge, and this
is the edge. `parse_*` raises Fault with the accepted form; `format_*` writes the shortest text that parses back to the
very same number (arithmetic is decimal, so 1.1GB is 1100000000 bytes and not one less).
GB is 10^9, GiB is 2^30; Kubernetes' own spellings (Gi, G) are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from headway.spec.fault import Fault, describe

__all__ = [
    "format_cpu",
    "format_duration",
    "format_money",
    "format_price",
    "format_quantity",
    "format_size",
    "parse_cpu",
    "parse_duration",
    "parse_money",
    "parse_price",
    "parse_quantity",
    "parse_size",
]

DURATION_FORM = "write a duration like 500ms, 10m or 1h30m"
SIZE_FORM = "write a size like 24GB, 512MB or 1.5GiB"
CPU_FORM = "write cores like 2, 0.5 or 500m"
QUANTITY_FORM = "write a count like 500, 200k or 1.5M"
MONEY_FORM = "write money like 50 USD or 0.5"
PRICE_FORM = "write money for a number of tokens, like 0.15/1M"
CURRENCY = "USD"
"""The one currency of this version's Sites; sums of several would mean nothing."""

LARGEST_SIZE = 10**15
"""Bytes; more is a slip of the keyboard, and decimal arithmetic on it would no longer be exact."""

_SECONDS = {"d": Decimal(86400), "h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_BYTES = {
    "B": Decimal(1),
    **{f"{letter}B": Decimal(1000**power) for power, letter in enumerate("kMGT", 1)},
    **{f"{letter}iB": Decimal(1024**power) for power, letter in enumerate("KMGT", 1)},
}
_COUNTS = {"": Decimal(1), "k": Decimal(1000), "M": Decimal(1000**2), "G": Decimal(1000**3)}
_SPELLINGS = {"KB": "kB"} | {unit.removesuffix("B"): unit for unit in _BYTES if unit != "B"}
_MEANT = {spelling.casefold(): unit for unit in _BYTES for spelling in (unit.removesuffix("B"), unit) if spelling}

_NUMBER = r"(\d{1,15}(?:\.\d{1,30})?)"
_DURATION_PART = re.compile(_NUMBER + r"(ms|[dhms])")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")
_WITH_UNIT = re.compile(_NUMBER + r" ?([A-Za-z]*)")
_CPU = re.compile(_NUMBER + r"(m?)")
_MONEY = re.compile(_NUMBER + r"(?: ?([A-Za-z$€£]+))?")
_MICRO = Decimal(1_000_000)


def parse_duration(text: str) -> float:
    """Seconds. Several parts go from large to small, each unit once."""
    if not _DURATION.fullmatch(text):
        raise Fault(_found(text), DURATION_FORM)
    parts = _DURATION_PART.findall(text)
    units = [list(_SECONDS).index(unit) for _, unit in parts]
    if units != sorted(set(units)):
        raise Fault(_found(text), "write the parts of a duration from large to small, like 1h30m")
    return float(sum((Decimal(number) * _SECONDS[unit] for number, unit in parts), Decimal(0)))


def format_duration(seconds: float) -> str:
    exact = Decimal(repr(float(seconds)))
    if exact < 1 and exact and not exact * 1000 % 1:
        return f"{_plain(exact * 1000)}ms"
    written = ""
    for unit in ("d", "h", "m"):
        many, exact = divmod(exact, _SECONDS[unit])
        written += f"{_plain(many)}{unit}" if many else ""
    return written + (f"{_plain(exact)}s" if exact or not written else "")


def parse_size(text: str) -> int:
    """Bytes, rounded to a whole one."""
    match = _WITH_UNIT.fullmatch(text)
    number, unit = (match[1], _SPELLINGS.get(match[2], match[2])) if match else ("", "")
    if unit not in _BYTES:
        # 24gb is GB to whoever wrote it; but Headway does not guess, it says so.
        meant = _MEANT.get(unit.casefold())
        raise Fault(_found(text), f"did you mean {number}{meant}?" if meant else SIZE_FORM)
    size = round(Decimal(number) * _BYTES[unit])
    if size > LARGEST_SIZE:
        raise Fault(f"{_found(text)}, more than any machine has", SIZE_FORM)
    return size


def format_size(size: int) -> str:
    return _shortest(size, _BYTES)


def parse_cpu(text: str | float) -> float:
    """Cores: a plain number, or thousandths with `m`."""
    match = _CPU.fullmatch(str(text))
    if match is None or isinstance(text, bool):
        raise Fault(f"found {describe(text)}", CPU_FORM)
    return float(Decimal(match[1]) / (1000 if match[2] else 1))


def format_cpu(cores: float) -> str:
    exact = Decimal(repr(float(cores)))
    return f"{_plain(exact * 1000)}m" if exact % 1 and not exact * 1000 % 1 else _plain(exact)


def parse_quantity(text: str | int) -> int:
    """How many: a plain whole number, or with k, M or G (powers of 1000)."""
    match = _WITH_UNIT.fullmatch(str(text))
    if match is None or match[2] not in _COUNTS or isinstance(text, bool):
        raise Fault(f"found {describe(text)}", QUANTITY_FORM)
    count = Decimal(match[1]) * _COUNTS[match[2]]
    if count % 1:
        raise Fault(f"found {describe(text)}, which is no whole number", QUANTITY_FORM)
    return int(count)


def format_quantity(count: int) -> str:
    return _shortest(count, _COUNTS)


def parse_money(text: str | float) -> int:
    """Micro-money: millionths. A plain number is in the Site's currency."""
    match = _MONEY.fullmatch(str(text))
    if match is None or isinstance(text, bool):
        raise Fault(f"found {describe(text)}", MONEY_FORM)
    if match[2] not in (None, CURRENCY):
        raise Fault(f"found {describe(text)}", f"the currency here is {CURRENCY}: {MONEY_FORM}")
    micros = Decimal(match[1]) * _MICRO
    if micros % 1 or micros > LARGEST_SIZE:
        raise Fault(f"found {describe(text)}, finer than a millionth or too much", MONEY_FORM)
    return int(micros)


def format_money(micros: int) -> str:
    return f"{_plain(micros / _MICRO)} {CURRENCY}"


def parse_price(text: str) -> int:
    """Micro-money for a million tokens."""
    money, slash, count = text.partition("/")
    try:
        micros, tokens = parse_money(money.strip()), parse_quantity(count.strip()) if slash else 0
    except Fault as fault:
        raise Fault(f"found {describe(text)}", fault.hint if "currency" in fault.hint else PRICE_FORM) from None
    if tokens <= 0:
        raise Fault(f"found {describe(text)}", PRICE_FORM)
    price = Decimal(micros) * _MICRO / tokens
    if price % 1:
        raise Fault(f"found {describe(text)}, finer than a millionth for 1M tokens", PRICE_FORM)
    return int(price)


def format_price(micros: int) -> str:
    return f"{_plain(micros / _MICRO)}/1M"


def _shortest(number: int, weights: Mapping[str, Decimal]) -> str:
    """The shortest exact form with at most three decimals; of two as short, the one with the larger unit."""
    forms = [f"{number}{next(iter(weights))}"]
    for unit, weight in weights.items():
        value = number / weight
        if value >= 1 and not value * 1000 % 1:
            forms.append(_plain(value) + unit)
    return min(reversed(forms), key=len)


def _plain(number: Decimal) -> str:
    """Without an exponent and without zeros that say nothing."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _found(text: str) -> str:
    match = _WITH_UNIT.fullmatch(text)
    return f"found {describe(text)}" + (", which has no unit" if match and not match[2] else "")
