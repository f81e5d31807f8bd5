"""Desired state, Decisions and request records: one schema, SQLite here."""
