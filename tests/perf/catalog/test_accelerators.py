"""Accelerators by any name, slices of them, and figures that data sheets have."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator, accelerators, aliases, slice_of


@pytest.mark.parametrize(
    ("name", "memory_gb", "bandwidth", "bf16", "fp8", "link"),
    [  # nominal memory and dense figures of the vendors' data sheets
        ("T4", 16, 320, 65, None, 0),
        ("V100", 32, 900, 125, None, 150),
        ("A10", 24, 600, 125, None, 0),
        ("A10G", 24, 600, 70, None, 0),
        ("A30", 24, 933, 165, None, 0),
        ("A40", 48, 696, 149.7, None, 0),
        ("A100-80-SXM", 80, 2039, 312, None, 300),
        ("A100-40-SXM", 40, 1555, 312, None, 300),
        ("L4", 24, 300, 121, 242, 0),
        ("L40", 48, 864, 181, 362, 0),
        ("L40S", 48, 864, 362, 733, 0),
        ("RTX-4090", 24, 1008, 165, 330, 0),
        ("RTX-5090", 32, 1792, 209.5, 419, 0),
        ("H100-SXM", 80, 3350, 989, 1979, 450),
        ("H100-PCIe", 80, 2000, 756, 1513, 0),
        ("H100-NVL", 94, 3938, 835, 1671, 300),
        ("GH200", 96, 4000, 989, 1979, 0),
        ("H200", 141, 4800, 989, 1979, 450),
        ("B200", 180, 7700, 2250, 4500, 900),
        ("GB200", 186, 8000, 2500, 5000, 900),
        ("MI300X", 192, 5300, 1307, 2615, 448),
        ("MI355X", 288, 8000, 2517, 5033, 537.6),
        ("Gaudi-3", 128, 3700, 1835, 1835, 525),
        ("TPU-v5p", 95, 2765, 459, None, 600),
        ("TPU-v6e", 32, 1638, 918, None, 400),
    ],
)
def test_figures_are_those_of_the_data_sheets(
    name: str, *, memory_gb: float, bandwidth: float, bf16: float, fp8: float | None, link: float
) -> None:
    found = accelerator(name)
    assert memory_gb * 0.92 < found.memory / 2**30 <= memory_gb  # the driver keeps some, or the box counts otherwise
    assert (found.bandwidth / 1e9, found.link / 1e9) == (bandwidth, link)
    assert found.flops["bf16"] / 1e12 == pytest.approx(bf16, rel=0.002)
    assert found.flops.get("fp8", 0) / 1e12 == pytest.approx(fp8 or 0, rel=0.002)


def test_every_row_is_whole_and_says_where_it_is_from() -> None:
    every = accelerators()
    assert len(every) >= 35
    for name, each in every.items():
        assert each.name == name
        assert each.source
        assert min(each.memory, each.bandwidth, each.flops["bf16"], each.pcie, each.node, each.power) > 0
        known = [each.prices.on_demand, each.prices.neocloud, each.prices.spot]
        assert bool(each.prices.date) == any(price is not None for price in known), name
        assert (
            each.flops.get("fp8", 0) in (0, pytest.approx(2 * each.flops["bf16"], rel=0.02)) or each.vendor == "Intel"
        )


def test_names_are_forgiven() -> None:
    for name in ("H100", "h100_sxm", "NVIDIA-H100-80GB-HBM3", "NVIDIA H100 80GB HBM3", "h100-sxm"):
        assert accelerator(name).name == "H100-SXM"
    assert accelerator("NVIDIA-A10G").name == "A10G"
    assert accelerator("nvidia-l4").name == "L4"
    assert accelerator("tpu-v6e-slice").name == "TPU-v6e"


@pytest.mark.parametrize(
    ("told", "name"),
    [  # as drivers call them
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-16GB", "V100-SXM-16"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A100-SXM4-40GB", "A100-40-SXM"),
        ("NVIDIA A100-PCIE-40GB", "A100-40-PCIe"),
        ("NVIDIA A100-SXM4-80GB", "A100-80-SXM"),
        ("NVIDIA A100 80GB PCIe", "A100-80-PCIe"),
        ("NVIDIA RTX A6000", "RTX-A6000"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA H200", "H200-SXM"),
        ("NVIDIA H200 NVL", "H200-NVL"),
        ("NVIDIA B200", "B200-SXM"),
        ("NVIDIA GB200", "GB200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000-SE"),
        ("AMD Instinct MI300X", "MI300X"),
    ],
)
def test_the_drivers_names_are_known(told: str, name: str) -> None:
    assert accelerator(told).name == name


def test_every_name_leads_to_its_own_row() -> None:
    for name in accelerators():
        for each in (name, *aliases(name)):
            assert accelerator(each).name == name


def test_an_unknown_one_names_those_near() -> None:
    with pytest.raises(UsageError, match=r"no accelerator 'H300' is known; did you mean .*H100"):
        accelerator("H300")
    with pytest.raises(UsageError, match="see: headway catalog gpus"):
        accelerator("abacus")


@pytest.mark.parametrize("name", ["H100/3g.40gb", "h100_sxm/mig-3g.40gb"])
def test_a_slice_is_an_accelerator(name: str) -> None:
    whole, cut = accelerator("H100"), accelerator(name)
    assert cut.name == "H100-SXM/3g.40gb"
    assert (cut.memory * 2, cut.bandwidth * 2) == (whole.memory, whole.bandwidth)
    assert cut.flops["fp8"] == pytest.approx(whole.flops["fp8"] * 3 / 7)
    assert (cut.link, cut.node, cut.slices, cut.cut_from) == (0, 1, (), "H100-SXM")
    assert cut.prices.neocloud == pytest.approx(3.99 / 2)
    assert accelerator("mig-3g.40gb", of="H100") == cut


def test_a_slice_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"H200-SXM has no slice '3g.40gb'; it has 1g.18gb, .*3g.71gb"):
        accelerator("H200/3g.40gb")
    with pytest.raises(UsageError, match=r"L4 has no slice '1g.6gb'; it cannot be cut by MIG"):
        accelerator("L4/1g.6gb")


@pytest.mark.parametrize("name", [name for name, each in accelerators().items() if each.slices])
def test_slices_that_fit_together_take_and_cost_no_more_than_the_whole(name: str) -> None:
    whole = accelerator(name)
    for each in whole.slices:
        assert each.most * each.memory <= 1
        assert each.most * each.compute <= 1 + 1e-9
    price = 1.0
    shares = [max(each.compute, each.memory) for each in whole.slices]
    for one, other in combinations_with_replacement(range(len(shares)), 2):
        first, second = whole.slices[one], whole.slices[other]
        if first.compute + second.compute <= 1 and first.memory + second.memory <= 1:
            assert shares[one] + shares[other] <= price + 1 / 14  # 3g and 4g: 3/7 of compute, half of memory
    assert slice_of(whole, whole.slices[-1].profile).flops == whole.flops
