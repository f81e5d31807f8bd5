"""The forms of an export: the same Models as plain Kubernetes, and as what other systems call theirs."""
