"""What a policy's replica-hours are measured against: two lower bounds and a plan that knows what will come."""
