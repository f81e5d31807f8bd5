"""Desired state, keys, the ledger, Decisions and request records: one schema, SQLite here."""
