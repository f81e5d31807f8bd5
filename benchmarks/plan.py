"""What `headway plan` picks for five models at three limits on the mixed Site of examples/plan, as the table of
docs/plan.md, and how long a plan takes of a processor: `python -m benchmarks.plan`."""

from __future__ import annotations

import time
from pathlib import Path

from headway.cli.plan_asked import Plan, Wanted, planned
from headway.cli.plan_table import cheaper, named
from headway.perf.plan.told import seconds

EXAMPLES = Path(__file__).parents[1] / "examples" / "plan"
LIMITS = ("ttft=300ms,itl=20ms", "ttft=500ms,itl=50ms", "ttft=2s,itl=100ms")
MODELS = ("llama-70b", "qwen3-32b", "gpt-oss-120b", "deepseek-v3", "llama-3b")
RATE = "10/s"
REPEATS = 5


def row(plan: Plan) -> str:
    limits = ", ".join(f"{name} {seconds(value)}" for name, value in plan.goal.limits.items())
    not_cheaper = "; ".join(cheaper(plan)[:2]) or "nothing costs less"
    pick = plan.pick
    if pick is None or not plan.is_kept:
        best = min(plan.ways, key=lambda each: each.choice.per_hour, default=None)
        helps = f"{best.change}: {best.choice.replicas.all} x {named(best.choice)}" if best else "nothing"
        return f"| {plan.model.name} | {limits} | cannot be kept; {helps} |  |  |  | {not_cheaper} |"
    after = plan.found.choices[1] if len(plan.found.choices) > 1 else None
    then = f"{after.replicas.all} x {named(after)}, {after.per_hour:.2f}" if after else "none"
    felt = f"{seconds(pick.felt.ttft_p95.value)}, {seconds(pick.felt.itl_p95.value)}"
    cost = f"{pick.per_hour:.2f} | {felt}"
    return f"| {plan.model.name} | {limits} | {pick.replicas.all} x {named(pick)} | {cost} | {then} | {not_cheaper} |"


def main() -> None:
    print("| model | limits (p95) | pick | $/h | TTFT, ITL p95 | next, $/h | cheaper a replica, and why not |")
    print("|---|---|---|---|---|---|---|")
    for slo in LIMITS:
        for name in MODELS:
            file, site = str(EXAMPLES / "models.yaml"), str(EXAMPLES / "site.yaml")
            print(row(*planned(Wanted(target=file, model=name, site=site, rate=RATE, slo=slo))))
    print()
    for name in ("llama-70b", "deepseek-v3"):
        asked = Wanted(target=str(EXAMPLES / "models.yaml"), model=name, rate=RATE, slo=LIMITS[1])
        took = []
        for _ in range(REPEATS):
            began = time.process_time()
            (plan,) = planned(asked)
            took.append(time.process_time() - began)
        middle = sorted(took)[REPEATS // 2]
        print(f"{name} over the whole catalogue: {plan.found.settings} settings, {middle:.2f} s of a processor")


if __name__ == "__main__":
    main()
