"""The ledger's tables, written so that SQLite and PostgreSQL both take them as they stand: BIGINT, no STRICT.

Semicolons only end statements. A part that was released is never edited: a further one is added.
"""

from __future__ import annotations

__all__ = ["ACCOUNTS", "SHARING"]

ACCOUNTS = """
    CREATE TABLE accounts (
        tenant TEXT NOT NULL,
        period TEXT NOT NULL,      -- day or month
        start TEXT NOT NULL,       -- its first day in UTC, 2026-11-21
        requests BIGINT NOT NULL DEFAULT 0 CHECK (requests >= 0),
        tokens BIGINT NOT NULL DEFAULT 0 CHECK (tokens >= 0),
        micros BIGINT NOT NULL DEFAULT 0 CHECK (micros >= 0),
        token_limit BIGINT,        -- the budgets that were in force when it was last lent from
        micro_limit BIGINT,
        PRIMARY KEY (tenant, period, start)
    );
    CREATE TABLE holders (
        worker TEXT PRIMARY KEY,   -- one life of one worker process
        host TEXT NOT NULL
    );
    CREATE TABLE settled (
        worker TEXT NOT NULL,
        tenant TEXT NOT NULL,
        requests BIGINT NOT NULL DEFAULT 0,
        tokens BIGINT NOT NULL DEFAULT 0,
        micros BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (worker, tenant)
    );
    CREATE TABLE leases (
        worker TEXT NOT NULL,
        tenant TEXT NOT NULL,
        budget TEXT NOT NULL,      -- policy.budget.Limit
        mark BIGINT NOT NULL,
        returned BIGINT NOT NULL DEFAULT 0,
        PRIMARY KEY (worker, tenant, budget)
    );
    CREATE INDEX leases_by_budget ON leases (tenant, budget);
"""

# What gateways that share a ledger tell each other. A ledger that one gateway has to itself leaves these empty.
SHARING = """
    CREATE TABLE gateways (
        host TEXT PRIMARY KEY,     -- one gateway at one place: its host, and its lease file
        seen DOUBLE PRECISION NOT NULL,     -- Unix time, by the clock of the database
        expired DOUBLE PRECISION   -- since when all that it held is taken for used, NULL = it is alive
    );
    CREATE TABLE shares (
        host TEXT NOT NULL,
        tenant TEXT NOT NULL,
        budget TEXT NOT NULL,      -- policy.budget.Limit, the rates included
        held BIGINT NOT NULL,      -- by its workers, unused or promised to running requests
        promised BIGINT NOT NULL,  -- of it, to running requests
        short BIGINT NOT NULL,     -- what the least request lacks that waits there, 0 = none waits
        PRIMARY KEY (host, tenant, budget)
    );
    CREATE TABLE buckets (
        tenant TEXT NOT NULL,
        budget TEXT NOT NULL,      -- RPM or TPM
        level DOUBLE PRECISION NOT NULL,    -- what nobody holds
        held BIGINT NOT NULL,      -- what the workers of all gateways hold
        at DOUBLE PRECISION NOT NULL,       -- Unix time that it was refilled to, by the clock of the database
        PRIMARY KEY (tenant, budget)
    );
    CREATE INDEX holders_by_host ON holders (host);
"""
