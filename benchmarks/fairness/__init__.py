"""What a tenant feels when another one floods: `python -m benchmarks.fairness`."""
