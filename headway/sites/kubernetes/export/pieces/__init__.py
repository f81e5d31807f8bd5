"""Cluster-level pieces: what an admin sets up once, with the numbers that this file's Models need."""
