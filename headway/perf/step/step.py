"""The seconds of one step of an engine: linear layers, experts, vocabulary, attention, links, work on the CPU.

Products of matrices take the smooth maximum of their arithmetic and of reading their weights, (x^q + y^q)^(1/q): the
roofline (Williams 2009) without its edge. A mixture reads only the experts that its tokens hit, E (1 - (1 - k/E)^n) of
an even router, fewer of a skewed one. All that depends on the setting alone is computed once: `seconds` is a few
float operations, for a simulator's inner loop.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.perf.constants import Constants, Engine, Kernels
from headway.perf.dtypes import arithmetic, bytes_of
from headway.perf.setting import Setting
from headway.perf.step.attention import attention_of
from headway.perf.step.layers import Layers, layers_of
from headway.perf.step.links import links_of

__all__ = ["Step", "step_of"]

PRODUCTS = 4
"""Of a layer: queries with keys and values, output, and the two of an MLP."""
HEAD_BYTES = 2.0
"""Of a parameter of the vocabulary's matrix, which engines leave in bf16."""
PASSES = 12
"""Times that a layer reads or writes a token's hidden vector beside its products (norms, residuals, rotation)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A StepTime. Seconds: `*_new` and `*_read` of linear layers (for each token; of their weights, to the power
    `sharpness`), likewise of experts and the vocabulary; `miss`: share of the experts that one token does not hit."""

    sharpness: float
    root: float
    linear_new: float
    linear_read: float
    expert_new: float
    expert_fill: float
    expert_read: float
    miss: float
    head_new: float
    head_read: float
    pair: float
    new: float
    context: float
    sequence: float
    token: float
    prompt: float
    fixed: float
    stages: float

    def seconds(self, new: int, attended: float, finishing: int, decodes: int, context: float) -> float:
        tokens = new + decodes
        rows = finishing + decodes
        sharp, root = self.sharpness, self.root
        hit: float = 1.0 - self.miss**tokens
        linear: float = ((self.linear_new * tokens) ** sharp + self.linear_read) ** root
        experts: float = (
            (self.expert_new * tokens + self.expert_fill * hit) ** sharp + (self.expert_read * hit) ** sharp
        ) ** root
        head: float = ((self.head_new * rows) ** sharp + self.head_read) ** root
        attention = self.pair * attended + self.new * new + self.context * context + self.sequence * decodes
        return (
            self.fixed
            + self.stages * (linear + experts + attention + self.token * tokens)
            + head * (rows > 0)
            + self.prompt * (new > 0)
        )

    def growth(self, decodes: int) -> float:
        return self.context * self.stages


def step_of(setting: Setting, constants: Constants) -> Step:
    kernels, engine = constants.kernels, constants.engines[setting.engine]
    accelerator = setting.accelerator
    layers, sharp = layers_of(setting), kernels.sharpness
    attention, links = attention_of(setting, kernels), links_of(setting, kernels)
    stream = accelerator.bandwidth * kernels.stream
    math = arithmetic(setting.weights, accelerator)
    slower = engine.slower
    linear_flops = accelerator.flops[math] * kernels.flops[math]
    head_flops = accelerator.flops["bf16"] * kernels.flops["bf16"]
    experts = _experts(setting, layers, kernels)
    each = 1.0 / setting.data
    around = PASSES * layers.layers * setting.model.hidden * 2 / stream
    return Step(
        sharpness=sharp,
        root=1.0 / sharp,
        linear_new=slower * each * 2 * layers.split / linear_flops,
        linear_read=(slower * (layers.split * bytes_of(setting.weights) + 2 * layers.router) / stream) ** sharp,
        expert_new=slower * experts[0],
        expert_fill=slower * experts[1],
        expert_read=slower * experts[2],
        miss=experts[3],
        head_new=slower * each * 2 * layers.head / head_flops,
        head_read=(slower * layers.head * HEAD_BYTES / stream) ** sharp,
        pair=slower * attention.pair,
        new=slower * attention.new + engine.token,
        context=slower * attention.context,
        sequence=slower * (attention.sequence + kernels.row * layers.layers / setting.data)
        + engine.sequence / setting.pipeline,
        token=slower * (each * around + links.token),
        prompt=engine.prompt_layer * setting.model.layers,
        fixed=_fixed(setting, layers, kernels, engine) + setting.pipeline * slower * links.fixed,
        stages=float(setting.pipeline),
    )


def _experts(setting: Setting, layers: Layers, kernels: Kernels) -> tuple[float, float, float, float]:
    """Seconds for each token, seconds of filling up tiles when all are hit, seconds of reading all, share missed."""
    model, accelerator = setting.model, setting.accelerator
    if not layers.experts:
        return 0.0, 0.0, 0.0, 1.0
    dtype = setting.expert_weights or setting.weights
    math = arithmetic(dtype, accelerator)
    # Weights that are widened have a kernel of their own where a table of operations tells of it.
    share = kernels.expert_flops.get(dtype if math == "bf16" else math, kernels.expert_flops[math])
    flops = accelerator.flops[math] * share
    busiest = setting.expert**kernels.uneven
    of_token = busiest * 2 * layers.expert * model.top_k / setting.expert / flops
    of_tiles = 2 * layers.expert * layers.experts * kernels.tile / 2 / flops
    reading = layers.expert * layers.experts * bytes_of(dtype) / (accelerator.bandwidth * kernels.expert_stream)
    miss = 1.0 - model.top_k / model.experts
    return of_token, of_tiles, reading, miss**kernels.skew


def _fixed(setting: Setting, layers: Layers, kernels: Kernels, engine: Engine) -> float:
    """Seconds of a step whatever is in it."""
    model = setting.model
    full = model.layers - model.linear_layers
    small = model.layers * (engine.layer + PRODUCTS * kernels.product) + model.linear_layers * kernels.linear
    small += full * (engine.latent * bool(model.kv_lora) + kernels.picking * bool(model.selected))
    return engine.step + small + layers.mixtures * setting.pipeline * engine.mixture
