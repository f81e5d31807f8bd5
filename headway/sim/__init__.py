"""What would happen: recorded traffic, the policies that run in production, and engines by the model of performance."""
