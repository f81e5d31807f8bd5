"""`gpu:` as a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.spec.fault import Fault
from headway.spec.gpu import GPU_FORM, GpuWish, format_gpu, parse_gpu
from tests.support.spec import attempt

READ: list[tuple[str | float, GpuWish | None, str]] = [
    ("cpu", None, "cpu"),
    ("auto", GpuWish(optional=True), "auto"),
    (1, GpuWish(), "1"),
    ("2", GpuWish(count=2), "2"),
    (1.0, GpuWish(), "1"),
    (0.5, GpuWish(fraction=0.5), "0.5"),
    ("H100", GpuWish(product="H100"), "H100"),
    ("H100:2", GpuWish(count=2, product="H100"), "H100:2"),
    ("RTX 4090", GpuWish(product="RTX 4090"), "RTX 4090"),
    ("A100-80GB:8", GpuWish(count=8, product="A100-80GB"), "A100-80GB:8"),
    ("24GB..", GpuWish(min_memory_bytes=24 * 10**9), "24GB.."),
    ("24GiB..", GpuWish(min_memory_bytes=24 * 2**30), "24GiB.."),
    ("mig-1g.10gb", GpuWish(mig_profile="mig-1g.10gb"), "mig-1g.10gb"),
    ("mig-1g.10gb+me", GpuWish(mig_profile="mig-1g.10gb+me"), "mig-1g.10gb+me"),
]

REFUSED: list[tuple[str | float, str]] = [
    ("atuo", "found 'atuo'; did you mean auto?"),
    ("none", f"found 'none'; {GPU_FORM}"),
    ("", f"found ''; {GPU_FORM}"),
    (True, f"found true; {GPU_FORM}"),
    (-1, f"found -1; {GPU_FORM}"),
    (0, "found '0'; write 1 to 128 GPUs, or cpu for none"),
    (1.5, "found 1.5; write whole GPUs (1, 2) or a share of one below 1 (0.5)"),
    ("H100:0", "found 'H100:0'; write 1 to 128 GPUs, or cpu for none"),
    ("H100:999", "found 'H100:999'; write 1 to 128 GPUs, or cpu for none"),
    ("24GB", "found '24GB'; write 24GB.. for a GPU with at least that much memory"),
    ("24..", "found '24..'; write the least memory of the GPU like 24GB.."),
    ("mig-1g", "found 'mig-1g'; write a MIG profile as the driver names it, like mig-1g.10gb"),
]


@pytest.mark.parametrize(("text", "wish", "canonical"), READ)
def test_reads(text: str | float, wish: GpuWish | None, canonical: str) -> None:
    assert parse_gpu(text) == wish
    assert format_gpu(wish) == canonical
    assert parse_gpu(canonical) == wish


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses_with_the_accepted_form(text: str | float, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_gpu(text)
    assert str(caught.value) == message


@given(st.text(max_size=30) | st.from_regex(r"[A-Za-z0-9.:+ -]{1,20}", fullmatch=True))
def test_any_text_is_refused_or_comes_back(text: str) -> None:
    wish = attempt(lambda: parse_gpu(text))
    if isinstance(wish, ValueError):
        assert isinstance(wish, Fault)
        assert len(str(wish).splitlines()) == 1
    else:
        assert parse_gpu(format_gpu(wish)) == wish


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.5", "0.5 of a GPU"),
        ("H100:2", "2 x H100"),
        ("24GB..", "1 x GPU of at least 24GB"),
        ("mig-1g.10gb", "1 x mig-1g.10gb"),
    ],
)
def test_says_what_is_asked(text: str, words: str) -> None:
    assert str(parse_gpu(text)) == words
