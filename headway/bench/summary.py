"""From the records of a run to its Summary: a pure function, so that the same records give the same figures again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.bench.arrays import Bools
from headway.bench.evidence import Evidence
from headway.bench.facts import RunFacts, StageFacts
from headway.bench.figures import Chosen, distribution, figures
from headway.bench.measures import FORMULAS, Measured, measured
from headway.bench.percentile import ranked
from headway.bench.reconcile import findings
from headway.bench.record import Record
from headway.bench.schema import SCHEMA_VERSION, Figures, GeneratorFigures, Part, Slo, Summary, Window
from headway.bench.slo import Kept, as_slos, kept
from headway.bench.verdict import judge
from headway.bench.window import counted, windows

__all__ = ["summarise"]

ASKED = 95
"""The percentile that Headway's limits are meant at."""


def summarise(
    records: Sequence[Record], facts: RunFacts, slo: Slo | Sequence[Slo] | None = None, percentile: int = ASKED
) -> Summary:
    """`percentile`: the highest that is wanted; with too few requests for it the run is INVALID. The order of the
    records does not matter. 200,000 requests of 200 tokens take some 7 s, twice that where chunks hold several tokens;
    10,000 of 20 tokens take 0.05 s."""
    of = measured(sorted(records, key=lambda each: (each.due, each.number)))
    slos = as_slos(slo)
    spans = windows(of, facts)
    run = _Run(of, facts.stages, spans, counted(of, spans), kept(of, slos) if slos else None)
    whole = run.whole()
    stages = run.by_stage(whole)
    generator, server = _generator(of, facts, run.due), findings(of, facts)
    by_stage = [each.figures for each in stages]
    evidence = Evidence(of, facts, spans, run.dues, by_stage, whole, generator, slos, percentile)
    return Summary(
        schema_version=SCHEMA_VERSION,
        headway=facts.headway,
        target=facts.target,
        workload=facts.workload,
        seed=facts.seed,
        started_at=facts.started_at,
        seconds=facts.ended,
        verdict=judge(evidence, server),
        slo=slos,
        windows=spans,
        whole=whole,
        generator=generator,
        stages=stages if len(stages) > 1 else [],
        models=run.by("model"),
        tenants=run.by("tenant"),
        adapters=run.by("adapter"),
        operations=run.by("operation"),
        server=server,
        formulas=FORMULAS,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """What all figures of a run are computed from. `dues`: by window, the requests that it counts."""

    of: Measured
    stages: Sequence[StageFacts]
    spans: Sequence[Window]
    dues: Sequence[Bools]
    kept: Kept | None

    @property
    def due(self) -> Bools:
        every = np.zeros(len(self.of), np.bool_)
        for each in self.dues:
            every |= each
        return every

    def whole(self) -> Figures:
        return self._figures(np.ones(len(self.of), np.bool_), self._asked(), self._cv())

    def by_stage(self, whole: Figures) -> list[Part]:
        if len(self.spans) == 1:
            return [Part(self.spans[0].stage, whole)]
        every = np.ones(len(self.of), np.bool_)
        return [
            Part(span.stage, figures(self.of, Chosen(every, due, [span], stage.rate, stage.cv), self.kept))
            for stage, span, due in zip(self.stages, self.spans, self.dues, strict=True)
        ]

    def by(self, group: str) -> list[Part]:
        """Those with one model, tenant, adapter or operation; none when there is one only."""
        names = sorted({getattr(each, group) for each in self.of.records})
        if len(names) < 2:
            return []
        return [Part(name, self._figures(self.of.having(group, name), None, None)) for name in names]

    def _figures(self, group: Bools, asked: float | None, cv: float | None) -> Figures:
        return figures(self.of, Chosen(group, self.due & group, self.spans, asked, cv), self.kept)

    def _asked(self) -> float | None:
        """The mean of the stages' rates over what is counted of them."""
        rates = [stage.rate for stage in self.stages if stage.rate is not None]
        lengths = [span.end - span.start for span in self.spans]
        if len(rates) < len(self.stages) or sum(lengths) <= 0:
            return None
        return sum(rate * length for rate, length in zip(rates, lengths, strict=True)) / sum(lengths)

    def _cv(self) -> float | None:
        cvs = {stage.cv for stage in self.stages}
        return cvs.pop() if len(cvs) == 1 else None


def _generator(of: Measured, facts: RunFacts, due: Bools) -> GeneratorFigures:
    """Of the processes that send: one that writes records takes nothing from the time of a request."""
    seconds = max((stage.end for stage in facts.stages), default=0.0)
    senders = [each for each in facts.generators if each.role == "sender"]
    delays = [np.array(each.loop_delays, np.float64) for each in senders if each.loop_delays]
    return GeneratorFigures(
        processes=len(facts.generators),
        cpu=sum(each.cpu for each in facts.generators),
        cpu_share=max((each.cpu / seconds for each in senders), default=0.0) if seconds > 0 else 0.0,
        cpu_peak=max((each.cpu_share for each in senders), default=0.0),
        send_lag=distribution(of.send_lag[due]),
        loop_delay_p99=max((ranked(each, [99])[0] for each in delays), default=None),
        loop_delay_max=max((float(each.max()) for each in delays), default=None),
    )
