"""What was decided, kept for `explain`: newest first, bounded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headway.policy.decision import Decision
from headway.store.database import Database

__all__ = ["Journal", "JournalLimits", "RecordedDecision"]


@dataclass(frozen=True, slots=True)
class JournalLimits:
    decisions: int = 5_000
    """Rows kept. A busy laptop decides a few hundred times a day."""


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    at: float
    decision: Decision


class Journal:
    def __init__(self, database: Database, limits: JournalLimits | None = None) -> None:
        self._database = database
        self._limits = limits or JournalLimits()

    def add_decisions(self, decisions: Sequence[Decision], now: float) -> None:
        if not decisions:
            return
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO decisions (at, object, action, reason, message, numbers, look_again)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        now,
                        each.object,
                        each.action,
                        each.reason,
                        each.message,
                        json.dumps(dict(each.numbers)),
                        each.look_again,
                    )
                    for each in decisions
                ],
            )
            connection.execute(
                "DELETE FROM decisions WHERE seq <= (SELECT MAX(seq) FROM decisions) - ?",
                (self._limits.decisions,),
            )

    def decisions(self, limit: int = 50) -> list[RecordedDecision]:
        """The newest, newest first."""
        return self._read("SELECT * FROM decisions ORDER BY seq DESC LIMIT ?", limit)

    def decisions_of(self, model: str, limit: int) -> list[RecordedDecision]:
        """Those about a Model and its Replicas (`MODEL-REVISION-N`), newest first."""
        query = "SELECT * FROM decisions WHERE object = ? OR object GLOB ? ORDER BY seq DESC LIMIT ?"
        return self._read(query, model, f"{model}-[0-9a-f]*-[0-9]*", limit)

    def _read(self, query: str, *values: object) -> list[RecordedDecision]:
        return [RecordedDecision(row["at"], _decision(row)) for row in self._database.rows(query, *values)]


def _decision(row: Any) -> Decision:
    return Decision(
        object=row["object"],
        action=row["action"],
        reason=row["reason"],
        message=row["message"],
        numbers=json.loads(row["numbers"]),
        look_again=row["look_again"],
    )
